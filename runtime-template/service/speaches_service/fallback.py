"""Handles a model that does not get its device or provider: an error if the user requested it, else one warning."""

import importlib
from typing import NoReturn

from speaches_service.error_text import first_line
from speaches_service.event_log import log_event

_MAX_REASON_CHARACTERS = 300


def refuse(model: str, wanted: str, reason: object) -> NoReturn:
    """Fail the request. Upstream logs the answer.

    Raises:
        HTTPException: 503, always.
    """
    detail = f"`{model}` cannot compute on {wanted}, which the settings require: {_shortened_reason(reason)}"
    raise importlib.import_module("fastapi").HTTPException(status_code=503, detail=detail)


def fall_back(model: str, wanted: str, reason: object) -> None:
    """Warn that the CPU computes instead."""
    log_event(
        f"`{model}` computes on the CPU because {wanted} cannot be used: {_shortened_reason(reason)}",
        "warning",
        model=model,
        wanted=wanted,
        provider="cpu",
    )


def _shortened_reason(reason: object) -> str:
    """The end of the first line: native libraries begin that line with their own source code."""
    line = first_line(reason)
    return line if len(line) <= _MAX_REASON_CHARACTERS else f"… {line[-_MAX_REASON_CHARACTERS:]}"
