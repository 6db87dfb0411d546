"""Tells the thread of a request whether the client has disconnected.

Upstream's routes run in threads and never check the connection. They would transcribe a long recording to its end for a
client that has disconnected.
"""

import asyncio
import contextlib
import threading
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from speaches_service.transcription import PATHS

# The threads of a request inherit its context.
_disconnected: ContextVar[threading.Event | None] = ContextVar("disconnected", default=None)


class Disconnected(Exception):
    """The client has disconnected and no longer waits for the answer."""


def client_has_disconnected() -> bool:
    """Whether the client of this thread's request has disconnected."""
    event = _disconnected.get()
    return event is not None and event.is_set()


class DisconnectionWatcher:
    """Watches the connections of long requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._application = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on. After its body, wait for the end of the connection in parallel."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._application(scope, receive, send)
            return
        disconnected = threading.Event()
        watcher: asyncio.Task[None] | None = None

        async def receive_watched() -> Message:
            nonlocal watcher
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False) and watcher is None:
                watcher = asyncio.ensure_future(_wait(receive, disconnected))
            return message

        token = _disconnected.set(disconnected)
        try:
            await self._application(scope, receive_watched, send)
        except Disconnected:
            # There is nothing to send to a disconnected client.
            return
        finally:
            _disconnected.reset(token)
            if watcher is not None:
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher


async def _wait(receive: Receive, disconnected: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    disconnected.set()
