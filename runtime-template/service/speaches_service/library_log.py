"""What upstream and its libraries log through Python's `logging`, as lines of the one log."""

import asyncio
import logging

from speaches_service.event_log import write_line

IGNORED_PREFIXES = (
    # phonemizer, of every sentence with an abbreviation in it.
    "words count mismatch on",
)
"""Beginnings of messages that mean nothing."""

# uvicorn calls the logger of everything that is no access so.
_NAMES = {"uvicorn.error": "uvicorn"}


class Handler(logging.Handler):
    """Writes records as events."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a line."""
        try:
            message = record.getMessage().rstrip()
            if message.startswith(IGNORED_PREFIXES) or _is_cancellation(record):
                return
            if record.exc_info:
                message += "\n" + (self.formatter or logging.Formatter()).formatException(record.exc_info)
            write_line(_NAMES.get(record.name, record.name), record.levelname.lower(), message, record.created)
        except Exception:  # noqa: BLE001 - as `logging` asks of handlers: a log must not end what it reports about
            self.handleError(record)


def _is_cancellation(record: logging.LogRecord) -> bool:
    """Whether it only tells where a request waited that was cancelled at the end, which another line says already."""
    return record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)


def install(log_level: str) -> None:
    """Let everything that was set up to log elsewhere log here, and no line twice."""
    root = logging.getLogger()
    root.handlers[:] = [Handler()]
    root.setLevel(log_level.upper())
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        if logger.handlers:
            logger.handlers.clear()
            logger.propagate = True
