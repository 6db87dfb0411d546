import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from speaches_service.settings import Settings, Synthesis
from speaches_service.synthesis_probe import switch
from speaches_service.synthesis_probe.candidates import CPU, Candidate
from speaches_service.synthesis_probe.decisions import Decision, Decisions
from speaches_service.synthesis_probe.outcomes import Verdict
from speaches_service.synthesis_probe.switch import Switch

FAST = Candidate("fast", "FastExecutionProvider", {"Cache": "here"})
CHOSEN = Decision("fast", (Verdict("fast", "good", 2.0, 0.999),), 0.2)


def offered(_directory: str, _key: str, _model: str) -> tuple[Candidate, ...]:
    return (FAST,)


class SwitchTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.decisions = Decisions(self.directory, "k")
        announced = mock.patch("speaches_service.synthesis_probe.switch.announce")
        self.announced = announced.start()
        self.addCleanup(announced.stop)

    def make(self, key: str | None = "k", forced: bool = False) -> Switch:
        synthesis = Synthesis(probe_key=key, forced=forced, candidates=("coreml",))
        settings = Settings("/runtime", ("127.0.0.1",), 0, machine_directory=self.directory, synthesis=synthesis)
        return Switch(settings, offered)

    def test_a_model_is_switched_at_its_next_load(self) -> None:
        service = self.make()
        self.assertEqual(service.chosen_provider("a/b"), ("CPUExecutionProvider", {}))
        self.assertEqual(service.load("a/b", lambda candidate: candidate), CPU)
        self.decisions.record("a/b", CHOSEN)
        self.assertEqual(service.chosen_provider("a/b"), ("FastExecutionProvider", {"Cache": "here"}))
        self.assertEqual(service.load("a/b", lambda candidate: candidate), FAST)
        self.assertEqual(service.chosen_provider("another/one"), ("CPUExecutionProvider", {}))
        self.announced.assert_not_called()

    def test_the_cpu_may_be_what_was_chosen(self) -> None:
        for chosen in ("cpu", "a candidate that nobody offers any more"):
            self.decisions.record("a/b", Decision(chosen, ()))
            self.assertEqual(self.make().chosen_provider("a/b"), ("CPUExecutionProvider", {}))
            self.assertEqual(self.make().load("a/b", lambda candidate: candidate), CPU)

    def test_what_somebody_forces_and_what_has_no_key_is_not_looked_up(self) -> None:
        self.decisions.record("a/b", CHOSEN)
        for service in (self.make(forced=True), self.make(key=None)):
            self.assertIsNone(service.chosen_provider("a/b"))
            self.assertEqual(service.load("a/b", lambda candidate: candidate), CPU)
        self.assertEqual(self.make(key="another").chosen_provider("a/b"), ("CPUExecutionProvider", {}))

    def test_a_load_that_fails_is_done_on_the_cpu_and_not_tried_again(self) -> None:
        self.decisions.record("a/b", CHOSEN)
        tried: list[str] = []

        def create(candidate: Candidate) -> str:
            tried.append(candidate.name)
            if candidate.name == "fast":
                raise RuntimeError("Error in building plan\nat line 3")
            return candidate.name

        self.assertEqual(self.make().load("a/b", create), "cpu")
        self.assertEqual(self.make().load("a/b", create), "cpu")
        self.assertEqual(tried, ["fast", "cpu", "cpu"])
        self.announced.assert_called_once()
        self.assertIn("Error in building plan", self.announced.call_args.args[0])
        decision = self.decisions.read()["a/b"]
        self.assertEqual((decision.chosen, decision.candidates[0].outcome), ("cpu", "refused"))
        self.assertIn("Error in building plan", decision.candidates[0].reason)

    def test_an_error_on_the_cpu_is_one(self) -> None:
        self.decisions.record("a/b", CHOSEN)

        def create(_candidate: Candidate) -> None:
            raise OSError("no such file")

        with self.assertRaises(OSError):
            self.make().load("a/b", create)

    def test_a_load_that_ends_the_service_is_not_tried_again(self) -> None:
        self.decisions.record("a/b", CHOSEN)
        self.load_in_another_process("os.abort()")
        self.assertEqual(self.make().load("a/b", lambda candidate: candidate), CPU)
        decision = self.decisions.read()["a/b"]
        self.assertEqual((decision.chosen, decision.candidates[0].outcome), ("cpu", "crash"))
        self.announced.assert_called_once()
        self.assertFalse(os.path.exists(os.path.join(self.directory, switch.MARK)))

    def test_a_service_that_is_stopped_while_it_loads_has_not_crashed(self) -> None:
        self.decisions.record("a/b", CHOSEN)
        self.load_in_another_process("switch.remove_own_mark(); os._exit(0)")
        self.assertEqual(self.make().load("a/b", lambda candidate: candidate), FAST)

    def test_a_mark_of_another_key_or_model_says_nothing_about_this_one(self) -> None:
        self.decisions.record("a/b", CHOSEN)
        for mark in ('["old", "a/b", "fast"]', '["k", "c/d", "fast"]', "torn"):
            with open(os.path.join(self.directory, switch.MARK), "w", encoding="utf-8") as file:
                file.write(mark)
            self.assertEqual(self.make().load("a/b", lambda candidate: candidate), FAST)

    def load_in_another_process(self, end: str) -> None:
        source = (
            "import os, sys\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))!r})\n"
            "from speaches_service.settings import Settings, Synthesis\n"
            "from speaches_service.synthesis_probe import switch\n"
            "from speaches_service.synthesis_probe.candidates import Candidate\n"
            "settings = Settings('/', ('127.0.0.1',), 0, synthesis=Synthesis(probe_key='k', candidates=('coreml',)),\n"
            f"    machine_directory={self.directory!r})\n"
            f"offered = lambda *_: (Candidate({FAST.name!r}, {FAST.provider!r}, {{}}),)\n"
            "def create(candidate):\n"
            f"    assert candidate.name == {FAST.name!r}\n"
            f"    {end}\n"
            "switch.Switch(settings, offered).load('a/b', create)\n"
        )
        ended = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", source], check=False, timeout=60)
        self.assertEqual(ended.returncode == 0, "os._exit" in end)


if __name__ == "__main__":
    unittest.main()
