"""Sends requests to an application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any


async def get(application: Any, path: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> list[Any]:
    """Request a path and return the messages of the answer. The client stays connected until the end."""
    sent: list[Any] = []
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not requests:
            await asyncio.Event().wait()
        return requests.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
        "http_version": "1.1",
    }
    await application(scope, receive, send)
    return sent
