"""Writes the records that upstream and its libraries log through Python's `logging` to the event log."""

import asyncio
import logging

from speaches_service.event_log import write_line

IGNORED_PREFIXES = (
    # phonemizer logs it for every sentence with an abbreviation.
    "words count mismatch on",
)
"""Messages with these prefixes carry no information."""

# uvicorn logs everything but accesses under `uvicorn.error`, not only errors.
_NAMES = {"uvicorn.error": "uvicorn"}


class Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage().rstrip()
            if message.startswith(IGNORED_PREFIXES) or _is_cancellation(record):
                return
            if record.exc_info:
                message += "\n" + (self.formatter or logging.Formatter()).formatException(record.exc_info)
            write_line(_NAMES.get(record.name, record.name), record.levelname.lower(), message, record.created)
        except Exception:  # noqa: BLE001 - `logging` requires it: a handler must not raise into the code that logs
            self.handleError(record)


def _is_cancellation(record: logging.LogRecord) -> bool:
    """Whether a record is only the traceback of a request that the drain cancelled, which another line reports."""
    return record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)


def install(log_level: str) -> None:
    """Replace the handlers of all loggers, so that each record is logged here once."""
    root = logging.getLogger()
    root.handlers[:] = [Handler()]
    root.setLevel(log_level.upper())
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        if logger.handlers:
            logger.handlers.clear()
            logger.propagate = True
