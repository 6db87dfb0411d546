import json
import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

from speaches_service.file_lock import LockHeld, locked
from speaches_service.synthesis_probe.candidates import candidates_named
from speaches_service.synthesis_probe.decisions import FILE, CandidateResult, Decision, Decisions, Outcome, recommended
from speaches_service.synthesis_probe.models import SpeechModel, models_in

ORIGINAL = CandidateResult("original", "right", 1.0, 1.0, 0.5)
FLOAT32 = CandidateResult("float32", "right", 1.7, 0.9991, 0.25)
CRASH = CandidateResult("coreml", "crash", reason="SIGABRT ended it")
DECISION = Decision((ORIGINAL, FLOAT32, CRASH))


def record(directory: str, key: str, model: str, decision: Decision = DECISION) -> None:
    with Decisions(directory, key).changing() as known:
        known[model] = decision


class Scratch(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "machine")


class DecisionsTest(Scratch):
    def write(self, text: str) -> None:
        os.makedirs(self.directory, exist_ok=True)
        with open(os.path.join(self.directory, FILE), "w", encoding="utf-8") as file:
            file.write(text)

    def test_the_file_has_the_form_that_the_launcher_reads(self) -> None:
        record(self.directory, "k", "a/b")
        with open(os.path.join(self.directory, FILE), encoding="utf-8") as file:
            raw = json.load(file)
        self.assertEqual(raw["key"], "k")
        self.assertRegex(raw["measured_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
        model = raw["models"]["a/b"]
        self.assertEqual(model["chosen"], "float32")
        measured = {"speedup": 1.7, "correlation": 0.9991, "real_time_factor": 0.25}
        self.assertEqual(model["candidates"][1], {"name": "float32", "outcome": "right", **measured, "reason": ""})
        missing = dict.fromkeys(measured)
        expected = {"name": "coreml", "outcome": "crash", **missing, "reason": "SIGABRT ended it"}
        self.assertEqual(model["candidates"][2], expected)

    def test_written_decisions_are_read(self) -> None:
        decisions = Decisions(self.directory, "k")
        self.assertEqual(decisions.read(), {}, "nothing is there")
        record(self.directory, "k", "a/b")
        record(self.directory, "k", "c/d", Decision(()))
        self.assertEqual(decisions.read(), {"a/b": DECISION, "c/d": Decision(())})

    def test_another_key_has_no_decisions_and_replaces_all(self) -> None:
        record(self.directory, "old", "a/b")
        new = Decisions(self.directory, "new")
        self.assertEqual(new.read(), {})
        record(self.directory, "new", "c/d")
        self.assertEqual(list(new.read()), ["c/d"])
        self.assertEqual(Decisions(self.directory, "old").read(), {})

    def test_an_incomplete_or_invalid_file_counts_as_missing(self) -> None:
        decisions = Decisions(self.directory, "k")
        record(self.directory, "k", "a/b")
        with open(os.path.join(self.directory, FILE), encoding="utf-8") as file:
            whole = file.read()
        broken = ["", whole[: len(whole) // 2], "[]", "null", '{"key": "k"}', '{"key": "k", "models": []}']
        broken += ['{"key": "k", "models": {"a": 1}}', '{"key": "k", "models": {"a": {"chosen": "original"}}}']
        broken.append(whole.replace('"reason"', '"another version"'))
        for text in broken:
            with self.subTest(text=text):
                self.write(text)
                self.assertEqual(decisions.read(), {})
        record(self.directory, "k", "a/b")
        self.assertEqual(decisions.read(), {"a/b": DECISION})

    def test_processes_that_write_at_the_same_time_lose_nothing(self) -> None:
        source = (
            "import sys\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))!r})\n"
            "from speaches_service.synthesis_probe.decisions import Decision, Decisions\n"
            "for number in range(20):\n"
            f"    with Decisions({self.directory!r}, 'k').changing() as known:\n"
            "        known[f'{sys.argv[1]}/{number}'] = Decision(())\n"
        )
        command = [sys.executable, "-I", "-S", "-B", "-c", source]
        writers = [subprocess.Popen([*command, str(number)]) for number in range(3)]
        self.assertEqual([writer.wait(60) for writer in writers], [0, 0, 0])
        self.assertEqual(len(Decisions(self.directory, "k").read()), 60)
        self.assertEqual(sorted(os.listdir(self.directory)), [FILE, f"{FILE}.lock"])

    def test_a_lock_that_is_never_released_is_an_error(self) -> None:
        decisions = Decisions(self.directory, "k")
        record(self.directory, "k", "a/b")
        with (
            mock.patch("speaches_service.synthesis_probe.decisions._LOCK_SECONDS", 0.1),
            locked(os.path.join(self.directory, f"{FILE}.lock")),
            self.assertRaises(OSError),
        ):
            record(self.directory, "k", "c/d")
        self.assertEqual(list(decisions.read()), ["a/b"])

    def test_the_fastest_right_candidate_is_chosen_if_it_is_fast_enough(self) -> None:
        def chosen(*candidates: tuple[str, Outcome, float]) -> str | None:
            best = Decision(tuple(CandidateResult(*candidate) for candidate in candidates)).chosen
            return best and best.name

        original: tuple[str, Outcome, float] = ("original", "right", 1.0)
        self.assertEqual(chosen(original, ("float32", "right", 2.0), ("coreml", "right", 3.0)), "coreml")
        self.assertEqual(chosen(original, ("float32", "right", 2.0), ("coreml", "right", 2.3)), "float32")
        self.assertEqual(chosen(original, ("float32", "right", 1.1), ("coreml", "right", 1.25)), "coreml")
        self.assertEqual(chosen(original, ("float32", "wrong", 2.0), ("coreml", "memory", 3.0)), "original")
        self.assertIsNone(chosen())

    def test_the_next_best_candidate_replaces_one_that_fails_in_use(self) -> None:
        fast = Decision((ORIGINAL, FLOAT32, CandidateResult("coreml", "right", 3.0)))
        failed = fast.without("coreml", "refused", "no driver")
        self.assertEqual(failed.chosen, FLOAT32)
        self.assertEqual(failed.candidates[-1], CandidateResult("coreml", "refused", 3.0, reason="no driver"))

    def test_a_model_is_recommended_if_it_is_clearly_the_fastest(self) -> None:
        def of(**factors: float | None) -> dict[str, Decision]:
            return {model: Decision((ORIGINAL._replace(real_time_factor=one),)) for model, one in factors.items()}

        self.assertEqual(recommended(of(int8=0.9, fp16=0.2, fp32=0.31)), "fp16")
        self.assertIsNone(recommended(of(int8=0.9, fp16=0.21, fp32=0.3)), "too close to the next one")
        self.assertIsNone(recommended(of(int8=0.5)), "nothing to compare")
        self.assertIsNone(recommended(of(int8=0.5, fp16=None)))
        self.assertIsNone(recommended({}))


class LockTest(Scratch):
    def test_a_process_can_wait_for_a_lock(self) -> None:
        os.mkdir(self.directory)
        path = os.path.join(self.directory, "lock")
        with locked(path), self.assertRaises(LockHeld), locked(path, 0.2):
            self.fail("two at a time")
        with locked(path, 0.2):
            pass


class CandidatesTest(unittest.TestCase):
    def test_the_launcher_selects_the_candidates(self) -> None:
        onnxruntime = types.ModuleType("onnxruntime")
        vars(onnxruntime)["__version__"] = "1.2.3"
        with mock.patch.dict(sys.modules, {"onnxruntime": onnxruntime}):
            original, float32, coreml = candidates_named(("original", "float32", "coreml"), "/machine")
        self.assertEqual((original.precision, float32.precision, coreml.precision), ("original", "float32", "float32"))
        self.assertEqual((original.provider, float32.provider), ("CPUExecutionProvider",) * 2)
        self.assertIn(os.path.join("/machine", "coreml-cache", "1.2.3-"), coreml.options["ModelCacheDirectory"])
        self.assertEqual(coreml.options["MLComputeUnits"], "CPUAndGPU")
        self.assertEqual(candidates_named((), None), ())
        self.assertNotIn("ModelCacheDirectory", candidates_named(("coreml",), None)[0].options)


class ModelsTest(Scratch):
    def add(self, *path: str, content: str = "") -> str:
        whole = os.path.join(self.directory, *path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w", encoding="ascii") as file:
            file.write(content)
        return whole

    def test_kokoro_models_are_those_with_a_model_and_voices(self) -> None:
        self.assertEqual(models_in(self.directory), [])
        files = [self.add("models--a--b", "snapshots", "two", name) for name in ("model.onnx", "voices.bin")]
        self.add("models--a--b", "refs", "main", content="two")
        for name in ("model.onnx", "voices.bin"):
            self.add("models--a--b", "snapshots", "one", name)
        self.add("models--whisper--small", "snapshots", "one", "model.bin")
        self.add("models--half--fetched", "snapshots", "one", "model.onnx")
        self.add("datasets--a--b", "snapshots", "one", "model.onnx")
        self.add("version.txt")
        self.assertEqual(models_in(self.directory), [SpeechModel("a/b", *files)])


if __name__ == "__main__":
    unittest.main()
