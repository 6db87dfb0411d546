import asyncio
import json
import sys
import unittest
from typing import Any

try:
    from fastapi.exceptions import RequestValidationError

    from speaches_service.invalid_requests import _answer, truncated
except ImportError as error:
    print(f"skipping test_invalid_requests, which needs fastapi: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi: {error}") from error


class InvalidRequestsTest(unittest.TestCase):
    def test_a_long_value_is_not_repeated(self) -> None:
        for value in ("RIFF" * 100_000, {"a": ["b"] * 1000}, bytes(1000)):
            error = truncated({"loc": ("body", "file"), "msg": "Expected UploadFile", "input": value})
            self.assertEqual((error["loc"], error["msg"]), (("body", "file"), "Expected UploadFile"))
            self.assertIn("characters)", error["input"])
            self.assertLess(len(error["input"]), 230)

    def test_short_values_stay(self) -> None:
        for value in ("x", 5, None, {"a": [1]}):
            self.assertEqual(truncated({"input": value})["input"], value)

    def test_a_value_that_json_cannot_express_is_answered(self) -> None:
        for value in (float("nan"), float("inf"), b"\xff", "\ud83d", {"input": "\ud83d", "speed": float("nan")}):
            error: dict[str, Any] = {"loc": ("body",), "input": value, "ctx": {"error": ValueError("no")}}
            answer = asyncio.run(_answer(None, RequestValidationError([error])))  # type: ignore[arg-type]
            self.assertEqual(answer.status_code, 422)
            self.assertIn("input", json.loads(bytes(answer.body))["detail"][0])


if __name__ == "__main__":
    unittest.main()
