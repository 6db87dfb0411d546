"""What routes ask of executors."""

from collections.abc import Generator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from speaches.api_types import Transcription, TranscriptionVerbose
from speaches.audio import Audio
from speaches.executors.silero_vad_v5 import SpeechTimestamp, VadOptions

type MimeType = str
type SpeechResponse = Generator[Audio]
type SpeakerEmbeddingResponse = NDArray[np.float32]
type NonStreamingTranscriptionResponse = tuple[str, MimeType] | Transcription | TranscriptionVerbose


class SpeechRequest(BaseModel):
    model: str
    voice: str
    text: str
    speed: float


class TranscriptionRequest(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    audio: Audio
    model: str
    stream: bool = False
    language: str | None = None
    prompt: str | None = None
    response_format: str = "json"
    temperature: float = 0.0
    hotwords: str | None = None
    timestamp_granularities: list[str] = ["segment"]
    speech_segments: list[SpeechTimestamp]
    vad_options: VadOptions
    without_timestamps: bool = True


class SpeakerEmbeddingRequest(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    audio: Audio
    model_id: str


class SpeechHandler(Protocol):
    def handle_speech_request(self, request: SpeechRequest) -> SpeechResponse: ...


class TranscriptionHandler(Protocol):
    def handle_transcription_request(self, request: TranscriptionRequest) -> NonStreamingTranscriptionResponse: ...
