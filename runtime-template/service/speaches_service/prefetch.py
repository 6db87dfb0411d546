"""One piece is computed ahead while the last one is on its way to the client; nothing more once the client has gone."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

from speaches_service import concurrency_limit

Piece = TypeVar("Piece")


def prefetch_one(pieces: Iterator[Piece]) -> Generator[tuple[Piece, bool], None, None]:
    """The same pieces, each with whether it is known to be the last one; they are made in a thread of their own.

    Raises:
        Exception: whatever making a piece raises.
    """
    progress = concurrency_limit.Progress()
    made: queue.SimpleQueue[tuple[Piece, bool] | BaseException | None] = queue.SimpleQueue()
    wanted = threading.Semaphore(1)

    def make() -> None:
        try:
            with concurrency_limit.computing_for(progress):
                while wanted.acquire() and not progress.is_cancelled:
                    piece = next(pieces, None)
                    if piece is None:
                        break
                    made.put((piece, progress.is_complete))
            made.put(None)
        except BaseException as error:  # noqa: BLE001 - it belongs to the one who reads
            made.put(error)
        finally:
            # A generator of upstream holds its model as long as it is open.
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    threading.Thread(target=make, name="speech", daemon=True).start()
    try:
        while (result := made.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            wanted.release()
            yield result
    finally:
        progress.is_cancelled = True
        wanted.release()
