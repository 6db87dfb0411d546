"""Speech requests: encoding without ffmpeg, and errors as errors.

Upstream synthesizes inside the body of the response, so an unknown voice becomes status 200 and a broken body. Here
the first piece of a body is made before the response starts.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar, cast

from fastapi import HTTPException

from speaches_service import speech_encoding, turns
from speaches_service.rebinding import rebind as rebind_name

_ROUTER_MODULE = "speaches.routers.speech"
_EXECUTORS_PACKAGE = "speaches.executors."

Piece = TypeVar("Piece")

_turns = turns.of_this_machine()


def rebind() -> None:
    """Replace upstream's encoder, make both kinds of body, audio and server-sent events, start early and take turns."""
    rebind_name("speaches.audio", "stream_audio_as_formatted_bytes", speech_encoding.stream_audio_as_formatted_bytes)
    rebind_name(_ROUTER_MODULE, "stream_audio_as_formatted_bytes", _stream_audio)

    def stream_events(events: Iterator[Any]) -> Iterator[str]:
        return start(format_events(_turns.take(events)))

    format_events = cast(
        "Callable[[Iterator[Any]], Iterator[str]]",
        rebind_name(_ROUTER_MODULE, "speech_audio_events_to_sse", stream_events),
    )


def start(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Make the first piece now.

    Raises:
        HTTPException: 422 when an executor refuses the request (unknown voice, speed out of range).
    """
    try:
        first = next(pieces)
    except StopIteration:
        return iter(())
    except ValueError as error:
        if not _is_refusal(error):
            raise
        raise HTTPException(status_code=422, detail=_text_of(error)) from error
    return itertools.chain((first,), pieces)


def _stream_audio(
    audio_generator: Iterator[speech_encoding.Audio],
    audio_format: Literal["aac", "pcm", "opus", "mp3", "flac", "wav"],
    sample_rate: int | None = None,
) -> Iterator[bytes]:
    audio = _turns.take(audio_generator)
    return start(speech_encoding.stream_audio_as_formatted_bytes(audio, audio_format, sample_rate))


def _is_refusal(error: ValueError) -> bool:
    """Whether one of upstream's executors raised it itself; a ValueError from deeper down is a bug, not a request."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback is not None else ""
    return str(module).startswith(_EXECUTORS_PACKAGE)


def _text_of(error: ValueError) -> str:
    argument = error.args[0] if error.args else ""
    # Piper's executor raises ValueError((text,)).
    text = str(argument[0] if isinstance(argument, tuple) and argument else argument)
    beginning, listed, _ = text.partition("[KokoroModelVoice(")
    # Of each voice its name is enough.
    return beginning + ", ".join(re.findall(r"\bname='([^']+)'", text)) if listed else text
