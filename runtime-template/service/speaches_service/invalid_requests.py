"""Answers status 422 with the error in a request, but without repeating the whole request.

FastAPI repeats the invalid value in its answer. This value may be a whole recording, or a number that JSON cannot
express, for which FastAPI's answer fails.
"""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

_MAX_CHARACTERS = 200
"""The answer repeats this much of a value."""


def install(application: FastAPI) -> None:
    application.add_exception_handler(RequestValidationError, _answer)


async def _answer(_request: Request, error: Any) -> Response:
    detail = jsonable_encoder([truncated(each) for each in error.errors()])
    # N.B. In ASCII, because a lone UTF-16 surrogate has no UTF-8.
    return Response(json.dumps({"detail": detail}), status_code=422, media_type="application/json")


def truncated(error: dict[str, Any]) -> dict[str, Any]:
    """The error with a short value that JSON can express."""
    value = error.get("input")
    try:
        is_short = len(json.dumps(value, allow_nan=False)) <= _MAX_CHARACTERS
    except (TypeError, ValueError):
        is_short = False
    if is_short:
        return error
    text = value if isinstance(value, str) else repr(value)
    return {
        **error,
        "input": text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}… ({len(text)} characters)",
    }
