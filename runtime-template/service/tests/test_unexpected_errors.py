import asyncio
import sys
import unittest
from typing import Any
from unittest import mock

try:
    from fastapi import FastAPI
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.responses import StreamingResponse

    from speaches_service import unexpected_errors
except ImportError as error:
    print(f"skipping test_unexpected_errors, which needs fastapi: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi: {error}") from error

from . import asgi


def application() -> FastAPI:
    made = FastAPI()

    @made.get("/before")
    def before() -> None:
        raise RuntimeError("a secret")

    @made.get("/after")
    def after() -> StreamingResponse:
        def body() -> Any:
            yield b"half"
            raise RuntimeError("a secret")

        return StreamingResponse(body())

    made.add_middleware(CORSMiddleware, allow_origins=["*"])
    unexpected_errors.install(made)
    return made


def ask(path: str) -> list[Any]:
    """The messages that the server receives for a browser's request."""
    return asyncio.run(asgi.get(application(), path, [(b"origin", b"http://elsewhere")]))


class UnexpectedErrorsTest(unittest.TestCase):
    def test_an_error_is_an_answer_for_browsers_without_details(self) -> None:
        with self.assertLogs(unexpected_errors._logger, "ERROR") as logged:
            start, body = ask("/before")
        self.assertEqual(start["status"], 500)
        self.assertEqual(dict(start["headers"])[b"access-control-allow-origin"], b"*")
        self.assertNotIn(b"secret", body["body"])
        self.assertIn("GET /before failed", logged.output[0])
        self.assertIn("a secret", logged.output[0])

    def test_a_truncated_body_does_not_look_complete(self) -> None:
        with mock.patch.object(unexpected_errors, "_logger"), self.assertRaises(RuntimeError):
            ask("/after")


if __name__ == "__main__":
    unittest.main()
