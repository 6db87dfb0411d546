"""Speech requests: encoding without ffmpeg, events in the requested format, and errors with an error status.

Upstream synthesizes inside the body of the response, so an unknown voice becomes status 200 and a broken body. Here,
the service computes the first piece of a body before the response starts.
"""

import base64
import functools
import importlib
import inspect
import itertools
import logging
import math
import re
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal, TypeVar

import numpy as np
from fastapi import HTTPException
from pydantic import create_model, model_validator

from speaches_service import speech_encoding
from speaches_service.english_normalization import normalized
from speaches_service.prefetch import prefetch_one
from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.server_sent_events import event, failure

_ROUTER_MODULE = "speaches.routers.speech"
_PATH = "/v1/audio/speech"
_EXECUTORS_PACKAGE = "speaches.executors."
_KOKORO = "speaches.executors.kokoro"
_PIPER = re.compile(r"piper-en[_-]")

_SILENCE_SECONDS = 0.5
_SILENCE_RATE = 24000
"""Kokoro's rate, in Hz."""

Piece = TypeVar("Piece")
_Pieces = Generator[tuple[speech_encoding.Audio, bool], None, None]

_logger = logging.getLogger(__name__)
_request = threading.local()
"""`body`: the body of this thread's request. Upstream does not pass it to its function for events."""


def rebind(normalize: bool = True) -> None:
    """Replace upstream's encoder, its server-sent events and its request model.

    `normalize` is the default for requests without this field.
    """
    rebind_name(_ROUTER_MODULE, "stream_audio_as_formatted_bytes", _stream_audio)
    events = "audio_gen_to_speech_audio_events"
    # The sample has a shorter name for this function.
    is_upstream = hasattr(imported(_ROUTER_MODULE), events)
    rebind_name(_ROUTER_MODULE, events if is_upstream else "speech_audio_events", lambda audio: audio)
    rebind_name(_ROUTER_MODULE, "speech_audio_events_to_sse", _stream_events)
    router: Any = imported(_ROUTER_MODULE)
    route = next((route for route in router.router.routes if route.path == _PATH), None)
    if route is None:
        raise AttributeError(f"`{_ROUTER_MODULE}` has no `{_PATH}`")
    route.endpoint = _with_normalization(route.endpoint, normalize)


def _with_normalization(endpoint: Callable[..., Any], normalize: bool) -> Callable[..., Any]:
    """Add the field `normalize` to the endpoint's body, and normalize the text."""
    signature = inspect.signature(endpoint)
    original = signature.parameters["body"].annotation
    # Keep upstream's name, which appears in the OpenAPI document.
    fields: dict[str, Any] = {"normalize": (bool | None, None)}
    validators: dict[str, Any] = {"usable": model_validator(mode="before")(_sanitized)}
    body = create_model(original.__name__, __base__=original, __validators__=validators, **fields)

    @functools.wraps(endpoint)
    def answer(*arguments: Any, **named: Any) -> Any:
        request = _request.body = named["body"]
        if not request.input:
            raise HTTPException(422, "`input` is empty; it must contain the text to speak")
        should_normalize = normalize if request.normalize is None else request.normalize
        if should_normalize and speaks_english(request.model, request.voice):
            request.input = normalized(request.input)
        try:
            return endpoint(*arguments, **named)
        finally:
            _request.body = None

    parameters = [
        parameter.replace(annotation=body) if parameter.name == "body" else parameter
        for parameter in signature.parameters.values()
    ]
    answer.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return answer


def _sanitized(fields: Any) -> Any:
    """Remove values that would cause status 500, or an error that a client does not expect.

    Raises:
        ValueError: a number is not finite.
    """
    if not isinstance(fields, dict):
        return fields
    for name, value in fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"`{name}` is {value}; it must be a finite number")
    # A lone UTF-16 surrogate, such as half of an emoji, has no UTF-8.
    usable = {
        name: value.encode(errors="ignore").decode() if isinstance(value, str) else value
        for name, value in fields.items()
    }
    # Upstream's page sends a rate of 0 for an empty field.
    return {**usable, "sample_rate": None} if usable.get("sample_rate") == 0 else usable


def speaks_english(model: str, voice: str) -> bool:
    """Whether a model speaks English with a voice. Each voice of Kokoro and each model of Piper has one language."""
    kokoro = {each.name: each.language for each in getattr(imported(_KOKORO), "VOICES", ())}
    name = re.split(r"[+(\s]", voice.strip(), maxsplit=1)[0]
    # A name unknown to Kokoro is one of OpenAI's names, whose voices are English.
    return _PIPER.search(model) is not None if "piper" in model else kokoro.get(name, "en").startswith("en")


def primed(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Compute the first piece now.

    Raises:
        HTTPException: 422 if an executor rejects the request (unknown voice, speed out of range).
    """
    try:
        first = next(pieces)
    except StopIteration:
        return iter(())
    except ValueError as error:
        if not _is_invalid_request(error):
            raise
        raise HTTPException(status_code=422, detail=_error_text(error)) from error
    return itertools.chain((first,), pieces)


def _stream_audio(
    audio_generator: Iterator[speech_encoding.Audio],
    audio_format: Literal["aac", "pcm", "opus", "mp3", "flac", "wav"],
    sample_rate: int | None = None,
) -> Iterator[bytes]:
    return primed(speech_encoding.encode(_silence_if_empty(prefetch_one(audio_generator)), audio_format, sample_rate))


def _silence_if_empty(pieces: _Pieces) -> _Pieces:
    """The same pieces, or half a second of silence if there are none, so that the answer is a valid file."""
    first = next(pieces, None)
    if first is None:
        _logger.info("the text contains nothing to pronounce, so the answer is silence")
        samples = np.zeros(int(_SILENCE_SECONDS * _SILENCE_RATE), np.float32)
        yield importlib.import_module("speaches.audio").Audio(samples, _SILENCE_RATE), True
        return
    yield first
    yield from pieces


def _stream_events(audio_generator: Iterator[speech_encoding.Audio]) -> Iterator[str]:
    """OpenAI's server-sent events, each with one piece's audio. Concatenated, they are a file of the format."""
    body = _request.body
    encoded = _stream_audio(audio_generator, body.response_format, body.sample_rate)
    return _format_events(encoded)


def _format_events(encoded: Iterator[bytes]) -> Iterator[str]:
    try:
        for part in encoded:
            yield event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
    except Exception:
        _logger.exception("speech failed after the answer had begun")
        yield failure("speech")
        return
    # Upstream does not count tokens either.
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield event({"type": "speech.audio.done", "token_usage": usage})


def _is_invalid_request(error: ValueError) -> bool:
    """Whether one of upstream's executors raised the error itself. A ValueError from deeper code is a bug."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback is not None else ""
    return str(module).startswith(_EXECUTORS_PACKAGE)


def _error_text(error: ValueError) -> str:
    argument = error.args[0] if error.args else ""
    # Piper's executor raises ValueError((text,)).
    text = str(argument[0] if isinstance(argument, tuple) and argument else argument)
    beginning, listed, _ = text.partition("[KokoroModelVoice(")
    # Upstream lists its voices as objects; only their names help a client.
    return beginning + ", ".join(re.findall(r"\bname='([^']+)'", text)) if listed else text
