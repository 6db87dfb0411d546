"""Limits how many pieces of speech a model computes at once, and chooses the next piece.

A computation uses all processors and holds the memory of a whole piece. So each model computes the pieces of long texts
one after the other. Beside them it computes one short text, so that a word does not wait for a sentence. The request
with the least speech so far goes first.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Iterator

WEIGHT_CREDIT_PER_SECOND = 30
"""Each second of waiting counts as this much less weight (of `speech_text`), so that short requests cannot delay a long
one forever."""
MAX_SHORT_WEIGHT = 40
"""The beginning of a text up to this weight, about two seconds of sound, may run beside another computation."""
_POLL_SECONDS = 0.5
"""A waiting request checks for its cancellation this often."""


class Cancelled(Exception):
    """The client of a request has disconnected, so the request needs no more pieces."""


class Progress:
    """The progress of one request. Each thread has at most one, that of the request it computes for."""

    def __init__(self) -> None:
        self.computed = 0
        """The weight of the pieces computed so far."""
        self.is_complete = False
        """Whether the latest piece ends the text."""
        self.is_cancelled = False
        """Whether the client has disconnected."""


_of_thread = threading.local()


def current_progress() -> Progress:
    """The progress of this thread's request, or a new one if the thread has none."""
    progress: Progress | None = getattr(_of_thread, "progress", None)
    return progress if progress is not None else Progress()


@contextlib.contextmanager
def computing_for(progress: Progress) -> Iterator[None]:
    """Make this the progress of the thread's request."""
    _of_thread.progress = progress
    try:
        yield
    finally:
        _of_thread.progress = None


class ConcurrencyLimit:
    """The limit of one model."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[_Computation] = []
        self._running: list[_Computation] = []

    @contextlib.contextmanager
    def slot(self, progress: Progress, weight: int) -> Iterator[None]:
        """Wait for a slot to compute a piece of this weight, and hold the slot meanwhile.

        Raises:
            Cancelled: the client disconnected during the wait.
        """
        computation = _Computation(progress.computed, weight)
        with self._condition:
            self._waiting.append(computation)
            try:
                while not self._may_start(computation):
                    if progress.is_cancelled:
                        raise Cancelled
                    self._condition.wait(_POLL_SECONDS)
            finally:
                self._waiting.remove(computation)
            self._running.append(computation)
            # A short text may start beside this computation.
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._running.remove(computation)
                progress.computed += weight
                self._condition.notify_all()

    def _may_start(self, computation: "_Computation") -> bool:
        if len(self._running) > 1 or (self._running and not computation.is_short):
            return False
        now = time.monotonic()
        candidates = self._waiting if not self._running else [each for each in self._waiting if each.is_short]
        return min(candidates, key=lambda each: each.effective_weight(now)) is computation


class _Computation:
    """One piece that waits or runs."""

    def __init__(self, computed: int, weight: int) -> None:
        self.is_short = computed == 0 and weight <= MAX_SHORT_WEIGHT
        self._weight = computed + weight
        self._since = time.monotonic()

    def effective_weight(self, now: float) -> float:
        """The computation with the lowest value is next."""
        return self._weight - WEIGHT_CREDIT_PER_SECOND * (now - self._since)


_limits: "weakref.WeakKeyDictionary[object, ConcurrencyLimit]" = weakref.WeakKeyDictionary()
_limits_lock = threading.Lock()


def limit_of(model: object) -> ConcurrencyLimit:
    """The limit of a loaded model."""
    with _limits_lock:
        return _limits.setdefault(model, ConcurrencyLimit())
