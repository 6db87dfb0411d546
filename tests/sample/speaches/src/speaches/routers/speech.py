"""Text-to-speech, after OpenAI's API."""

import base64
from collections.abc import Generator
import json
from typing import Literal

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from speaches.api_types import (
    DEFAULT_SPEECH_RESPONSE_FORMAT,
    MAX_SPEECH_SAMPLE_RATE,
    MIN_SPEECH_SAMPLE_RATE,
    SpeechResponseFormat,
)
from speaches.audio import Audio, stream_audio_as_formatted_bytes
from speaches.dependencies import ExecutorRegistryDependency
from speaches.executors.shared.handler_protocol import SpeechRequest
from speaches.model_aliases import ModelId
from speaches.routers.utils import find_executor_for_model_or_raise, get_model_card_data_or_raise

router = APIRouter(tags=["text-to-speech"])

RESPONSE_FORMAT_MIME_TYPE_MAP: dict[SpeechResponseFormat, str] = {
    "pcm": "audio/pcm",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "opus": "audio/opus",
    "aac": "audio/aac",
}


class CreateSpeechRequestBody(BaseModel):
    model: ModelId
    input: str
    voice: str
    response_format: SpeechResponseFormat = DEFAULT_SPEECH_RESPONSE_FORMAT
    speed: float = 1.0
    stream_format: Literal["audio", "sse"] = "audio"
    """Whether the body is the audio itself, or server-sent events with pieces of it as base64 of 16-bit samples."""
    sample_rate: int | None = Field(None, ge=MIN_SPEECH_SAMPLE_RATE, le=MAX_SPEECH_SAMPLE_RATE)
    """Sample rate of the answer in Hz; the model's own if not given."""


def speech_audio_events(audio_generator: Generator[Audio]) -> Generator[dict[str, str]]:
    for audio in audio_generator:
        yield {"type": "speech.audio.delta", "audio": base64.b64encode(audio.as_bytes()).decode()}
    yield {"type": "speech.audio.done"}


def speech_audio_events_to_sse(events: Generator[dict[str, str]]) -> Generator[str]:
    for event in events:
        yield f"data: {json.dumps(event)}\n\n"


@router.post("/v1/audio/speech")
def synthesize(executor_registry: ExecutorRegistryDependency, body: CreateSpeechRequestBody) -> StreamingResponse:
    card = get_model_card_data_or_raise(body.model)
    executor = find_executor_for_model_or_raise(body.model, card, executor_registry.text_to_speech)
    request = SpeechRequest(model=body.model, voice=body.voice, text=body.input, speed=body.speed)
    try:
        audio_generator = executor.model_manager.handle_speech_request(request)
        if body.stream_format == "sse":
            events = speech_audio_events_to_sse(speech_audio_events(audio_generator))
            return StreamingResponse(events, media_type="text/event-stream")
        return StreamingResponse(
            stream_audio_as_formatted_bytes(
                audio_generator, audio_format=body.response_format, sample_rate=body.sample_rate
            ),
            media_type=RESPONSE_FORMAT_MIME_TYPE_MAP[body.response_format],
        )
    except ValueError as error:
        # N.B. never reached for a generator, as upstream: the answer has begun when it raises.
        raise HTTPException(422, str(error)) from error
