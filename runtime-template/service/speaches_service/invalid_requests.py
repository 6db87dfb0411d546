"""Status 422 that says what is wrong with a request, without all of it.

FastAPI repeats what it was sent. That may be a whole recording, or a number that JSON does not have: then it fails.
"""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

_MAX_CHARACTERS = 200
"""Characters of a value that are repeated."""


def install(application: FastAPI) -> None:
    """Answer in FastAPI's form."""
    application.add_exception_handler(RequestValidationError, _answer)


async def _answer(_request: Request, error: Any) -> Response:
    detail = jsonable_encoder([truncated(each) for each in error.errors()])
    # N.B. in ASCII, since half of a pair of UTF-16 has no UTF-8.
    return Response(json.dumps({"detail": detail}), status_code=422, media_type="application/json")


def truncated(error: dict[str, Any]) -> dict[str, Any]:
    """An error whose value is short, and can be written as JSON."""
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
