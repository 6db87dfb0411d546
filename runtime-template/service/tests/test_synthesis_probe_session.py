import glob
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

try:
    import numpy as np

    from speaches_service.child_process import Stopped
    from speaches_service.file_lock import LockHeld
    from speaches_service.synthesis_probe.candidates import CACHE_DIRECTORY, Candidate
    from speaches_service.synthesis_probe.probe_session import (
        LOCK_FILE,
        Measurement,
        MeasurementFailed,
        ProbeSession,
        exclusive_scratch,
    )
except ImportError as error:
    print(f"skipping test_synthesis_probe_session, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error

CHILD = [sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "misbehaving_child.py")]
LONG_TIMEOUT = 60


def stub(name: str, behaviour: str = "right", pace: float = 1) -> Candidate:
    return Candidate(name, "StubExecutionProvider", {"behaviour": behaviour, "pace": str(pace)}, "original")


def make_voices(directory: str) -> str:
    path = os.path.join(directory, "voices.bin")
    with open(path, "wb") as file:
        np.savez(file, a_voice=np.zeros((510, 1, 256), np.float32))
    return path


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # A zombie has ended: its parent only has not waited for it.
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return sys.platform != "linux"
    except ProcessLookupError:
        # The process ended between the opening and the reading.
        return False


def wait_for_hanging(work: str) -> int:
    """The ID of the process that hangs with its files in this directory."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in glob.glob(os.path.join(work, "*", "hangs")):
            with open(path, encoding="ascii") as file:
                told = file.read()
            if told:
                return int(told)
        time.sleep(0.02)
    raise AssertionError("nothing hangs")


def ends(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


@unittest.skipUnless(os.name == "posix", "needs signals")
class ProbeSessionTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name
        self.voices = make_voices(scratch.name)

    def measure(self, behaviour: str, limit: float = LONG_TIMEOUT, command: list[str] = CHILD) -> Measurement:
        work = tempfile.mkdtemp(dir=self.scratch)
        session = ProbeSession(work, in_background=False, command=command)
        try:
            return session.measure("model.onnx", self.voices, stub("stub", behaviour), limit)
        finally:
            self.assertEqual(os.listdir(work), [], "nothing is left behind")

    def fails(self, behaviour: str, outcome: str, reason: str, limit: float = LONG_TIMEOUT, *command: str) -> None:
        with self.subTest(behaviour=behaviour, command=command):
            with self.assertRaises(MeasurementFailed) as caught:
                self.measure(behaviour, limit, list(command) or CHILD)
            self.assertEqual(caught.exception.outcome, outcome, caught.exception)
            self.assertIn(reason, str(caught.exception))

    def test_a_right_candidate_gives_times_memory_and_sounds_of_all_lengths(self) -> None:
        measured = self.measure("right")
        self.assertEqual(dict(measured.seconds), {"short": 1, "long": 1})
        self.assertGreater(measured.peak or 0, 10 << 20)
        sizes = [[sound.size // 600 for sound in sounds] for sounds in measured.sounds.values()]
        self.assertEqual(sizes, [[22, 22], [252, 252]], "the first and the last run")

    def test_a_process_may_print(self) -> None:
        self.assertEqual(self.measure("print").seconds["short"], 1)

    def test_a_crash_is_a_result_with_the_signal_and_the_last_line(self) -> None:
        self.fails("abort", "crash", "SIGABRT ended it: libc++abi: terminating due to uncaught exception")
        self.fails("exit", "crash", "exit code 3")

    def test_an_invalid_result_is_a_crash(self) -> None:
        self.fails("write broken files", "crash", "cannot be read")
        self.fails("", "crash", "cannot be read", LONG_TIMEOUT, sys.executable, "-c", "")
        for result in ("{}", "[]", "x", '{"seconds": {"short": 1, "long": 0}, "peak": null}'):
            source = f"import sys; open(sys.argv[1] + '/result.json', 'w').write({result!r})"
            self.fails("", "crash", "", LONG_TIMEOUT, sys.executable, "-c", source)

    def test_a_process_beyond_its_limit_hangs_and_is_killed(self) -> None:
        # If this machine is too slow to start the process in time, the outcome is the same.
        self.fails("hang", "hang", "exceeded its limit", 2)
        self.fails("hang in native code", "hang", "exceeded its limit", 2)

    def test_a_provider_that_rejects_the_model_refuses(self) -> None:
        self.fails("refuse to load", "refused", "RuntimeError: Unable to get shape for output: /Squeeze_output_0")
        self.fails("fail at the third run", "refused", "error code: -1")
        self.fails("leave it to others", "refused", "no part of the model runs on it")

    def test_a_request_to_stop_ends_the_process(self) -> None:
        stop = threading.Event()
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        with self.assertRaises(Stopped):
            ProbeSession(self.scratch, command=CHILD, stop=stop).measure(
                "", self.voices, stub("stub", "hang"), LONG_TIMEOUT
            )
        self.assertLess(time.monotonic() - began, 20)

    def test_the_process_ends_when_its_parent_is_killed(self) -> None:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        work = tempfile.mkdtemp(dir=self.scratch)
        source = (
            f"import sys; sys.path.insert(0, {root!r})\n"
            "from tests.test_synthesis_probe_session import CHILD, stub\n"
            "from speaches_service.synthesis_probe.probe_session import ProbeSession\n"
            f"ProbeSession({work!r}, command=CHILD).measure('', {self.voices!r}, stub('stub', 'hang'), 60)\n"
        )
        parent = subprocess.Popen([sys.executable, "-B", "-c", source])
        pid = wait_for_hanging(work)
        self.assertTrue(is_running(pid))
        parent.kill()
        parent.wait()
        self.assertTrue(ends(pid, 60), f"{pid} lives on")


class ExclusiveScratchTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "machine")

    def test_only_one_process_measures_at_a_time_and_a_killed_one_does_not_count(self) -> None:
        source = (
            "import sys, time\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))!r})\n"
            "from speaches_service.synthesis_probe.probe_session import exclusive_scratch\n"
            f"with exclusive_scratch({self.directory!r}) as scratch:\n"
            "    open(scratch + '/left', 'w').close()\n"
            "    print('open', flush=True)\n"
            "    time.sleep(600)\n"
        )
        with subprocess.Popen([sys.executable, "-B", "-c", source], stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            self.assertEqual(other.stdout.readline(), "open\n")
            with self.assertRaises(LockHeld), exclusive_scratch(self.directory):
                self.fail("two at a time")
            other.kill()
        with exclusive_scratch(self.directory) as scratch:
            self.assertEqual(os.listdir(scratch), [], "what it left is gone")
        self.assertEqual(os.listdir(self.directory), [LOCK_FILE])

    def test_models_compiled_by_another_system_or_library_are_removed(self) -> None:
        caches = [os.path.join(self.directory, CACHE_DIRECTORY, name) for name in ("1.2-old", "1.2-new")]
        for cache in caches:
            os.makedirs(os.path.join(cache, "model"))
        with exclusive_scratch(self.directory, keep=caches[1]):
            pass
        self.assertEqual(os.listdir(os.path.join(self.directory, CACHE_DIRECTORY)), ["1.2-new"])


if __name__ == "__main__":
    unittest.main()
