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

GAIN_PER_SECOND = 30
"""By how much weight (as of `speech_text`) a request moves forward for each second that it waits, so that short ones do
not keep a long one waiting for ever."""
SHORT = 40
"""The weight up to which the beginning of a text is computed beside another one: about two seconds of sound."""
_LOOK_AGAIN_SECONDS = 0.5
"""How often a waiting request looks whether its client is still there."""


class Gone(Exception):
    """The client of a request is gone, so nothing has to be computed for it."""


class Progress:
    """How far one request is. It is that of the thread which computes for the request."""

    def __init__(self) -> None:
        self.computed = 0
        """The weight of the pieces so far."""
        self.is_complete = False
        """Whether the last piece that was made ends the text."""
        self.is_gone = False
        """Whether the client wants no more."""


_of_thread = threading.local()


def current() -> Progress:
    """The progress of the request that this thread computes for; a new one where the thread follows none."""
    progress: Progress | None = getattr(_of_thread, "progress", None)
    return progress if progress is not None else Progress()


@contextlib.contextmanager
def following(progress: Progress) -> Iterator[None]:
    """Let this thread compute for a request."""
    _of_thread.progress = progress
    try:
        yield
    finally:
        _of_thread.progress = None


class Turns:
    """The computations of one model."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._running: list[_Ticket] = []

    @contextlib.contextmanager
    def turn(self, progress: Progress, weight: int) -> Iterator[None]:
        """Wait until a piece of this weight may be computed, and hold others off meanwhile.

        Raises:
            Gone: the client has gone while it waited.
        """
        ticket = _Ticket(progress.computed, weight)
        with self._condition:
            self._waiting.append(ticket)
            try:
                while not self._may_run(ticket):
                    if progress.is_gone:
                        raise Gone
                    self._condition.wait(_LOOK_AGAIN_SECONDS)
            finally:
                self._waiting.remove(ticket)
            self._running.append(ticket)
            # There may be room for one more.
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._running.remove(ticket)
                progress.computed += weight
                self._condition.notify_all()

    def _may_run(self, ticket: "_Ticket") -> bool:
        if len(self._running) > 1 or (self._running and not ticket.is_short):
            return False
        now = time.monotonic()
        candidates = self._waiting if not self._running else [each for each in self._waiting if each.is_short]
        return min(candidates, key=lambda each: each.rank(now)) is ticket


class _Ticket:
    """One piece that waits or is computed."""

    def __init__(self, computed: int, weight: int) -> None:
        self.is_short = computed == 0 and weight <= SHORT
        self._weight = computed + weight
        self._since = time.monotonic()

    def rank(self, now: float) -> float:
        """Who has the lowest is next."""
        return self._weight - GAIN_PER_SECOND * (now - self._since)


_all: "weakref.WeakKeyDictionary[object, Turns]" = weakref.WeakKeyDictionary()
_all_lock = threading.Lock()


def of(model: object) -> Turns:
    """The turns of a loaded model."""
    with _all_lock:
        return _all.setdefault(model, Turns())
