import json
import os
import sys
import tempfile
import unittest
from unittest import mock

try:
    from speaches_service import child_process
    from speaches_service.whispercpp import check, library
    from speaches_service.whispercpp.check import CHECKS_FILE, Outcome

    library.extension()
except ImportError as error:
    print(f"skipping test_whispercpp_check, which needs numpy and pywhispercpp: {error}", file=sys.stderr)
    raise unittest.SkipTest(str(error)) from error

from .ggml import weights


class CheckTest(unittest.TestCase):
    """Starts children that behave as a broken library does."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "machine")
        self.file = os.path.join(scratch.name, "weights.bin")
        self.write(b"weights")
        self.children = 0
        check._passed.clear()

    def write(self, content: bytes) -> None:
        with open(self.file, "wb") as file:
            file.write(content)

    def check(self, code: str, directory: str | None = None, device: str = "metal") -> Outcome:
        def command(_argument: str, _path: str, _device: str) -> list[str]:
            self.children += 1
            return [sys.executable, "-c", code]

        with mock.patch.object(child_process, "command", command):
            return check.check(self.file, device, directory)

    def test_a_crashing_child_is_a_reason(self) -> None:
        for code, reason in (
            ("import os; os.abort()", "signal 6"),
            ("import ctypes; ctypes.string_at(0)", "signal 11"),
            ("import sys; sys.exit(3)", "exit code 3"),
        ):
            self.assertIn(reason, self.check(code).reason or "")

    def test_a_hanging_child_is_a_reason(self) -> None:
        with mock.patch.object(check, "_TIMEOUT_SECONDS", 0.3):
            self.assertIn("had not transcribed", self.check("import time; time.sleep(600)").reason or "")

    def test_the_result_of_a_child_is_stored(self) -> None:
        code = 'print("something else"); print(\'{"gpu": "Apple M1"}\')'
        self.assertEqual(self.check(code, self.directory), Outcome(None, "Apple M1"))
        self.assertEqual(self.check("import os; os.abort()", self.directory), Outcome(None, "Apple M1"))
        self.assertEqual(self.children, 1)
        self.check(code, self.directory, device="cpu")
        self.assertEqual(self.children, 2, "another device is another question")
        self.write(b"other weights")
        self.assertIn("signal 6", self.check("import os; os.abort()", self.directory).reason or "")
        self.assertEqual(self.children, 3, "another file is as well")

    def test_a_success_is_remembered_without_a_directory(self) -> None:
        for _ in range(2):
            self.assertIsNone(self.check("print('{}')").reason)
        self.assertEqual(self.children, 1)

    def test_a_failure_is_checked_again_after_a_day_and_a_damaged_record_at_once(self) -> None:
        crash, good = "import os; os.abort()", "print('{}')"
        self.assertIsNotNone(self.check(crash, self.directory).reason)
        self.assertIsNotNone(self.check(good, self.directory).reason)
        path = os.path.join(self.directory, CHECKS_FILE)
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
        for record in known.values():
            record["at"] -= 100_000
        with open(path, "w", encoding="utf-8") as file:
            json.dump(known, file)
        self.assertIsNone(self.check(good, self.directory).reason)
        for content in ("{", "[]", json.dumps({key: {"at": 0} for key in known})):
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
            check._passed.clear()
            self.assertIsNotNone(self.check(crash, self.directory).reason, content)

    def test_results_of_removed_files_are_dropped_and_a_missing_file_is_reported(self) -> None:
        self.check("print('{}')", self.directory)
        os.unlink(self.file)
        self.assertEqual(self.check("print('{}')", self.directory), Outcome("the file is missing"))
        self.file += "2"
        self.write(b"x")
        self.check("print('{}')", self.directory)
        with open(os.path.join(self.directory, CHECKS_FILE), encoding="utf-8") as file:
            self.assertEqual(len(json.load(file)), 1)

    def test_the_real_child_accepts_good_weights_and_rejects_bad_ones(self) -> None:
        self.assertEqual(check.check(weights(), "cpu", self.directory), Outcome(None, None))
        self.assertIn("not a file with GGML weights", check.check(self.file, "cpu", None).reason or "")
        with open(weights(), "rb") as file:
            content = bytearray(file.read())
        content[16:20] = (1 << 20).to_bytes(4, "little")
        self.write(bytes(content))
        self.assertIn("crashed with it", check.check(self.file, "cpu", None).reason or "")
        # Most machines have no Metal. If there is one, the child reports the GPU.
        outcome = check.check(weights(), "metal", None)
        self.assertTrue((outcome.reason is None) == (outcome.gpu is not None), outcome)


if __name__ == "__main__":
    unittest.main()
