"""What was heard, with the names that upstream's own formatting reads (those of faster-whisper)."""

from dataclasses import dataclass


@dataclass
class Word:
    """One word; times in seconds from the start of the audio."""

    start: float
    end: float
    word: str
    probability: float


@dataclass
class Segment:
    """A piece of speech; times in seconds from the start of the audio."""

    id: int
    seek: int
    """Where its clip begins, in hundredths of a second."""
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
    """What upstream asks about how it was transcribed."""

    word_timestamps: bool


@dataclass
class Information:
    """What holds for all of the audio."""

    duration: float
    """In seconds."""
    transcription_options: Options
    language: str = "en"
