"""Computes one piece ahead while the server sends the previous one, and nothing after the client has disconnected."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

from speaches_service import concurrency_limit

Piece = TypeVar("Piece")


def prefetch_one(pieces: Iterator[Piece]) -> Generator[tuple[Piece, bool], None, None]:
    """The same pieces, computed in a separate thread. The flag is true if a piece is known to be the last one.

    Raises:
        Exception: every exception of `pieces`.
    """
    progress = concurrency_limit.Progress()
    results: queue.SimpleQueue[tuple[Piece, bool] | BaseException | None] = queue.SimpleQueue()
    requested = threading.Semaphore(1)

    def make() -> None:
        try:
            with concurrency_limit.computing_for(progress):
                while requested.acquire() and not progress.is_cancelled:
                    piece = next(pieces, None)
                    if piece is None:
                        break
                    results.put((piece, progress.is_complete))
            results.put(None)
        except BaseException as error:  # noqa: BLE001 - the reader's thread raises it
            results.put(error)
        finally:
            # A generator of upstream keeps its model loaded until it is closed.
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    threading.Thread(target=make, name="speech", daemon=True).start()
    try:
        while (result := results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            requested.release()
            yield result
    finally:
        progress.is_cancelled = True
        requested.release()
