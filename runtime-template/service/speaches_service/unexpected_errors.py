"""Answers unexpected errors with status 500 inside of all middleware.

Starlette answers them outside of every middleware. That answer lacks the CORS headers, so browsers report a network
error. Afterwards uvicorn closes the connection, which a client may already be using for its next request.
"""

import logging

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger(__name__)


def install(application: FastAPI) -> None:
    """Add the innermost middleware. Call this before the application serves."""
    application.user_middleware.append(Middleware(UnexpectedErrors))


class UnexpectedErrors:
    """Logs an error, and answers 500 if the answer has not begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._application = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            # N.B. A truncated body must not look complete, so the connection must be closed.
            if has_begun:
                raise
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            detail = "the server failed to answer this request; see its log"
            await JSONResponse({"detail": detail}, status_code=500)(scope, receive, send)
