import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

try:
    from speaches_service.synthesis_probe import probe_session
    from speaches_service.synthesis_probe.background import THREAD_NAME, BackgroundProbe
    from speaches_service.synthesis_probe.candidates import COREML, Candidate
    from speaches_service.synthesis_probe.decisions import FILE, Decision, Decisions
    from tests import example
    from tests.test_synthesis_probe_session import CHILD, ends, make_voices, stub, wait_for_hanging
except ImportError as error:
    print(f"skipping test_synthesis_background, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error


@unittest.skipUnless(os.name == "posix", "needs signals")
class BackgroundTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.cache = os.path.join(scratch.name, "hub")
        self.machine = os.path.join(scratch.name, "machine")
        self.logged: list[str] = []
        self.offered: list[Candidate] = [stub("fast", pace=0.5)]
        log_event = mock.patch(
            "speaches_service.synthesis_probe.background.log_event",
            lambda message, *_levels, **_details: self.logged.append(message),
        )
        log_event.start()
        cache_of = mock.patch("speaches_service.synthesis_probe.background.cache_of", lambda _directory: None)
        cache_of.start()
        self.addCleanup(cache_of.stop)
        self.addCleanup(log_event.stop)
        self.add_model("a", "one")

    def add_model(self, owner: str, name: str) -> None:
        snapshot = os.path.join(self.cache, f"models--{owner}--{name}", "snapshots", "1")
        os.makedirs(snapshot)
        make_voices(snapshot)
        with open(os.path.join(snapshot, "model.onnx"), "w", encoding="ascii"):
            pass

    def make(
        self,
        key: str | None = "k",
        machine: str | None = "",
        forced: bool = False,
        names: tuple[str, ...] = ("original", "float32", COREML),
    ) -> BackgroundProbe:
        settings = example.settings(
            machine_directory=self.machine if machine == "" else machine,
            synthesis=example.synthesis(probe_key=key, forced=forced, candidates=names),
        )
        return BackgroundProbe(settings, lambda: self.cache, lambda *_: tuple(self.offered), CHILD)

    def run_to_the_end(self, probe: BackgroundProbe) -> None:
        probe.start()
        self.join(120)

    def join(self, seconds: float) -> None:
        for thread in threading.enumerate():
            if thread.name == THREAD_NAME:
                thread.join(seconds)
                self.assertFalse(thread.is_alive())

    def decisions(self) -> dict[str, Decision]:
        return Decisions(self.machine, "k").read()

    def test_every_model_is_measured_once_and_one_line_reports_the_results(self) -> None:
        self.add_model("b", "two")
        self.run_to_the_end(self.make())
        self.assertEqual(
            {model: decision.chosen and decision.chosen.name for model, decision in self.decisions().items()},
            {"a/one": "fast", "b/two": "fast"},
        )
        self.assertEqual(len(self.logged), 2, self.logged)
        self.assertIn("measuring the fastest way to compute `a/one`, `b/two`", self.logged[0])
        self.assertIn("`a/one` computes best with fast (fast: right, 2.0 times as fast)", self.logged[1])
        self.logged.clear()
        self.run_to_the_end(self.make())
        self.assertEqual(self.logged, [], "it is known")
        self.add_model("c", "three")
        self.run_to_the_end(self.make())
        self.assertIn("measuring the fastest way to compute `c/three`", self.logged[0])
        self.assertEqual(len(self.decisions()), 3)

    def test_nothing_happens_without_candidates_or_a_key(self) -> None:
        no_coreml = self.make(names=("original", "float32"))
        for probe in (self.make(key=None), self.make(machine=None), self.make(forced=True), no_coreml):
            before = threading.active_count()
            self.run_to_the_end(probe)
            self.assertEqual(threading.active_count(), before)
        self.assertEqual((self.logged, os.path.exists(self.machine)), ([], False))

    def test_a_request_to_stop_ends_the_process_without_a_decision(self) -> None:
        self.offered = [stub("hanging", "hang")]
        probe = self.make()
        probe.start()
        pid = wait_for_hanging(os.path.join(self.machine, probe_session.SCRATCH_DIRECTORY))
        probe.stop()
        self.assertTrue(ends(pid, 10))
        self.join(10)
        self.assertEqual(self.decisions(), {})
        self.assertEqual(os.listdir(self.machine), [probe_session.LOCK_FILE])

    def test_no_measurement_begins_after_the_request_to_stop(self) -> None:
        probe = self.make()
        probe.stop()
        self.run_to_the_end(probe)
        self.assertEqual(self.logged, [])

    def test_two_services_do_not_measure_at_the_same_time(self) -> None:
        with probe_session.exclusive_scratch(self.machine):
            self.run_to_the_end(self.make())
        self.assertEqual(
            self.logged, ["another service is measuring the speech models; this service will use its result"]
        )
        self.assertEqual(self.decisions(), {})

    def test_a_failing_original_changes_nothing(self) -> None:
        with mock.patch("speaches_service.synthesis_probe.evaluate.ORIGINAL", stub("original", "abort")):
            self.run_to_the_end(self.make())
        self.assertIn("`a/one` is unchanged: the original on the CPU: SIGABRT", self.logged[1])
        self.assertEqual(self.decisions(), {})

    def test_a_directory_that_is_not_writable_is_reported(self) -> None:
        with open(self.machine, "w", encoding="ascii"):
            pass
        self.run_to_the_end(self.make())
        self.assertEqual(len(self.logged), 1)
        self.assertIn("cannot measure the speech models", self.logged[0])

    def test_an_incomplete_file_is_replaced(self) -> None:
        os.mkdir(self.machine)
        with open(os.path.join(self.machine, FILE), "w", encoding="ascii") as file:
            file.write('{"key": "k", "mod')
        self.run_to_the_end(self.make())
        with open(os.path.join(self.machine, FILE), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["models"]["a/one"]["chosen"], "fast")


class ImportsTest(unittest.TestCase):
    def test_the_start_of_the_service_imports_nothing_heavy_for_it(self) -> None:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        source = (
            f"import sys; sys.path.insert(0, {root!r})\n"
            "import speaches_service.synthesis_probe.background, speaches_service.synthesis_probe.provider_choice\n"
            "sys.exit('numpy' in sys.modules)"
        )
        self.assertEqual(subprocess.run([sys.executable, "-B", "-c", source], check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
