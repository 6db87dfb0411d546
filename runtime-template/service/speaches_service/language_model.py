"""Answers chats if the server with the language model, to which upstream forwards them, is unreachable.

Upstream answers 500, and neither its answer nor its log names the server.
"""

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_SETTING = "CHAT_COMPLETION_BASE_URL"
_ERROR = "APIProxyError"
"""Upstream's exception for chats."""


def install(application: FastAPI, base_url: str | None) -> None:
    """Answer 502 if the server at `base_url` is unreachable."""
    handlers = application.exception_handlers
    kind: Any = next((each for each in handlers if getattr(each, "__name__", None) == _ERROR), None)
    # The sample has no chats.
    if kind is None:
        return
    answer: Any = handlers[kind]

    async def explain(request: Request, error: Exception) -> Response:
        if not is_unreachable(error):
            response: Response = await answer(request, error)
            return response
        detail = f"cannot reach the server with the language model, {base_url}; `{_SETTING}` sets its address"
        return JSONResponse({"detail": detail}, status_code=502)

    application.add_exception_handler(kind, explain)


def is_unreachable(error: BaseException) -> bool:
    """Whether an exception was caused by a server that did not answer."""
    cause = error.__cause__
    # Compared by name, because the package of the class may be missing.
    return cause is not None and any(each.__name__ == "APIConnectionError" for each in type(cause).__mro__)
