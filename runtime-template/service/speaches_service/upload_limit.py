"""Limits the size of requests: upstream stores a request's whole body on disk and decodes it in memory."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class UploadLimit:
    """Answers 413 to a body that exceeds the limit: at once if the request states its length, else at the limit."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._application = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        length = Request(scope).headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            await JSONResponse({"detail": self._text}, status_code=413)(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise HTTPException(413, self._text)
            return message

        await self._application(scope, receive_counted, send)

    @property
    def _text(self) -> str:
        return f"the request exceeds the limit of {self._max_bytes // (1 << 20)} MiB, which `--upload-limit` sets"
