"""What transcribes each model at this moment, for the log and the state of the service."""

import threading
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


def record(model: str, use: Use) -> None:
    """Remember what a model was given to."""
    with _lock:
        _used[model] = use


def used() -> dict[str, Use]:
    """By model, for every model that a request has asked for and that has GGML weights."""
    with _lock:
        return dict(_used)
