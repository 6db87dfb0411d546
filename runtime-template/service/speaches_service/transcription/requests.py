"""Validates and converts the fields of transcription requests.

Upstream passes them to its models unchecked, and values that a model rejects cause status 500.
"""

import math
from collections.abc import Callable
from typing import Any

from fastapi import HTTPException
from starlette.requests import Request

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.transcription import GRANULARITIES, PATHS, decoding, form_fields
from speaches_service.transcription.languages import UnknownLanguage, whisper_language

_ROUTER = "speaches.routers.stt"
SUBTITLES = ("srt", "vtt")


def rebind() -> None:
    """Replace upstream's models of requests, and its reading of a list in a form."""
    router: Any = imported(_ROUTER)
    rebind_name(_ROUTER, "TranscriptionRequest", _reading(getattr(router, "TranscriptionRequest", None), "transcribe"))
    # The sample has no translations, and its form stays unchanged.
    if hasattr(router, "TranslationRequest"):
        rebind_name(_ROUTER, "TranslationRequest", _reading(router.TranslationRequest, "translate"))
        rebind_name(_ROUTER, "get_timestamp_granularities", timestamp_granularities)
        for route in router.router.routes:
            if route.path in PATHS:
                route.endpoint = form_fields.extended(route.endpoint)


def _reading(request: Any, task: str) -> Callable[..., Any]:
    def make(**fields: Any) -> Any:
        decoding.set_current(fields.get("audio"), task)
        return request(**read(fields))

    return make


def read(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request in the form that its model accepts.

    Raises:
        HTTPException: 422, with the reason.
    """
    changed: dict[str, Any] = {}
    if "language" in fields:
        try:
            changed["language"] = whisper_language(fields["language"])
        except UnknownLanguage as error:
            raise HTTPException(422, str(error)) from error
    temperature = fields.get("temperature", 0)
    if not 0 <= temperature < math.inf:
        raise HTTPException(422, f"`temperature` is {temperature}; it must be a number from 0 to 1")
    # The cues of subtitles end with a word, so they need the times of words.
    if fields.get("response_format") in SUBTITLES and GRANULARITIES in fields:
        changed[GRANULARITIES] = ["segment", "word"]
    if "speech_segments" in fields and not form_fields.wants_speech_only():
        changed["speech_segments"] = form_fields.whole_recording(fields["audio"])
    return {**fields, **changed}


async def timestamp_granularities(request: Request) -> list[str]:
    """The granularities of a form, under the name with brackets, as OpenAI's clients send it, and without brackets.

    Raises:
        HTTPException: 422 for an unknown granularity.
    """
    form = await request.form()
    found = [str(value) for name in (f"{GRANULARITIES}[]", GRANULARITIES) for value in form.getlist(name) if value]
    for value in found:
        if value not in ("segment", "word"):
            raise HTTPException(422, f"`{GRANULARITIES}[]` is `{value}`; it must be `segment` or `word`")
    return sorted(set(found)) or ["segment"]
