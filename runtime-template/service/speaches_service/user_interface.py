"""Imports upstream's web page at its first view: gradio would double the time and the memory of a start."""

import asyncio
import base64
import contextlib
import gc
import hmac
import importlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from speaches_service import user_interface_defaults
from speaches_service.deferred_imports import is_installed
from speaches_service.settings import Settings

_SAMPLE_PAGE = "speaches.page"
"""It works without gradio."""


def mount(application: FastAPI, configuration: Any, settings: Settings) -> None:
    """Serve the page at every path that is not a route of the API, as upstream does with its user interface."""
    if is_installed(_SAMPLE_PAGE):
        importlib.import_module(_SAMPLE_PAGE).mount(application)
        return
    if not is_installed("gradio"):
        application.add_route("/", _answer_not_bundled, include_in_schema=False)
        return
    page = DeferredPage(configuration, settings)
    application.mount("", page)
    upstream_lifespan = application.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(of: FastAPI) -> AsyncIterator[Any]:
        async with upstream_lifespan(of) as state:
            try:
                yield state
            finally:
                await page.close()

    application.router.lifespan_context = lifespan


class DeferredPage:
    """An ASGI application that imports gradio's at the first request."""

    def __init__(self, configuration: Any, settings: Settings) -> None:
        self._configuration = configuration
        self._settings = settings
        # The page sends requests with the server's own key, so a user of the page can do everything with that key.
        self._key: str | None = configuration.api_key and configuration.api_key.get_secret_value()
        self._page: ASGIApp | None = None
        self._opening = asyncio.Lock()
        self._closing = asyncio.Event()
        self._lifespan: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with gradio; clients wait during its import."""
        if self._key is not None and scope["type"] == "http" and not _is_authorized(Request(scope), self._key):
            await _request_key(scope, receive, send)
            return
        async with self._opening:
            if self._page is None:
                self._page = await self._open()
        await self._page(scope, receive, send)

    async def close(self) -> None:
        """Exit gradio's lifespan, if it was entered."""
        self._closing.set()
        if self._lifespan is not None:
            await self._lifespan

    async def _open(self) -> ASGIApp:
        page = await asyncio.to_thread(self._build)
        gc.freeze()
        opened = asyncio.get_running_loop().create_future()
        self._lifespan = asyncio.create_task(self._keep_open(page, opened))
        await opened
        return page

    def _build(self) -> FastAPI:
        gradio = importlib.import_module("gradio")
        user_interface_defaults.apply(self._settings)
        blocks = importlib.import_module("speaches.ui.app").create_gradio_demo(self._configuration)
        page: FastAPI = gradio.mount_gradio_app(FastAPI(), blocks, path="")
        return page

    async def _keep_open(self, page: FastAPI, opened: "asyncio.Future[None]") -> None:
        """Enter and exit the lifespan in one task, as its cancel scopes require."""
        try:
            async with page.router.lifespan_context(page):
                opened.set_result(None)
                await self._closing.wait()
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)


def _is_authorized(request: Request, key: str) -> bool:
    """Whether a request has the API key, as a browser's password for any user or as a client's token."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            credentials = base64.b64decode(credentials).decode().partition(":")[2]
    return hmac.compare_digest(credentials.encode(), key.encode())


async def _request_key(scope: Scope, receive: Receive, send: Send) -> None:
    text = "Enter the API key of this server as the password. Any user name works.\n"
    challenge = {"WWW-Authenticate": 'Basic realm="speaches", charset="UTF-8"'}
    await PlainTextResponse(text, 401, challenge)(scope, receive, send)


async def _answer_not_bundled(_request: Request) -> JSONResponse:
    detail = "This runtime does not contain the web page. Provision a runtime without the option `--without ui`."
    return JSONResponse({"detail": detail, "code": "not_bundled"}, status_code=501)
