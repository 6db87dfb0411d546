import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

from speaches_service.whispercpp import crash

from .ggml import REPOSITORY, run_child

WORK = """
import ctypes, os, signal, time
from speaches_service.whispercpp.crash import CrashRecorder
work = CrashRecorder(sys.argv[1], "plan", "macOS 26.1")
with work.running():
    pass
"""


@unittest.skipIf(sys.platform == "win32", "whisper.cpp uses no GPU on Windows")
class CrashTest(unittest.TestCase):
    """Starts processes that really crash."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name

    def die(self, code: str) -> int:
        return run_child(WORK + code, self.directory).returncode

    def left(self) -> list[str]:
        return sorted(os.listdir(self.directory))

    def test_a_fatal_signal_in_gpu_work_becomes_the_marker(self) -> None:
        for code, number, says in (
            ("with work.running(): os.abort()", signal.SIGABRT, "Aborted"),
            ("with work.running(): ctypes.string_at(0)", signal.SIGSEGV, "Segmentation fault"),
            ("with work.running(): os.kill(os.getpid(), signal.SIGBUS)", signal.SIGBUS, "Bus error"),
            ("with work.running(): os.kill(os.getpid(), signal.SIGILL)", signal.SIGILL, "Illegal instruction"),
        ):
            self.assertEqual(self.die(code), -number)
            self.assertIn(says, crash.collect_evidence(self.directory) or "")
            self.assertEqual(self.left(), [crash.MARKER_FILE])
            with open(os.path.join(self.directory, crash.MARKER_FILE), encoding="utf-8") as file:
                marker = json.load(file)
            self.assertEqual(set(marker), {"reason", "at", "runtime", "system"})
            self.assertEqual((marker["runtime"], marker["system"]), ("plan", "macOS 26.1"))
            os.unlink(os.path.join(self.directory, crash.MARKER_FILE))

    def test_a_signal_from_another_thread_counts_as_well(self) -> None:
        code = (
            "import threading\n"
            "threading.Timer(0.2, os.abort).start()\n"
            "with work.running(), work.running(): time.sleep(30)\n"
        )
        self.assertEqual(self.die(code), -signal.SIGABRT)
        self.assertIsNotNone(crash.collect_evidence(self.directory))

    def test_other_ends_are_not_evidence(self) -> None:
        for code, status in (
            ("with work.running(): os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
            ("with work.running(): os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
            ("with work.running(): os._exit(0)", 0),
            ("with work.running(): raise ValueError", 1),
            ("os.abort()", -signal.SIGABRT),
            ("", 0),
        ):
            self.assertEqual(self.die(code), status, code)
            self.assertIsNone(crash.collect_evidence(self.directory), code)
            self.assertEqual(self.left(), [], code)

    def test_the_evidence_of_a_running_service_stays(self) -> None:
        service = os.path.join(REPOSITORY, "runtime-template", "service")
        code = (
            f"import sys; sys.path.insert(0, {service!r})\n{WORK}print(flush=True)\nwith work.running(): time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-B", "-c", code, self.directory], stdout=subprocess.PIPE) as living:
            assert living.stdout is not None
            living.stdout.readline()
            self.assertEqual(self.die("with work.running(): os.abort()"), -signal.SIGABRT)
            self.assertEqual(len(self.left()), 2)
            self.assertIsNotNone(crash.collect_evidence(self.directory))
            self.assertEqual(self.left(), [crash.MARKER_FILE, f"gpu-work-{living.pid}.txt"])
            living.kill()
        os.unlink(os.path.join(self.directory, crash.MARKER_FILE))
        self.assertIsNone(crash.collect_evidence(self.directory))
        self.assertEqual(self.left(), [])

    def test_damaged_evidence_is_removed(self) -> None:
        with open(os.path.join(self.directory, "gpu-work-1.txt"), "w", encoding="utf-8") as file:
            file.write("no record\nFatal Python error")
        self.assertIsNone(crash.collect_evidence(self.directory))
        self.assertEqual(self.left(), [])


if __name__ == "__main__":
    unittest.main()
