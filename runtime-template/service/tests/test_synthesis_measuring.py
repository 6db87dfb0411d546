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

    from speaches_service.synthesis_probe.candidates import CPU, Candidate
    from speaches_service.synthesis_probe.measuring import Limits, Measurement, Measuring, Stopped
    from speaches_service.synthesis_probe.models import SpeechModel
except ImportError as error:
    print(f"skipping test_synthesis_measuring, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error

CHILD = [sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "misbehaving_child.py")]
PATIENT = Limits(60)


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
            # One that nobody has waited for is over.
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return sys.platform != "linux"


def wait_for_hanging(work: str) -> int:
    """The process below a directory for scratch files that hangs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in glob.glob(os.path.join(work, "*", "audio", "hangs")):
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
class MeasuringTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name
        self.model = SpeechModel("a/model", "model.onnx", make_voices(scratch.name))

    def measure(self, behaviour: str, limits: Limits = PATIENT) -> Measurement:
        candidate = Candidate("stub", "StubExecutionProvider", {"behaviour": behaviour})
        work = tempfile.mkdtemp(dir=self.scratch)
        measurement = Measuring(work, in_background=False, command=CHILD).measure(self.model, candidate, limits)
        self.assertEqual(os.listdir(work), [], "nothing is left behind")
        return measurement

    def fails(self, behaviour: str, outcome: str, reason: str, limits: Limits = PATIENT) -> None:
        with self.subTest(behaviour=behaviour):
            failure = self.measure(behaviour, limits).failure
            assert failure is not None
            self.assertEqual(failure.outcome, outcome, failure.reason)
            self.assertIn(reason, failure.reason)

    def test_one_that_is_right_gives_times_memory_and_audio_of_all_lengths(self) -> None:
        measured = self.measure("right")
        self.assertIsNone(measured.failure)
        self.assertEqual(dict(measured.seconds), {"short": [1, 1], "medium": [1, 1], "long": [1, 1]})
        self.assertGreater(measured.peak or 0, 10 << 20)
        sizes = [[piece.size // 600 for piece in pieces] for pieces in measured.audio.values()]
        self.assertEqual(sizes, [[22, 22], [102, 102], [422, 422]], "the first and the last run")

    def test_what_a_library_prints_is_no_result(self) -> None:
        self.assertIsNone(self.measure("print").failure)

    def test_a_crash_is_a_result_with_the_signal_and_the_last_words(self) -> None:
        self.fails("abort", "crash", "SIGABRT ended it: libc++abi: terminating due to uncaught exception")
        self.fails("exit", "crash", "exit code 3")

    def test_a_result_that_is_none_is_a_crash(self) -> None:
        self.fails("write broken files", "crash", "its audio cannot be read")
        lying = [sys.executable, "-c", 'print(\'{"step": "done", "peak": null}\')']
        talking = [sys.executable, "-c", "print('hello')"]
        silent = [sys.executable, "-c", ""]
        for command, reason in ((lying, "says that it is done"), (talking, "hello"), (silent, "exit code 0")):
            with self.subTest(command=command):
                failure = Measuring(self.scratch, command=command).measure(self.model, CPU, PATIENT).failure
                assert failure is not None
                self.assertEqual(failure.outcome, "crash")
                self.assertIn(reason, failure.reason)

    def test_one_that_takes_too_long_hangs_and_is_ended(self) -> None:
        # Should this machine be too slow even to start it in time, that is the same.
        self.fails("hang", "hang", "took more than 2 s", Limits(2))
        self.fails("hang in native code", "hang", "took more than 2 s", Limits(2))

    def test_one_that_takes_too_much_memory_is_ended(self) -> None:
        self.fails("eat", "memory", "it took more than 250 MiB", Limits(60, 250 << 20))

    def test_a_provider_that_does_not_take_the_model_refuses(self) -> None:
        self.fails("refuse to load", "refused", "RuntimeError: Unable to get shape for output: /Squeeze_output_0")
        self.fails("fail at the third run", "refused", "error code: -1")
        self.fails("leave it to others", "refused", "no part of the model runs on it")

    def test_a_request_to_stop_ends_it(self) -> None:
        stop = threading.Event()
        candidate = Candidate("stub", "StubExecutionProvider", {"behaviour": "hang"})
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        with self.assertRaises(Stopped):
            Measuring(self.scratch, command=CHILD, stop=stop).measure(self.model, candidate, PATIENT)
        self.assertLess(time.monotonic() - began, 20)

    def test_it_ends_when_its_parent_is_killed_even_in_native_code(self) -> None:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        for behaviour in ("hang", "hang in native code"):
            with self.subTest(behaviour=behaviour):
                work = tempfile.mkdtemp(dir=self.scratch)
                source = (
                    f"import sys; sys.path.insert(0, {root!r})\n"
                    "from speaches_service.synthesis_probe.candidates import Candidate\n"
                    "from speaches_service.synthesis_probe.measuring import Limits, Measuring\n"
                    "from speaches_service.synthesis_probe.models import SpeechModel\n"
                    f"candidate = Candidate('stub', 'Stub', {{'behaviour': {behaviour!r}}})\n"
                    f"model = SpeechModel(*{tuple(self.model)!r})\n"
                    f"Measuring({work!r}, command={CHILD!r}).measure(model, candidate, Limits(5))\n"
                )
                parent = subprocess.Popen([sys.executable, "-B", "-c", source])
                pid = wait_for_hanging(work)
                self.assertTrue(is_running(pid))
                parent.kill()
                parent.wait()
                self.assertTrue(ends(pid, 60), f"{pid} lives on")


if __name__ == "__main__":
    unittest.main()
