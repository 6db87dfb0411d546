"""Kokoro's voices under all names that clients use: its own names, OpenAI's, and blends of several voices.

A blend is `af_bella+af_sky`, or with weights `af_bella(2)+af_sky(1)`, as other servers of Kokoro accept it.
"""

import re
import threading
from typing import Any

from fastapi import HTTPException

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name

_EXECUTOR = "speaches.executors.kokoro"
_ROUTER = "speaches.routers.speech"
_OPENAI_VOICES = {
    # For OpenAI's other names, upstream itself chooses its first voice.
    "cedar": "am_michael",
    "fable": "bm_fable",
    "marin": "af_heart",
    "nova": "af_nova",
    "onyx": "am_onyx",
}
_PART = re.compile(r"(\w+)\s*(?:\(\s*([\d.]+)\s*\))?")


_archive_lock = threading.Lock()
"""kokoro_onnx reads each requested voice from an archive, which supports one reader at a time."""


class Blend(str):
    """The name of the first voice of a blend, which decides the language, with the weights of all its voices."""

    __slots__ = ("weights",)
    weights: dict[str, float]
    """By the name of the voice; they add up to 1."""


def rebind() -> None:
    """Resolve the voice of each request before upstream passes it to a model."""
    original: Any = rebind_name(_ROUTER, "SpeechRequest", lambda **fields: _make(original, fields))


def _make(original: Any, fields: dict[str, Any]) -> Any:
    request = original(**fields)
    # N.B. Set after the validation, because pydantic would convert a `Blend` into a plain string.
    request.voice = resolve_voice(request.voice)
    return request


def resolve_voice(requested: str) -> str:
    """Kokoro's name for a requested voice, or a blend. The model itself reports an unknown name.

    Raises:
        HTTPException: 422 for an invalid blend.
    """
    known = {voice.name for voice in getattr(imported(_EXECUTOR), "VOICES", ())}
    if requested not in known and _OPENAI_VOICES.get(requested) in known:
        return _OPENAI_VOICES[requested]
    if "+" not in requested:
        return requested
    parts = [_PART.fullmatch(part.strip()) for part in requested.split("+")]
    weights: dict[str, float] = {}
    for part in parts:
        if part is None:
            raise HTTPException(
                422, f"cannot read `{requested}` as a blend; write `af_bella+af_sky` or `af_bella(2)+af_sky(1)`"
            )
        name, weight = part.groups()
        if name not in known:
            raise HTTPException(
                422, f"cannot blend the unknown voice `{name}`; known voices: {', '.join(sorted(known))}"
            )
        try:
            weights[name] = weights.get(name, 0.0) + float(weight or 1)
        except ValueError as error:
            raise HTTPException(422, f"the weight `{weight}` of the voice `{name}` is not a number") from error
    total = sum(weights.values())
    if total <= 0:
        raise HTTPException(422, f"the weights of `{requested}` add up to 0; give a voice more than 0")
    blend = Blend(next(iter(weights)))
    blend.weights = {name: weight / total for name, weight in weights.items()}
    return blend


def style_of(kokoro: Any, voice: str) -> Any:
    """The style of a voice: an array of numbers for each length of text."""
    with _archive_lock:
        if not isinstance(voice, Blend):
            return kokoro.get_voice_style(voice)
        return sum(kokoro.get_voice_style(name) * weight for name, weight in voice.weights.items())
