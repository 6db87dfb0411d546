"""Status 500 as any other answer.

Starlette answers an unexpected error outside of every middleware: without the headers for browsers, which then speak of
a network error, and uvicorn closes the connection, which a client may be using for its next request already.
"""

import logging

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger(__name__)


def install(application: FastAPI) -> None:
    """Answer inside of all other middleware; before the application serves."""
    application.user_middleware.append(Middleware(UnexpectedErrors))


class UnexpectedErrors:
    """Answers 500 where nothing was answered yet, and logs the error."""

    def __init__(self, app: ASGIApp) -> None:
        self._application = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        has_begun = False

        async def send_watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._application(scope, receive, send_watched)
        except Exception:
            # N.B. a body that breaks off must not look whole, so that connection has to be closed.
            if has_begun:
                raise
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            detail = "the server failed to answer this request; see its log"
            await JSONResponse({"detail": detail}, status_code=500)(scope, receive, send)
