import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

try:
    from tests.test_precision_graph import convolution, matrix, model_of, node
except ImportError as error:
    raise unittest.SkipTest(str(error)) from error

from speaches_service import child_process
from speaches_service.file_lock import locked
from speaches_service.precision import derived, files

SERVICE = Path(__file__).parent.parent


class DerivedTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.cache = os.path.join(scratch.name, "cache")
        self.original = self.write(
            scratch.name, "quantised.onnx", model_of(*convolution(channels=100)).SerializeToString()
        )
        self.scratch = scratch.name
        derived._unavailable.clear()
        log_event = mock.patch.object(derived, "log_event")
        self.logged = log_event.start()
        self.addCleanup(log_event.stop)

    def write(self, directory: str, name: str, content: bytes) -> str:
        path = os.path.join(directory, name)
        Path(path).write_bytes(content)
        return path

    def obtain(self) -> str | None:
        return derived.obtain(self.cache, self.original, "a/b")

    def messages(self) -> list[str]:
        return [call.args[0] for call in self.logged.call_args_list]

    def entries(self) -> list[str]:
        return sorted(os.listdir(os.path.join(self.cache, "float32")))

    def test_a_model_is_derived_once_and_found_afterwards(self) -> None:
        path = self.obtain()
        assert path is not None
        self.assertEqual(sorted(os.listdir(os.path.dirname(path))), ["contents.json", "model.onnx", "weights.bin"])
        self.assertEqual(self.entries(), [os.path.basename(os.path.dirname(path)), "lock"])
        self.assertRegex(self.messages()[0], r"^`a/b`: derived a float32 model in [0-9.]+ s$")
        with mock.patch.object(derived, "_run", side_effect=AssertionError("it is derived again")):
            self.assertEqual(self.obtain(), path)
        self.assertEqual(len(self.messages()), 1)

    def test_a_damaged_model_is_derived_again(self) -> None:
        path = self.obtain()
        assert path is not None
        intact = {
            name: files.digest(os.path.join(os.path.dirname(path), name)) for name in (files.MODEL, files.WEIGHTS)
        }
        for name in (files.MODEL, files.WEIGHTS, files.CONTENTS):
            file = Path(os.path.dirname(path), name)
            content = file.read_bytes()
            for damaged in (b"", content[:-1], bytes([content[0] ^ 1]) + content[1:]):
                file.write_bytes(damaged)
                self.assertEqual(self.obtain(), path, name)
                self.assertEqual(files.digests(os.path.dirname(path)), intact)
            file.unlink()
            self.assertEqual(self.obtain(), path)

    def test_a_model_without_quantised_operators_logs_nothing(self) -> None:
        plain = model_of([node("Identity", "x", "y")], []).SerializeToString()
        for content in (plain, b"", b"not a model"):
            original = self.write(self.scratch, "other.onnx", content)
            self.assertIsNone(derived.obtain(self.cache, original, "a/b"))
        self.assertIsNone(derived.obtain(self.cache, os.path.join(self.scratch, "missing"), "a/b"))
        self.assertIsNone(derived.obtain(None, self.original, "a/b"))
        self.assertFalse(os.path.exists(self.cache))
        self.logged.assert_not_called()

    def test_a_failed_derivation_is_logged_once_and_leaves_no_files(self) -> None:
        nodes, tensors = matrix(multiply=node("Add", "f,ss", "y"))
        for content, reason in (
            (model_of(nodes, tensors).SerializeToString(), "MatMulInteger: no scaling follows it"),
            (b"ConvInteger", "DecodeError"),
        ):
            self.logged.reset_mock()
            original = self.write(self.scratch, "other.onnx", content)
            for _ in range(2):
                self.assertIsNone(derived.obtain(self.cache, original, "a/b"))
            self.assertEqual(len(self.messages()), 1)
            self.assertIn(reason, self.messages()[0])
            self.assertEqual(self.entries(), ["lock"])

    def test_operators_that_stay_quantised_are_logged(self) -> None:
        nodes, tensors = matrix()
        nodes += [node("DynamicQuantizeLinear", "y", "q2,s2,z2"), node("MatMulInteger", "q2,w,z2,wz", "i2")]
        model = model_of(nodes, tensors)
        model.graph.output.add(name="i2")
        original = self.write(self.scratch, "other.onnx", model.SerializeToString())
        self.assertIsNotNone(derived.obtain(self.cache, original, "a/b"))
        self.assertIn(
            "these operators stay quantised: 1 of MatMulInteger: its result is used in several places",
            self.messages()[0],
        )

    @unittest.skipIf(sys.platform == "win32", "a file cannot be a directory there either, with another error")
    def test_a_cache_that_cannot_be_written_leaves_the_original(self) -> None:
        self.write(self.scratch, "cache", b"")
        self.assertIsNone(self.obtain())
        self.assertIsNone(self.obtain())
        self.assertEqual(len(self.messages()), 1)
        self.assertIn("Not a directory", self.messages()[0])

    def test_several_threads_derive_once(self) -> None:
        script = (
            "import sys; from speaches_service.precision import derived; "
            "print(derived.obtain(sys.argv[1], sys.argv[2], 'a/b'))"
        )
        command = [sys.executable, "-B", "-c", script, self.cache, self.original]
        running = [
            subprocess.Popen(command, cwd=SERVICE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        results = [process.communicate() for process in running]
        self.assertEqual(len({path for path, _ in results}), 1, results)
        self.assertTrue(os.path.isfile(results[0][0].strip()), results)
        self.assertEqual(sum("derived a float32 model" in log for _, log in results), 1, results)

    def test_the_wait_for_another_process_ends(self) -> None:
        os.makedirs(os.path.join(self.cache, "float32"))
        with locked(os.path.join(self.cache, "float32", "lock")), mock.patch.object(derived, "_TIMEOUT_SECONDS", 0.1):
            self.assertIsNone(self.obtain())
        self.assertIn("another process", self.messages()[0])

    def test_leftovers_and_unused_models_are_removed(self) -> None:
        path = self.obtain()
        assert path is not None
        parent = os.path.join(self.cache, "float32")
        for name in ("old.1", "young.1", f"killed.1{derived._SCRATCH_SUFFIX}"):
            os.mkdir(os.path.join(parent, name))
        long_ago = time.time() - derived._MAX_UNUSED_SECONDS - 1
        os.utime(os.path.join(parent, "old.1"), (long_ago, long_ago))
        nodes, tensors = matrix()
        other = self.write(self.scratch, "other.onnx", model_of(nodes, tensors).SerializeToString())
        self.assertIsNotNone(derived.obtain(self.cache, other, "a/b"))
        names = self.entries()
        self.assertEqual(len(names), 4, names)
        self.assertIn("young.1", names)

    def test_a_rejected_model_is_not_derived_again_in_this_process(self) -> None:
        path = self.obtain()
        assert path is not None
        derived.reject(self.cache, self.original, "a/b", RuntimeError("no"))
        self.assertFalse(os.path.exists(path))
        self.assertIsNone(self.obtain())
        self.assertEqual(len(self.messages()), 2)

    def test_the_deriving_process_ends_with_its_parent(self) -> None:
        script = (
            "import sys, time; from speaches_service import child_process; "
            "child_process.end_with_parent(); print('begun', flush=True); time.sleep(60)"
        )
        process = subprocess.Popen(
            [sys.executable, "-B", "-c", script], cwd=SERVICE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None
        self.assertEqual(process.stdout.readline().strip(), b"begun")
        threading.Timer(0, process.stdin.close).start()
        self.assertEqual(process.wait(30), 1)
        process.stdout.close()
        self.assertIn("speaches_service_manager.py", child_process.command("x")[-2])
