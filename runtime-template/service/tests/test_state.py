import json
import os
import platform
import tempfile
import unittest
from datetime import datetime

from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.state import STATUS_FILE, State

from . import example


class StateTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "deep", "state")

    def make(self, directory: str | None, name: str = "speaches") -> State:
        settings = example.settings(state_dir=directory, name=name)
        return State(settings, 8000, started_at=1_700_000_000.5)

    def read(self) -> dict[str, object]:
        with open(os.path.join(self.directory, STATUS_FILE), encoding="utf-8") as file:
            status: dict[str, object] = json.load(file)
        return status

    def test_the_state_has_the_chosen_port_and_the_pid(self) -> None:
        self.make(self.directory).open()
        status = self.read()
        self.assertEqual(status["pid"], os.getpid())
        self.assertEqual(status["port"], 8000)
        self.assertEqual(status["addresses"], ["127.0.0.1", "::1"])
        self.assertEqual(status["phase"], "starting")
        self.assertEqual(datetime.fromisoformat(str(status["started_at"])).timestamp(), 1_700_000_000.5)
        self.assertEqual(status["versions"], {"python": platform.python_version(), "speaches": None})

    def test_every_phase_replaces_the_one_before(self) -> None:
        state = self.make(self.directory)
        state.open()
        state.record_phase("serving", "1.2.3")
        self.assertEqual(self.read()["phase"], "serving")
        state.record_phase("draining")
        status = self.read()
        self.assertEqual(status["phase"], "draining")
        self.assertEqual(status["versions"], {"python": platform.python_version(), "speaches": "1.2.3"})
        self.assertEqual(os.listdir(self.directory), [STATUS_FILE])

    def test_a_partial_file_of_a_killed_service_is_removed(self) -> None:
        os.makedirs(self.directory)
        of_the_user = f"{STATUS_FILE}.2026-1.backup"
        for name in (f"{STATUS_FILE}.14866-1", of_the_user):
            with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
                file.write("{")
        self.make(self.directory).open()
        self.assertEqual(sorted(os.listdir(self.directory)), [STATUS_FILE, of_the_user])

    def test_a_model_has_the_decision_and_then_the_actual_computation(self) -> None:
        settings = example.settings(
            state_dir=self.directory,
            tts_model="a/speaks",
            stt_model="b/listens",
            transcription=example.transcription("whispercpp", "metal"),
            synthesis=example.synthesis(provider="cuda"),
        )
        state = State(settings, 8000, 0)
        state.open()

        def computes() -> list[tuple[object, ...]]:
            models = self.read()["models"]
            assert isinstance(models, list)
            return [(model["id"], model["backend"], model["provider"]) for model in models]

        self.assertEqual(computes(), [("a/speaks", "onnxruntime", "cuda"), ("b/listens", "whispercpp", "metal")])
        state.record_computation("a/speaks", "onnxruntime", "cpu")
        state.record_computation("somebody/else", "onnxruntime", "cuda")
        self.assertEqual(computes()[0], ("a/speaks", "onnxruntime", "cpu"))

    def test_the_end_has_an_exit_code_and_a_reason(self) -> None:
        state = self.make(self.directory)
        state.open()
        state.record_stop(ExitCode.UNAVAILABLE, "no torch")
        status = self.read()
        self.assertEqual((status["phase"], status["exit_code"], status["message"]), ("stopped", 69, "no torch"))

    def test_no_directory_means_no_file(self) -> None:
        state = self.make(None)
        state.open()
        state.record_phase("serving")
        self.assertFalse(os.path.exists(self.directory))

    def test_a_directory_that_cannot_be_created_is_reported(self) -> None:
        blocker = os.path.dirname(os.path.dirname(self.directory)) + "/deep"
        with open(blocker, "w", encoding="utf-8"):
            pass
        with self.assertRaises(ServiceFailure) as caught:
            self.make(self.directory).open()
        self.assertEqual(caught.exception.exit_code, ExitCode.CANNOT_WRITE)
        self.assertIn(self.directory, caught.exception.message)

    def test_a_sample_is_marked(self) -> None:
        self.make(self.directory, name="speaches-sample").open()
        self.assertIs(self.read()["sample"], True)


if __name__ == "__main__":
    unittest.main()
