"""Logging of the service: one line per record on standard output."""

import logging.config


def setup_logger(log_level: str) -> None:
    """Send everything at or above `log_level` to standard output; an unknown level is a ValueError."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s:%(levelname)s:%(name)s:%(message)s"}},
            "handlers": {
                "stdout": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}
            },
            "root": {"level": log_level.upper(), "handlers": ["stdout"]},
            # It logs every part of every upload at debug.
            "loggers": {"python_multipart": {"level": "INFO"}},
        }
    )
