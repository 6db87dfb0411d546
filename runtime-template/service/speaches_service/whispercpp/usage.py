"""What transcribes each model at this moment, for the log and the state of the service."""

import threading
from collections.abc import Callable
from typing import NamedTuple


class Use(NamedTuple):
    """What transcribes a model."""

    backend: str
    """`whispercpp` or `faster-whisper`."""
    device: str
    """`cpu` or `metal`, as the library reported it when it loaded the model."""
    name: str | None = None
    """What the GPU is called."""
    reason: str | None = None
    """Why it is not whisper.cpp."""


_lock = threading.Lock()
_used: dict[str, Use] = {}
_listeners: list[Callable[[str, str, str], None]] = []


def follow(listener: Callable[[str, str, str], None]) -> None:
    """Tell somebody the model, the backend and the device from now on, whenever they change."""
    _listeners.append(listener)


def record(model: str, use: Use) -> None:
    """Remember what a model was given to."""
    with _lock:
        _used[model] = use
    for listener in _listeners:
        listener(model, use.backend, use.device)


def used() -> dict[str, Use]:
    """By model, for every model that a request has asked for and that has GGML weights."""
    with _lock:
        return dict(_used)
