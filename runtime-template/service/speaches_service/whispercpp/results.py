"""The results of a transcription, with faster-whisper's names, which upstream's formatting reads."""

from dataclasses import dataclass


@dataclass
class Word:
    """Times in seconds from the start of the audio."""

    start: float
    end: float
    word: str
    probability: float


@dataclass
class Segment:
    """Times in seconds from the start of the audio."""

    id: int
    seek: int
    """The start of the clip, in hundredths of a second."""
    start: float
    end: float
    text: str
    tokens: list[int]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: list[Word] | None
    temperature: float


@dataclass
class Options:
    """The option that upstream's formatting reads."""

    word_timestamps: bool


@dataclass
class Information:
    """Facts about the whole audio."""

    duration: float
    """In seconds."""
    transcription_options: Options
    language: str = "en"
