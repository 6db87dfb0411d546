"""Voice activity detection with Silero, as faster-whisper brings it; without it what is loud enough is a voice."""

from collections.abc import Generator
from typing import TypedDict, override

import numpy as np
from pydantic import BaseModel, ConfigDict

from speaches import installed
from speaches.api_types import Model
from speaches.audio import Audio
from speaches.config import OrtOptions
from speaches.executors.shared.base_model_manager import BaseModelManager, get_ort_providers_with_options
from speaches.hf_utils import HfModelFilter
from speaches.model_registry import ModelRegistry

if installed.FASTER_WHISPER:
    from faster_whisper import vad as silero

MODEL_ID = "silero_vad_v5"
SAMPLE_RATE = 16000
FRAME = SAMPLE_RATE // 100


class SpeechTimestamp(TypedDict):
    start: int
    end: int


class VadOptions(BaseModel):
    threshold: float = 0.75
    """Of Silero's probability. Without Silero a tenth of it is what 10 ms must have of the loudest 10 ms: 0.75 is 23 dB
    below them."""
    min_silence_duration_ms: int = 1000


class VadRequest(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    audio: Audio
    vad_options: VadOptions


class SileroVADModelRegistry(ModelRegistry[Model, None]):
    @override
    def list_local_models(self) -> Generator[Model]:
        owner = "snakers4" if installed.FASTER_WHISPER else "sample"
        yield Model(id=MODEL_ID, owned_by=owner, task="voice-activity-detection")


silero_vad_model_registry = SileroVADModelRegistry(HfModelFilter(model_name=MODEL_ID))


class SileroVADModelManager(BaseModelManager[None]):
    def __init__(self, ttl: int, ort_opts: OrtOptions) -> None:
        super().__init__(ttl)
        self.ort_opts = ort_opts

    @override
    def _load_fn(self, model_id: str) -> None:
        # Chosen as upstream does it, and used by nothing.
        get_ort_providers_with_options(self.ort_opts)

    def handle_vad_request(self, request: VadRequest, **_kwargs: object) -> list[SpeechTimestamp]:
        """Return where somebody speaks, in samples."""
        data = request.audio.data
        if installed.FASTER_WHISPER:
            options = silero.VadOptions(max_speech_duration_s=30, **request.vad_options.model_dump())
            return [SpeechTimestamp(**found) for found in silero.get_speech_timestamps(data, options)]
        frames = data[: len(data) // FRAME * FRAME].reshape(-1, FRAME)
        loudness = np.sqrt((frames**2).mean(axis=1))
        if not loudness.any():
            return []
        longest_pause = request.vad_options.min_silence_duration_ms * SAMPLE_RATE // 1000
        found: list[SpeechTimestamp] = []
        for frame in np.flatnonzero(loudness > request.vad_options.threshold / 10 * loudness.max()).tolist():
            start = frame * FRAME
            if found and start - found[-1]["end"] < longest_pause:
                found[-1]["end"] = start + FRAME
            else:
                found.append(SpeechTimestamp(start=start, end=start + FRAME))
        return found


def merge_segments(speeches: list[SpeechTimestamp], _vad_options: VadOptions) -> list[SpeechTimestamp]:
    """Put what is near together into clips of at most half a minute."""
    merged: list[SpeechTimestamp] = []
    for speech in speeches:
        if merged and speech["end"] - merged[-1]["start"] <= 30 * SAMPLE_RATE:
            merged[-1]["end"] = speech["end"]
        else:
            merged.append(SpeechTimestamp(**speech))
    return merged


def to_ms_speech_timestamps(speech_timestamps: list[SpeechTimestamp]) -> list[SpeechTimestamp]:
    """Convert samples to milliseconds."""
    ms = SAMPLE_RATE // 1000
    return [SpeechTimestamp(start=found["start"] // ms, end=found["end"] // ms) for found in speech_timestamps]
