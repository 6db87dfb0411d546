"""The log of the life of the service: one line per event on standard error."""

import contextlib
import os

_STANDARD_ERROR = 2


def announce(message: str) -> None:
    """Write one line to standard error, at once and unbuffered.

    N.B. also called by signal handlers, where a buffered stream may refuse (`reentrant call`).
    """
    # Nobody may be reading the log any more; that is no reason to stop serving.
    with contextlib.suppress(OSError):
        os.write(_STANDARD_ERROR, f"speaches: {message}\n".encode("utf-8", "replace"))
