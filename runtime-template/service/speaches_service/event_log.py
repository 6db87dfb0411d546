"""The log: one event a line, as text or as JSON, on standard error or in a file.

The file replaces the descriptors of standard output and standard error, so it receives the output of native libraries
as well.
"""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from types import FrameType

from speaches_service.exit_codes import ServiceFailure

_STANDARD_ERROR = 2
_OWN_LOGGER = "speaches"

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


_SECRET_VARIABLES = ("API_KEY", "CHAT_COMPLETION_API_KEY", "HF_TOKEN")
_MIN_SECRET_CHARACTERS = 4
"""A shorter secret is not masked: it would mask half of the log."""

# Realtime clients in browsers cannot send headers, so they put the key into the address.
_SECRET_PARAMETERS = re.compile(r"((?:api_key|token)=)[^&\s\"']+", re.IGNORECASE)

MASK = "********"


class _Format:
    """Settings of the log, set once before the heavy imports."""

    is_json = False
    min_level = _LEVELS["info"]
    secrets: tuple[str, ...] = ()


def configure(log_format: str, log_level: str, log_file: str | None) -> None:
    """Choose format (`text` or `json`), the lowest level to log, and the destination.

    Raises:
        OSError: the file cannot be opened.
    """
    _Format.is_json = log_format == "json"
    _Format.min_level = _LEVELS[log_level]
    values = {os.environ.get(name, "") for name in _SECRET_VARIABLES}
    _Format.secrets = tuple(value for value in values if len(value) >= _MIN_SECRET_CHARACTERS)
    if log_file is not None:
        reopen(log_file)


def reopen(log_file: str) -> None:
    """Write to the file of this name from now on. If log rotation renamed the old file, this is a new one.

    Raises:
        OSError: the file cannot be opened; the log continues in the old file.
    """
    opened = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, _STANDARD_ERROR):
        os.dup2(opened, stream)
    os.close(opened)


def log_event(message: str, level: str = "info", **details: object) -> None:
    """Write one event unbuffered. `details` are for programs and appear only in JSON.

    N.B. Signal handlers call this too, where a buffered stream may raise `reentrant call`.
    """
    if _LEVELS[level] >= _Format.min_level or level == "info":
        write_line(_OWN_LOGGER, level, message, time.time(), **details)


def log_failure(failure: ServiceFailure) -> None:
    log_event(failure.message, "error")
    if failure.hint is not None:
        log_event(f"hint: {failure.hint}")


def write_line(logger: str, level: str, message: str, at: float, **details: object) -> None:
    """Write one line with all secrets masked; `at` is in seconds since the epoch."""
    message = mask(message)
    if _Format.is_json:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
        event = {"time": moment, "level": level, "logger": logger, "message": message, **details}
        line = json.dumps(event, ensure_ascii=False, default=str)
    elif logger == _OWN_LOGGER:
        line = f"{_OWN_LOGGER}: {message}" if level == "info" else f"{_OWN_LOGGER}: {level}: {message}"
    else:
        moment = time.strftime("%H:%M:%S", time.localtime(at))
        line = f"{moment} {level} {logger}: {message}"
    # If the reader of the log is gone, the service goes on.
    with contextlib.suppress(OSError):
        os.write(_STANDARD_ERROR, (line.replace("\n", "\n    ") + "\n").encode("utf-8", "replace"))


def mask(text: str) -> str:
    """Mask the secrets of this process's environment and the keys that clients put into addresses."""
    for secret in _Format.secrets:
        text = text.replace(secret, MASK)
    return _SECRET_PARAMETERS.sub(rf"\g<1>{MASK}", text)


def make_reopener(log_file: str) -> Callable[[int, FrameType | None], None]:
    """A handler for SIGHUP, which log rotation sends after it has renamed the file."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        try:
            reopen(log_file)
        except OSError as error:
            log_event(f"cannot reopen the log `{log_file}`: {error.strerror or error}", "error")
        else:
            log_event("reopened the log")

    return handle


def flush() -> None:
    """Flush the buffered output of other code."""
    for stream in (sys.stdout, sys.stderr):
        # The stream may be closed, or a signal may have interrupted a write to it.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            stream.flush()
