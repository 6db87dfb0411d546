import sys
import unittest

try:
    from speaches_service.invalid_requests import shortened
except ImportError as error:
    print(f"skipping test_invalid_requests, which needs fastapi: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi: {error}") from error


class InvalidRequestsTest(unittest.TestCase):
    def test_what_was_sent_is_not_repeated(self) -> None:
        error = {
            "loc": ("body", "file"),
            "msg": "Expected UploadFile",
            "input": "RIFF" * 100_000,
            "ctx": {"error": error_},
        }
        said = shortened(error)
        self.assertEqual((said["loc"], said["msg"]), (("body", "file"), "Expected UploadFile"))
        self.assertIn("400000 characters", said["input"])
        self.assertLess(len(str(said)), 400)
        self.assertLess(len(str(shortened({"input": {"a": ["b"] * 1000}}))), 400)
        self.assertLess(len(str(shortened({"input": bytes(1000)}))), 400)

    def test_short_values_stay(self) -> None:
        for value in ("x", 5, None, {"a": [1]}):
            self.assertEqual(shortened({"input": value})["input"], value)


error_ = ValueError("Expected UploadFile")

if __name__ == "__main__":
    unittest.main()
