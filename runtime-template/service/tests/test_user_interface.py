from __future__ import annotations

import asyncio
import sys
import unittest
from types import ModuleType, SimpleNamespace
from unittest import mock

try:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    from speaches_service import user_interface
except ImportError as error:
    print(f"skipping test_user_interface, which needs fastapi: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi: {error}") from error

from . import asgi, example


def get(application: FastAPI, path: str) -> tuple[int, bytes]:
    sent = asyncio.run(asgi.get(application, path))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


class UserInterfaceTest(unittest.TestCase):
    def mounted(self, installed: set[str]) -> FastAPI:
        application = FastAPI()
        with mock.patch.object(user_interface, "is_installed", installed.__contains__):
            user_interface.mount(application, SimpleNamespace(api_key=None), example.settings())
        return application

    def test_the_samples_page_works_without_gradio(self) -> None:
        def mount(application: FastAPI) -> None:
            application.add_api_route("/", lambda: PlainTextResponse("a page"))

        page = ModuleType("speaches.page")
        vars(page)["mount"] = mount
        with mock.patch.dict(sys.modules, {"speaches": ModuleType("speaches"), "speaches.page": page}):
            application = self.mounted({"speaches.page"})
        self.assertEqual(get(application, "/"), (200, b"a page"))

    def test_without_gradio_the_answer_says_how_to_get_the_page(self) -> None:
        status, body = get(self.mounted(set()), "/")
        self.assertEqual(status, 501)
        self.assertIn(b"not_bundled", body)

    def test_gradio_answers_all_paths_without_a_route(self) -> None:
        application = self.mounted({"gradio"})
        self.assertIsInstance(vars(application.router.routes[-1])["app"], user_interface.DeferredPage)
