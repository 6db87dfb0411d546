"""A model does not get its device or provider: an error where the user asked for it, else one line in the log."""

import importlib
from typing import NoReturn

from speaches_service.event_log import announce

_LONGEST_REASON = 300


def refuse(model: str, wanted: str, reason: object) -> NoReturn:
    """Let the request and the model fail; upstream logs what it answers.

    Raises:
        HTTPException: 503, always.
    """
    detail = f"`{model}` cannot compute on {wanted}, as was asked for: {_short(reason)}"
    raise importlib.import_module("fastapi").HTTPException(status_code=503, detail=detail)


def fall_back(model: str, wanted: str, reason: object) -> None:
    """Say that the CPU computes instead."""
    announce(
        f"`{model}` computes on the CPU: {wanted} cannot be used: {_short(reason)}",
        "warning",
        model=model,
        wanted=wanted,
        provider="cpu",
    )


def _short(reason: object) -> str:
    """Native libraries put their own source code into the first line; what happened comes at its end."""
    line = str(reason).strip().partition("\n")[0]
    return line if len(line) <= _LONGEST_REASON else f"… {line[-_LONGEST_REASON:]}"
