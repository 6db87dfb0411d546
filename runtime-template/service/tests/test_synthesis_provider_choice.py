import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from unittest import mock

from speaches_service.synthesis_probe import provider_choice
from speaches_service.synthesis_probe.candidates import FLOAT32, ORIGINAL, Candidate
from speaches_service.synthesis_probe.decisions import CandidateResult, Decision, Decisions
from speaches_service.synthesis_probe.provider_choice import ProviderChoice

from . import example

FAST = Candidate("fast", "FastExecutionProvider", {"Cache": "here"}, "float32")
OTHERS = (CandidateResult("original", "right", 1.0, 1.0), CandidateResult("float32", "right", 2.0, 0.99))
CHOSEN = Decision((*OTHERS, CandidateResult("fast", "right", 3.0, 0.999)))
NAMES = ("original", "float32", "fast")


def offered(_names: Sequence[str], _directory: str) -> tuple[Candidate, ...]:
    return (ORIGINAL, FLOAT32, FAST)


class ProviderChoiceTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.decisions = Decisions(self.directory, "k")
        log_event = mock.patch("speaches_service.synthesis_probe.provider_choice.log_event")
        self.logged = log_event.start()
        self.addCleanup(log_event.stop)

    def make(self, key: str | None = "k", forced: bool = False) -> ProviderChoice:
        synthesis = example.synthesis(probe_key=key, forced=forced, candidates=NAMES)
        settings = example.settings(machine_directory=self.directory, synthesis=synthesis)
        return ProviderChoice(settings, offered)

    def decide(self, decision: Decision, model: str = "a/b") -> None:
        with self.decisions.changing() as known:
            known[model] = decision

    def test_a_decision_applies_to_the_next_load(self) -> None:
        service = self.make()
        self.assertEqual(service.chosen("a/b"), FLOAT32)
        self.decide(CHOSEN)
        self.assertEqual(service.chosen("a/b"), FAST)
        self.assertEqual(service.load("a/b", FAST, lambda: "loaded"), "loaded")
        self.assertEqual(service.chosen("another/one"), FLOAT32)
        self.logged.assert_not_called()

    def test_the_original_may_be_chosen(self) -> None:
        self.decide(Decision(OTHERS[:1]))
        self.assertEqual(self.make().chosen("a/b"), ORIGINAL)
        self.decide(Decision((CandidateResult("a candidate that is not offered any more", "right", 9.0),)))
        self.assertEqual(self.make().chosen("a/b"), FLOAT32)

    def test_no_decision_is_read_if_the_user_forces_one_or_there_is_no_key(self) -> None:
        self.decide(CHOSEN)
        for service in (self.make(forced=True), self.make(key=None)):
            self.assertIsNone(service.chosen("a/b"))
        self.assertEqual(self.make(key="another").chosen("a/b"), FLOAT32)

    def test_a_failed_load_is_not_tried_again_and_the_next_best_replaces_it(self) -> None:
        self.decide(CHOSEN)

        def create() -> str:
            raise RuntimeError("Error in building plan\nat line 3")

        self.assertIsNone(self.make().load("a/b", FAST, create))
        self.logged.assert_called_once()
        self.assertIn("Error in building plan", self.logged.call_args.args[0])
        failed = self.decisions.read()["a/b"].candidates[-1]
        self.assertEqual((failed.name, failed.outcome), ("fast", "refused"))
        self.assertIn("Error in building plan", failed.reason)
        self.assertEqual(self.make().chosen("a/b"), FLOAT32)

    def test_a_load_that_crashed_the_service_is_not_tried_again(self) -> None:
        self.decide(CHOSEN)
        self.load_in_another_process("os.abort()")
        self.assertIsNone(self.make().load("a/b", FAST, lambda: self.fail("it was tried again")))
        failed = self.decisions.read()["a/b"].candidates[-1]
        self.assertEqual((failed.name, failed.outcome), ("fast", "crash"))
        self.logged.assert_called_once()
        self.assertFalse(os.path.exists(os.path.join(self.directory, provider_choice.MARKER_FILE)))

    def test_a_service_that_is_stopped_while_it_loads_has_not_crashed(self) -> None:
        self.decide(CHOSEN)
        self.load_in_another_process("provider_choice.remove_own_marker(); os._exit(0)")
        self.assertEqual(self.make().load("a/b", FAST, lambda: "loaded"), "loaded")

    def test_a_marker_of_another_key_or_model_is_ignored(self) -> None:
        self.decide(CHOSEN)
        for mark in ('["old", "a/b", "fast"]', '["k", "c/d", "fast"]', "torn"):
            with open(os.path.join(self.directory, provider_choice.MARKER_FILE), "w", encoding="utf-8") as file:
                file.write(mark)
            self.assertEqual(self.make().load("a/b", FAST, lambda: "loaded"), "loaded")

    def test_a_directory_without_a_marker_is_reported(self) -> None:
        os.mkdir(os.path.join(self.directory, provider_choice.MARKER_FILE))
        self.assertIsNone(self.make().load("a/b", FAST, lambda: self.fail("without a mark")))
        self.assertIn("cannot write the marker", self.logged.call_args.args[0])

    def load_in_another_process(self, end: str) -> None:
        source = (
            "import os, sys\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))!r})\n"
            "from tests import example\n"
            "from speaches_service.synthesis_probe import provider_choice\n"
            "from speaches_service.synthesis_probe.candidates import Candidate\n"
            "synthesis = example.synthesis(probe_key='k', candidates=('fast',))\n"
            f"settings = example.settings(synthesis=synthesis, machine_directory={self.directory!r})\n"
            f"fast = Candidate({FAST.name!r}, {FAST.provider!r}, {{}}, 'float32')\n"
            "def create():\n"
            f"    {end}\n"
            "provider_choice.ProviderChoice(settings, lambda *_: (fast,)).load('a/b', fast, create)\n"
        )
        ended = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", source], check=False, timeout=60)
        self.assertEqual(ended.returncode == 0, "os._exit" in end)


if __name__ == "__main__":
    unittest.main()
