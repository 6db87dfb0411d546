"""Runs uvicorn on listening sockets, without uvicorn's own handling of signals."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """Reports when it serves and when it drains; stops when `should_exit` becomes true."""

    def __init__(
        self,
        application: FastAPI,
        log_level: str,
        drain_seconds: int,
        on_serving: Callable[[str], None],
        on_draining: Callable[[], None],
    ) -> None:
        """`on_serving` receives upstream's version."""
        super().__init__(
            uvicorn.Config(
                application,
                # uvicorn logs through the root logger, as all other libraries do.
                log_config=None,
                log_level=log_level,
                lifespan="on",
                timeout_graceful_shutdown=drain_seconds,
            )
        )
        self._version = application.version
        self._on_serving = on_serving
        self._on_draining = on_draining

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, unless the start of upstream's application fails."""
        await super().startup(sockets)
        if self.started:
            self._on_serving(self._version)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the sockets, let open requests finish, and cancel those that exceed the time limit."""
        self._on_draining()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service: uvicorn raises them again at its end, which would change the exit code."""
        yield
