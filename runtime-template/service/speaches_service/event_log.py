"""The log: one event a line, as text or as JSON, on standard error or in a file.

The file takes the place of standard output and standard error themselves, so that what native libraries print lands in
it as well.
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
"""In characters. To mask a shorter one would mask half of the log."""

# Realtime clients of browsers cannot send headers, so they put the key into the address.
_SECRET_PARAMETERS = re.compile(r"((?:api_key|token)=)[^&\s\"']+", re.IGNORECASE)

MASK = "********"


class _Format:
    """How an event becomes a line; set once, before anything heavy is imported."""

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
    """Write to the file of this name from now on: another one, when the old one was renamed.

    Raises:
        OSError: the file cannot be opened; the log stays where it is.
    """
    opened = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, _STANDARD_ERROR):
        os.dup2(opened, stream)
    os.close(opened)


def log_event(message: str, level: str = "info", **details: object) -> None:
    """Write one event at once and unbuffered; `details` are for programs and appear in JSON only.

    N.B. also called by signal handlers, where a buffered stream may refuse (`reentrant call`).
    """
    if _LEVELS[level] >= _Format.min_level or level == "info":
        write_line(_OWN_LOGGER, level, message, time.time(), **details)


def log_failure(failure: ServiceFailure) -> None:
    """Tell the user why the process ends."""
    log_event(failure.message, "error")
    if failure.hint is not None:
        log_event(f"hint: {failure.hint}")


def write_line(logger: str, level: str, message: str, at: float, **details: object) -> None:
    """Write one line; `at` is in seconds since the epoch. Secrets are masked in every message."""
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
    # A log without a reader is no reason to stop serving.
    with contextlib.suppress(OSError):
        os.write(_STANDARD_ERROR, (line.replace("\n", "\n    ") + "\n").encode("utf-8", "replace"))


def mask(text: str) -> str:
    """The text without the secrets that this process knows, and without those that clients put into addresses."""
    for secret in _Format.secrets:
        text = text.replace(secret, MASK)
    return _SECRET_PARAMETERS.sub(rf"\g<1>{MASK}", text)


def make_reopener(log_file: str) -> Callable[[int, FrameType | None], None]:
    """A handler for SIGHUP, with which log rotation says that it has renamed the file."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        try:
            reopen(log_file)
        except OSError as error:
            log_event(f"cannot reopen the log `{log_file}`: {error.strerror or error}", "error")
        else:
            log_event("reopened the log")

    return handle


def flush() -> None:
    """Bring what others have written on its way."""
    for stream in (sys.stdout, sys.stderr):
        # It may be closed, or just be in use where a signal has interrupted it.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            stream.flush()
