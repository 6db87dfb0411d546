"""Speech-to-text, after OpenAI's API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Response

from speaches.api_types import Transcription, TranscriptionVerbose
from speaches.dependencies import AudioFileDependency, ExecutorRegistryDependency
from speaches.executors.shared.handler_protocol import TranscriptionRequest
from speaches.executors.silero_vad_v5 import VadOptions, VadRequest
from speaches.model_aliases import ModelId
from speaches.routers.utils import find_executor_for_model_or_raise, get_model_card_data_or_raise

router = APIRouter(tags=["automatic-speech-recognition"])

type ResponseFormat = Literal["text", "json", "verbose_json", "srt", "vtt"]
type TimestampGranularity = Literal["segment", "word"]


@router.post("/v1/audio/transcriptions", response_model=str | Transcription | TranscriptionVerbose)
def transcribe_file(
    executor_registry: ExecutorRegistryDependency,
    audio: AudioFileDependency,
    model: Annotated[ModelId, Form()],
    language: Annotated[str | None, Form()] = None,
    prompt: Annotated[str | None, Form()] = None,
    response_format: Annotated[ResponseFormat, Form()] = "json",
    temperature: Annotated[float, Form()] = 0.0,
    timestamp_granularities: Annotated[list[TimestampGranularity], Form(alias="timestamp_granularities[]")] = [
        "segment"
    ],
    # Beyond OpenAI's API, as upstream.
    hotwords: Annotated[str | None, Form()] = None,
    without_timestamps: Annotated[bool, Form()] = True,
) -> Response:
    card = get_model_card_data_or_raise(model)
    executor = find_executor_for_model_or_raise(model, card, executor_registry.transcription)
    options = VadOptions()
    speeches = executor_registry.vad.model_manager.handle_vad_request(VadRequest(audio=audio, vad_options=options))
    request = TranscriptionRequest(
        audio=audio,
        model=model,
        language=language,
        prompt=prompt,
        response_format=response_format,
        temperature=temperature,
        timestamp_granularities=[*timestamp_granularities],
        hotwords=hotwords,
        without_timestamps=without_timestamps,
        speech_segments=speeches,
        vad_options=options,
    )
    answer = executor.model_manager.handle_transcription_request(request)
    if isinstance(answer, tuple):
        text, media_type = answer
        return Response(text, media_type=media_type)
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")
