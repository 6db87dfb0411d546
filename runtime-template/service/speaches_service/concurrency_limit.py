"""Which pieces of speech are computed now.

A computation uses all processors and holds the memory of a whole piece. So each model computes the pieces of long texts
one after the other, and beside them one short text, so that a word does not wait for a sentence. The request that has
got the least goes first.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Iterator

WEIGHT_CREDIT_PER_SECOND = 30
"""By how much weight (as of `speech_text`) a request moves forward for each second that it waits, so that short ones do
not keep a long one waiting for ever."""
MAX_SHORT_WEIGHT = 40
"""The weight up to which the beginning of a text is computed beside another one: about two seconds of sound."""
_POLL_SECONDS = 0.5
"""How often a waiting request looks whether its client is still there."""


class Cancelled(Exception):
    """The client of a request is gone, so nothing has to be computed for it."""


class Progress:
    """How far one request is. It is that of the thread which computes for the request."""

    def __init__(self) -> None:
        self.computed = 0
        """The weight of the pieces so far."""
        self.is_complete = False
        """Whether the last piece that was made ends the text."""
        self.is_cancelled = False
        """Whether the client wants no more."""


_of_thread = threading.local()


def current_progress() -> Progress:
    """The progress of the request that this thread computes for; a new one where the thread follows none."""
    progress: Progress | None = getattr(_of_thread, "progress", None)
    return progress if progress is not None else Progress()


@contextlib.contextmanager
def computing_for(progress: Progress) -> Iterator[None]:
    """Let this thread compute for a request."""
    _of_thread.progress = progress
    try:
        yield
    finally:
        _of_thread.progress = None


class ConcurrencyLimit:
    """The computations of one model."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[_Computation] = []
        self._running: list[_Computation] = []

    @contextlib.contextmanager
    def slot(self, progress: Progress, weight: int) -> Iterator[None]:
        """Wait until a piece of this weight may be computed, and hold others off meanwhile.

        Raises:
            Cancelled: the client has gone while it waited.
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
            # There may be room for one more.
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
    """One piece that waits or is computed."""

    def __init__(self, computed: int, weight: int) -> None:
        self.is_short = computed == 0 and weight <= MAX_SHORT_WEIGHT
        self._weight = computed + weight
        self._since = time.monotonic()

    def effective_weight(self, now: float) -> float:
        """Who has the lowest is next."""
        return self._weight - WEIGHT_CREDIT_PER_SECOND * (now - self._since)


_limits: "weakref.WeakKeyDictionary[object, ConcurrencyLimit]" = weakref.WeakKeyDictionary()
_limits_lock = threading.Lock()


def limit_of(model: object) -> ConcurrencyLimit:
    """The turns of a loaded model."""
    with _limits_lock:
        return _limits.setdefault(model, ConcurrencyLimit())
