import json
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from speaches_service.file_lock import Held, locked
from speaches_service.synthesis_probe import workshop
from speaches_service.synthesis_probe.candidates import CACHE_DIRECTORY, cache_of, coreml
from speaches_service.synthesis_probe.decisions import FILE, Decision, Decisions, recommended
from speaches_service.synthesis_probe.models import SpeechModel, models_in
from speaches_service.synthesis_probe.outcomes import Verdict

GOOD = Verdict("coreml-all", "good", 1.7, 0.9991, "1.70 times as fast as the CPU")
CRASH = Verdict("coreml-cpu-and-gpu", "crash", reason="SIGABRT ended it")
DECISION = Decision("coreml-all", (GOOD, CRASH), 0.25)


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

    def test_what_is_kept_is_what_the_launcher_reads(self) -> None:
        Decisions(self.directory, "k").record("a/b", DECISION)
        with open(os.path.join(self.directory, FILE), encoding="utf-8") as file:
            raw = json.load(file)
        self.assertEqual(raw["key"], "k")
        self.assertRegex(raw["measured_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
        model = raw["models"]["a/b"]
        self.assertEqual(model["chosen"], "coreml-all")
        expected = {"outcome": "crash", "speedup": None, "correlation": None, "reason": "SIGABRT ended it"}
        self.assertEqual(model["candidates"][1], {"name": "coreml-cpu-and-gpu", **expected})

    def test_what_was_written_is_read(self) -> None:
        decisions = Decisions(self.directory, "k")
        self.assertEqual(decisions.read(), {}, "nothing is there")
        decisions.record("a/b", DECISION)
        decisions.record("c/d", Decision("cpu", ()))
        self.assertEqual(decisions.read(), {"a/b": DECISION, "c/d": Decision("cpu", ())})

    def test_another_key_has_nothing_and_replaces_everything(self) -> None:
        Decisions(self.directory, "old").record("a/b", DECISION)
        new = Decisions(self.directory, "new")
        self.assertEqual(new.read(), {})
        new.record("c/d", DECISION)
        self.assertEqual(list(new.read()), ["c/d"])
        self.assertEqual(Decisions(self.directory, "old").read(), {})

    def test_a_file_that_is_torn_or_something_else_is_none(self) -> None:
        decisions = Decisions(self.directory, "k")
        decisions.record("a/b", DECISION)
        with open(os.path.join(self.directory, FILE), encoding="utf-8") as file:
            whole = file.read()
        broken = ["", whole[: len(whole) // 2], "[]", "null", '{"key": "k"}', '{"key": "k", "models": []}']
        broken += ['{"key": "k", "models": {"a": 1}}', '{"key": "k", "models": {"a": {"chosen": "cpu"}}}']
        broken += [whole.replace('"crash"', '"magic"'), whole.replace("1.7", '"fast"'), whole.replace("1.7", "true")]
        for text in broken:
            with self.subTest(text=text):
                self.write(text)
                self.assertEqual(decisions.read(), {})
        decisions.record("a/b", DECISION)
        self.assertEqual(decisions.read(), {"a/b": DECISION})

    def test_processes_that_write_at_the_same_time_lose_nothing(self) -> None:
        source = (
            "import sys\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))!r})\n"
            "from speaches_service.synthesis_probe.decisions import Decision, Decisions\n"
            "for number in range(20):\n"
            f"    Decisions({self.directory!r}, 'k').record(f'{{sys.argv[1]}}/{{number}}', Decision('cpu', ()))\n"
        )
        command = [sys.executable, "-I", "-S", "-B", "-c", source]
        writers = [subprocess.Popen([*command, str(number)]) for number in range(3)]
        self.assertEqual([writer.wait(60) for writer in writers], [0, 0, 0])
        self.assertEqual(len(Decisions(self.directory, "k").read()), 60)
        self.assertEqual(sorted(os.listdir(self.directory)), [FILE, f"{FILE}.lock"])

    def test_one_that_never_stops_writing_is_an_error(self) -> None:
        decisions = Decisions(self.directory, "k")
        decisions.record("a/b", DECISION)
        with (
            mock.patch("speaches_service.synthesis_probe.decisions._LOCK_SECONDS", 0.1),
            locked(os.path.join(self.directory, f"{FILE}.lock")),
            self.assertRaises(OSError),
        ):
            decisions.record("c/d", DECISION)
        self.assertEqual(list(decisions.read()), ["a/b"])

    def test_a_model_is_recommended_when_it_is_clearly_the_fastest(self) -> None:
        def of(**factors: float | None) -> dict[str, Decision]:
            return {model: Decision("cpu", (), factor) for model, factor in factors.items()}

        self.assertEqual(recommended(of(int8=0.9, fp16=0.2, fp32=0.31)), "fp16")
        self.assertIsNone(recommended(of(int8=0.9, fp16=0.21, fp32=0.3)), "too close to the next one")
        self.assertIsNone(recommended(of(int8=0.5)), "nothing to compare")
        self.assertIsNone(recommended(of(int8=0.5, fp16=None)))
        self.assertIsNone(recommended({}))


class LockTest(Scratch):
    def test_one_process_compares_at_a_time_and_a_killed_one_does_not_count(self) -> None:
        source = (
            "import sys, time\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))!r})\n"
            "from speaches_service.synthesis_probe.workshop import opened\n"
            f"with opened({self.directory!r}, 'k') as scratch:\n"
            "    open(scratch + '/left', 'w').close()\n"
            "    print('open', flush=True)\n"
            "    time.sleep(600)\n"
        )
        command = [sys.executable, "-I", "-S", "-B", "-c", source]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            self.assertEqual(other.stdout.readline(), "open\n")
            with self.assertRaises(Held), workshop.opened(self.directory, "k"):
                self.fail("two at a time")
            other.kill()
        with workshop.opened(self.directory, "k") as scratch:
            self.assertEqual(os.listdir(scratch), [], "what it left is gone")
        self.assertEqual(os.listdir(self.directory), [workshop.LOCK])

    def test_a_lock_may_be_waited_for(self) -> None:
        os.mkdir(self.directory)
        path = os.path.join(self.directory, "lock")
        with locked(path), self.assertRaises(Held), locked(path, 0.2):
            self.fail("two at a time")
        with locked(path, 0.2):
            pass

    def test_what_was_compiled_for_another_key_is_removed(self) -> None:
        old, new = cache_of(self.directory, "old"), cache_of(self.directory, "new")
        for directory in (old, new):
            os.makedirs(directory)
        with workshop.opened(self.directory, "new"):
            pass
        self.assertEqual(os.listdir(os.path.join(self.directory, CACHE_DIRECTORY)), [os.path.basename(new)])

    def test_coreml_is_tried_with_and_without_the_neural_engine_each_with_a_cache_of_its_own(self) -> None:
        offered = coreml(self.directory, "k", "a/b")
        self.assertEqual([candidate.name for candidate in offered], ["coreml-all", "coreml-cpu-and-gpu"])
        self.assertEqual([candidate.options["MLComputeUnits"] for candidate in offered], ["ALL", "CPUAndGPU"])
        caches = {
            candidate.options["ModelCacheDirectory"] for candidate in (*offered, *coreml(self.directory, "k", "a/c"))
        }
        self.assertEqual(len(caches), 4)
        self.assertTrue(all(cache.startswith(cache_of(self.directory, "k")) for cache in caches))


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
