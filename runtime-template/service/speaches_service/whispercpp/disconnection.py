"""Whether the client of a request has gone, told to the thread that works for it.

Upstream's routes run in threads and never look; they would transcribe a long recording to its end for a client that has
gone.
"""

import asyncio
import contextlib
import threading
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATHS = ("/v1/audio/transcriptions", "/v1/audio/translations")

# Threads that work for a request have its context.
_disconnected: ContextVar[threading.Event | None] = ContextVar("gone", default=None)


class Disconnected(Exception):
    """The client has gone and waits for no answer any more."""


def client_has_disconnected() -> bool:
    """Whether the client of the request that this thread works for has gone."""
    event = _disconnected.get()
    return event is not None and event.is_set()


class DisconnectionWatcher:
    """Watches the connections of requests that take long."""

    def __init__(self, app: ASGIApp) -> None:
        self._application = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; once its body was read, wait for the end of the connection beside it."""
        if scope["type"] != "http" or scope["path"] not in _PATHS:
            await self._application(scope, receive, send)
            return
        gone = threading.Event()
        watcher: asyncio.Task[None] | None = None

        async def receive_watched() -> Message:
            nonlocal watcher
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False) and watcher is None:
                watcher = asyncio.ensure_future(_wait(receive, gone))
            return message

        token = _disconnected.set(gone)
        try:
            await self._application(scope, receive_watched, send)
        except Disconnected:
            # The client has gone, so there is nothing to send.
            return
        finally:
            _disconnected.reset(token)
            if watcher is not None:
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher


async def _wait(receive: Receive, gone: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()
