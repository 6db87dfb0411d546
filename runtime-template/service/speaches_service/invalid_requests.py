"""Status 422 that says what is wrong with a request, without all of it.

FastAPI repeats what it was sent, which may be a whole recording.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

_LONGEST = 200
"""Characters of a value that are repeated."""


def install(application: FastAPI) -> None:
    """Answer in FastAPI's form."""
    application.add_exception_handler(RequestValidationError, _answer)


async def _answer(_request: Request, error: Any) -> JSONResponse:
    return JSONResponse({"detail": jsonable_encoder([shortened(each) for each in error.errors()])}, status_code=422)


def shortened(error: dict[str, Any]) -> dict[str, Any]:
    """An error whose value is short, and whose context is left out where it is no plain value."""
    said = {name: value for name, value in error.items() if name != "ctx"}
    value = said.get("input")
    if isinstance(value, str | bytes) or len(repr(value)) > _LONGEST:
        text = value if isinstance(value, str) else repr(value)
        said["input"] = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
    return said
