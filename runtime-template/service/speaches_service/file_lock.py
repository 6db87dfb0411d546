"""A lock between processes. It goes with the process that holds it, however that ends."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator

_POLL_SECONDS = 0.05


class LockHeld(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked(path: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock of this file, which is made if need be.

    Raises:
        LockHeld: another process holds it, still after `wait_seconds`.
        OSError: the file cannot be made.
    """
    deadline = time.monotonic() + wait_seconds
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise LockHeld(path)
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed. Returns whether that worked: no other process held the lock."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
