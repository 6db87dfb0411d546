"""Extends the forms of upstream's transcription routes with a field and with another value."""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Form
from pydantic import BeforeValidator

from speaches_service.rebinding import imported
from speaches_service.transcription import GRANULARITIES, SAMPLE_RATE

_DETECTOR = "speaches.executors.silero_vad_v5"
_VAD_FILTER = "vad_filter"
_WINDOW_SECONDS = 30
"""Whisper's window."""
_of_thread = threading.local()


def extended(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Make the endpoint ignore empty granularities, and add the field `vad_filter`."""
    signature = inspect.signature(endpoint)

    @functools.wraps(endpoint)
    def answer(*arguments: Any, vad_filter: bool = True, **named: Any) -> Any:
        _of_thread.vad_filter = vad_filter
        try:
            return endpoint(*arguments, **named)
        finally:
            _of_thread.vad_filter = True

    parameters = dict(signature.parameters)
    granularities = parameters.get(GRANULARITIES)
    if granularities is not None:
        values = BeforeValidator(lambda values: [value for value in values if value != ""])
        parameters[GRANULARITIES] = granularities.replace(annotation=Annotated[granularities.annotation, values])
    description = "true transcribes the parts in which the voice detector finds speech, false the whole recording."
    parameters[_VAD_FILTER] = inspect.Parameter(
        _VAD_FILTER,
        inspect.Parameter.KEYWORD_ONLY,
        default=True,
        annotation=Annotated[bool, Form(description=description)],
    )
    answer.__signature__ = signature.replace(parameters=list(parameters.values()))  # type: ignore[attr-defined]
    return answer


def wants_speech_only() -> bool:
    """Whether this thread's request transcribes only the parts that the voice detector finds."""
    return getattr(_of_thread, "vad_filter", True)


def whole_recording(audio: Any) -> list[Any]:
    """The whole recording as speech segments, in the voice detector's form."""
    detector: Any = imported(_DETECTOR)
    length, part = len(audio.data), _WINDOW_SECONDS * SAMPLE_RATE
    return [detector.SpeechTimestamp(start=start, end=min(start + part, length)) for start in range(0, length, part)]
