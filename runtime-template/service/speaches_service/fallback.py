"""A model does not get its device or provider: an error where the user asked for it, else one line in the log."""

import importlib
from typing import NoReturn

from speaches_service.event_log import log_event

_MAX_REASON_CHARACTERS = 300


def refuse(model: str, wanted: str, reason: object) -> NoReturn:
    """Let the request and the model fail; upstream logs what it answers.

    Raises:
        HTTPException: 503, always.
    """
    detail = f"`{model}` cannot compute on {wanted}, which you requested: {_shortened_reason(reason)}"
    raise importlib.import_module("fastapi").HTTPException(status_code=503, detail=detail)


def fall_back(model: str, wanted: str, reason: object) -> None:
    """Say that the CPU computes instead."""
    log_event(
        f"`{model}` computes on the CPU because {wanted} cannot be used: {_shortened_reason(reason)}",
        "warning",
        model=model,
        wanted=wanted,
        provider="cpu",
    )


def _shortened_reason(reason: object) -> str:
    """Native libraries put their own source code into the first line; what happened comes at its end."""
    line = str(reason).strip().partition("\n")[0]
    return line if len(line) <= _MAX_REASON_CHARACTERS else f"… {line[-_MAX_REASON_CHARACTERS:]}"
