import contextlib
import io
import json
import os
import re
import sys
import tempfile
import types
import unittest
from unittest import mock

try:
    from speaches_service.exit_codes import ExitCode, ServiceFailure
    from speaches_service.synthesis_probe import probe_session
    from speaches_service.synthesis_probe.decisions import FILE, CandidateResult, Decision, Decisions
    from speaches_service.tune_command import tune
    from tests import example
    from tests.test_synthesis_probe_session import CHILD, make_voices, stub
except ImportError as error:
    print(f"skipping test_tune_command, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error

FAST = stub("fast", pace=0.5)
DYING = stub("dying", "abort")


@unittest.skipUnless(os.name == "posix", "needs signals")
class TuneTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.cache = os.path.join(scratch.name, "hub")
        self.machine = os.path.join(scratch.name, "machine")
        self.logged: list[str] = []
        for patch in (
            mock.patch.dict(sys.modules, {"speaches.hf_utils": types.SimpleNamespace(HF_HUB_CACHE=self.cache)}),
            mock.patch(
                "speaches_service.tune_command.log_event", lambda message, *_, **__: self.logged.append(message)
            ),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def add_model(self, name: str) -> None:
        snapshot = os.path.join(self.cache, f"models--a--{name}", "snapshots", "1")
        os.makedirs(snapshot)
        make_voices(snapshot)
        with open(os.path.join(snapshot, "model.onnx"), "w", encoding="ascii"):
            pass

    def tune(self, key: str | None = "k", as_json: bool = False, command: list[str] = CHILD) -> str:
        synthesis = example.synthesis(probe_key=key, why="this is no Mac")
        offered = (FAST, DYING) if key is not None else ()
        settings = example.settings(machine_directory=self.machine, synthesis=synthesis)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            tune(settings, as_json, lambda *_: offered, command)
        return output.getvalue()

    def refuse(self, exit_code: ExitCode, **options: object) -> str:
        with self.assertRaises(ServiceFailure) as caught:
            self.tune(**options)  # type: ignore[arg-type] # the tests pass valid options
        self.assertEqual(caught.exception.exit_code, exit_code)
        return caught.exception.message

    def test_people_get_a_table(self) -> None:
        self.add_model("one")
        lines = self.tune().splitlines()
        self.assertEqual(lines[0], "a/one: fast is used")
        titles = ["candidate", "outcome", "speed-up", "s per s of speech", "correlation", "reason"]
        self.assertEqual(re.split("  +", lines[1].strip()), titles)
        self.assertEqual(lines[2].split(), ["original", "right", "1.00", "0.29", "1.0000"])
        self.assertEqual(lines[3].split(), ["fast", "right", "2.00", "0.15", "1.0000"])
        self.assertRegex(lines[4], r"^  dying      crash    -         -                  -            SIGABRT ended it")
        self.assertEqual(len(lines), 5)

    def test_programs_get_the_content_of_the_file(self) -> None:
        self.add_model("one")
        told = json.loads(self.tune(as_json=True))
        with open(os.path.join(self.machine, FILE), encoding="utf-8") as file:
            kept = json.load(file)
        self.assertEqual({**told, "measured_at": ""}, {**kept, "measured_at": ""})
        self.assertEqual(told["models"]["a/one"]["chosen"], "fast")

    def test_known_models_are_measured_again(self) -> None:
        self.add_model("one")
        refused = Decision((CandidateResult("fast", "refused", reason="it failed when the service loaded it"),))
        with Decisions(self.machine, "k").changing() as known:
            known["a/one"] = refused
        self.tune()
        chosen = Decisions(self.machine, "k").read()["a/one"].chosen
        self.assertEqual(chosen and chosen.name, "fast")

    def test_without_candidates_the_models_are_compared_with_each_other(self) -> None:
        self.add_model("one")
        self.add_model("two")
        told = self.tune(key=None)
        self.assertEqual(self.logged[0], "there is no other provider to compare here: this is no Mac")
        self.assertIn("a/one: original is used", told)
        self.assertIn("a/two: original is used", told)
        self.assertIn("no model is clearly faster than the others", told)
        self.assertFalse(os.path.exists(os.path.join(self.machine, FILE)), "there is no key to keep it under")

    def test_without_a_model_it_is_69(self) -> None:
        self.assertIn("no Kokoro model", self.refuse(ExitCode.UNAVAILABLE))

    def test_a_failing_model_is_69(self) -> None:
        self.add_model("one")
        self.assertIn("no model produced speech", self.refuse(ExitCode.UNAVAILABLE, command=[sys.executable, "-c", ""]))
        self.assertIn("skipped `a/one`: the original on the CPU: its result cannot be read", " ".join(self.logged))

    def test_a_measurement_of_another_process_is_75(self) -> None:
        self.add_model("one")
        with probe_session.exclusive_scratch(self.machine):
            self.assertIn("another process", self.refuse(ExitCode.TEMPORARY))

    def test_a_directory_that_is_not_writable_is_73(self) -> None:
        self.add_model("one")
        with open(self.machine, "w", encoding="ascii"):
            pass
        self.assertIn(self.machine, self.refuse(ExitCode.CANNOT_WRITE))


if __name__ == "__main__":
    unittest.main()
