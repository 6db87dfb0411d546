import asyncio
import json
import sys
import unittest
from typing import Any

try:
    from fastapi import FastAPI
    from starlette.responses import JSONResponse

    from speaches_service import language_model
except ImportError as error:
    print(f"skipping test_language_model, which needs fastapi: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi: {error}") from error


class APIProxyError(Exception):
    """Upstream's name."""


class APIConnectionError(Exception):
    """openai's base class of APITimeoutError."""


class APITimeoutError(APIConnectionError):
    """openai's name."""


class LanguageModelTest(unittest.TestCase):
    def answer(self, cause: Exception | None) -> tuple[int, Any]:
        """The status and the content of the answer to a chat that failed with this cause."""
        application = FastAPI()

        @application.exception_handler(APIProxyError)
        async def upstream(_request: Any, _error: Any) -> JSONResponse:
            return JSONResponse({"detail": "upstream's"}, status_code=401)

        language_model.install(application, "http://localhost:11434/v1")
        error = APIProxyError()
        error.__cause__ = cause
        handler: Any = application.exception_handlers[APIProxyError]
        response = asyncio.run(handler(None, error))
        return response.status_code, json.loads(response.body)["detail"]

    def test_an_unreachable_server_is_named(self) -> None:
        for cause in (APIConnectionError(), APITimeoutError()):
            status, detail = self.answer(cause)
            self.assertEqual(status, 502)
            self.assertIn("http://localhost:11434/v1", detail)
            self.assertIn("CHAT_COMPLETION_BASE_URL", detail)

    def test_upstream_answers_a_refusal_of_the_server(self) -> None:
        for cause in (None, ValueError()):
            self.assertEqual(self.answer(cause), (401, "upstream's"))

    def test_nothing_is_changed_where_there_are_no_chats(self) -> None:
        application = FastAPI()
        before = dict(application.exception_handlers)
        language_model.install(application, None)
        self.assertEqual(application.exception_handlers, before)
