"""Shapes of requests and responses that several routes share, after OpenAI's API."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ModelTask = Literal["automatic-speech-recognition", "text-to-speech", "speaker-embedding", "voice-activity-detection"]

type SpeechResponseFormat = Literal["pcm", "mp3", "wav", "flac", "opus", "aac"]
DEFAULT_SPEECH_RESPONSE_FORMAT: SpeechResponseFormat = "mp3"
MIN_SPEECH_SAMPLE_RATE = 8000
MAX_SPEECH_SAMPLE_RATE = 48000

OPENAI_SUPPORTED_SPEECH_VOICE_NAMES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse")


class Model(BaseModel):
    """A model in the cache. Executors add fields of their own."""

    model_config = ConfigDict(extra="allow")

    id: str
    created: int = 0
    object: Literal["model"] = "model"
    owned_by: str
    language: list[str] | None = None
    task: ModelTask


class ListModelsResponse(BaseModel):
    data: list[Model]
    object: Literal["list"] = "list"


class Transcription(BaseModel):
    text: str


class TranscriptionSegment(BaseModel):
    id: int
    start: float
    """Seconds from the start of the audio."""
    end: float
    text: str
    # What only Whisper tells.
    seek: int | None = None
    """Where its clip begins, in hundredths of a second."""
    tokens: list[int] | None = None
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None


class TranscriptionWord(BaseModel):
    word: str
    start: float
    """Seconds from the start of the audio."""
    end: float


class TranscriptionVerbose(Transcription):
    task: Literal["transcribe"] = "transcribe"
    language: str
    duration: float
    """Length of the audio in seconds."""
    segments: list[TranscriptionSegment]
    words: list[TranscriptionWord] | None = None
    """If the request asks for their times."""


class EmbeddingObject(BaseModel):
    object: Literal["embedding"] = "embedding"
    index: int = 0
    embedding: list[float]


class CreateEmbeddingResponse(BaseModel):
    object: Literal["list"] = "list"
    data: list[EmbeddingObject] = Field(min_length=1, max_length=1)
    model: str
