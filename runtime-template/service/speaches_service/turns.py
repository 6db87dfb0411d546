"""How many pieces of speech are computed at a time.

Each computation uses all processors and holds the memory of a whole piece, so doing forty at once (as many as there are
threads for requests) takes the memory of forty and ends no earlier.
"""

import os
import threading
from collections.abc import Iterator
from typing import TypeVar

Piece = TypeVar("Piece")


class Turns:
    """Lets a number of iterators work at the same time; the others wait for their turn, piece by piece.

    A client that does not read its answer holds no turn: nothing is computed for it meanwhile.
    """

    def __init__(self, count: int) -> None:
        """`count` is how many may work at the same time."""
        self._free = threading.BoundedSemaphore(count)

    def take(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The same pieces, each made when it is its turn."""
        while True:
            with self._free:
                try:
                    piece = next(pieces)
                except StopIteration:
                    return
            yield piece


def of_this_machine() -> Turns:
    """One for each processor that this process may use, and two at least, so that nobody waits for a long sentence."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Turns(max(2, count))
