"""A lock between processes. The system releases it when its process ends, even by a crash."""

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
    """Hold the lock of this file; create the file if it does not exist.

    Raises:
        LockHeld: another process still holds the lock after `wait_seconds`.
        OSError: the file cannot be created.
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
    """Lock an open file until its descriptor is closed. Returns False if another process holds the lock."""
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
