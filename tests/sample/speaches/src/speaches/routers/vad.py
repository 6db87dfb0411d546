"""Where in a file somebody speaks."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException

from speaches.dependencies import AudioFileDependency, ExecutorRegistryDependency
from speaches.executors.silero_vad_v5 import (
    MODEL_ID,
    SpeechTimestamp,
    VadOptions,
    VadRequest,
    to_ms_speech_timestamps,
)
from speaches.model_aliases import ModelId

router = APIRouter(tags=["voice-activity-detection"])


@router.post("/v1/audio/speech/timestamps")
def detect_speech_timestamps(
    audio: AudioFileDependency,
    executor_registry: ExecutorRegistryDependency,
    model: Annotated[ModelId, Form()] = MODEL_ID,
    threshold: Annotated[float, Form(ge=0, le=1)] = 0.75,
    min_silence_duration_ms: Annotated[int, Form(ge=0)] = 1000,
) -> list[SpeechTimestamp]:
    if model != MODEL_ID:
        raise HTTPException(404, f"Only '{MODEL_ID}' detects voices")
    options = VadOptions(threshold=threshold, min_silence_duration_ms=min_silence_duration_ms)
    request = VadRequest(audio=audio, vad_options=options)
    return to_ms_speech_timestamps(executor_registry.vad.model_manager.handle_vad_request(request))
