import importlib.util
import os
import sys
import tempfile
import unittest
from typing import Any
from unittest import mock

try:
    import numpy as np

    from speaches_service.precision import derived
    from speaches_service.synthesis_probe import evaluate
    from speaches_service.synthesis_probe.candidates import FLOAT32, ORIGINAL, Candidate
    from speaches_service.synthesis_probe.decisions import CandidateResult, Decision, Outcome
    from speaches_service.synthesis_probe.evaluate import Inconclusive, compare, evaluate_candidate
    from speaches_service.synthesis_probe.models import SpeechModel
    from speaches_service.synthesis_probe.probe_session import Measurement, MeasurementFailed, ProbeSession
    from tests.test_synthesis_probe_session import CHILD, make_voices, stub
    from tests.test_synthesis_similarity import Audio, speech, with_noise
except ImportError as error:
    print(f"skipping test_synthesis_evaluate, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error

HAS_ONNXRUNTIME = importlib.util.find_spec("onnxruntime") is not None
if not HAS_ONNXRUNTIME:
    print("skipping the comparison of a real model, which needs onnxruntime", file=sys.stderr)

SAMPLE = os.path.join(
    *(
        os.path.dirname(os.path.abspath(__file__)),
        "..",
        "..",
        "..",
        "tests",
        "sample",
        "hub",
        "models--sample--tone-speech",
    )
)


LENGTHS = {"short": 6000, "long": 60000}
MEBIBYTE = 1 << 20


def measured(change: Any = lambda audio: audio, times: float = 1.0, peak: int | None = 300 * MEBIBYTE) -> Measurement:
    sounds = {length: [change(speech(samples)), change(speech(samples))] for length, samples in LENGTHS.items()}
    return Measurement({length: times * samples / 24000 for length, samples in LENGTHS.items()}, sounds, peak)


RIGHT = measured()


class EvaluateCandidateTest(unittest.TestCase):
    def evaluate(self, given: Measurement) -> CandidateResult:
        return evaluate_candidate("stub", RIGHT, given)

    def is_wrong(self, change: Any, reason: str) -> None:
        result = self.evaluate(measured(change, 0.01))
        self.assertEqual(result.outcome, "wrong", reason)
        self.assertIn(reason, result.reason)

    def test_a_right_candidate_has_all_numbers(self) -> None:
        result = self.evaluate(measured(times=0.8))
        self.assertEqual((result.name, result.outcome, result.reason), ("stub", "right", ""))
        self.assertAlmostEqual(result.speedup or 0, 1.25)
        self.assertAlmostEqual(result.correlation or 0, 1)
        self.assertAlmostEqual(result.real_time_factor or 0, 0.8)

    def test_memory_is_bounded_relative_to_the_original(self) -> None:
        most = 300 * MEBIBYTE + evaluate.MAX_EXTRA_MEMORY
        self.assertEqual(self.evaluate(measured(peak=most)).outcome, "right")
        self.assertEqual(self.evaluate(measured(peak=most + 1)).outcome, "memory")
        self.assertEqual(self.evaluate(measured(peak=None)).outcome, "right", "the system does not tell")

    def test_an_array_that_is_not_a_sound_is_wrong(self) -> None:
        for value in (np.nan, np.inf, -np.inf):

            def spoil(audio: Audio, value: float = value) -> Audio:
                audio[-1] = value
                return audio

            self.is_wrong(spoil, "not finite numbers")
        self.is_wrong(lambda audio: audio[:0], "no sound")
        self.is_wrong(lambda audio: audio.astype(np.int16), "no sound")
        self.is_wrong(lambda audio: np.stack([audio, audio]), "no sound")

    def test_the_length_may_differ_by_a_twentieth(self) -> None:
        self.assertEqual(self.evaluate(measured(lambda audio: audio[: -len(audio) // 25])).outcome, "right")
        self.is_wrong(lambda audio: audio[: -len(audio) // 19], "samples instead of")
        self.is_wrong(lambda audio: np.append(audio, audio[: len(audio) // 19]), "samples instead of")

    def test_the_loudness_may_differ_by_a_tenth(self) -> None:
        outcomes: tuple[tuple[float, Outcome], ...] = ((0.91, "right"), (1.09, "right"), (0.89, "wrong"), (0, "wrong"))
        for factor, outcome in (*outcomes, (1.11, "wrong")):
            result = self.evaluate(measured(lambda audio, by=factor: audio * np.float32(by)))
            self.assertEqual(result.outcome, outcome, factor)

    def test_another_sound_is_wrong_however_fast(self) -> None:
        self.is_wrong(lambda audio: with_noise(audio, 1), "correlates")
        self.is_wrong(lambda audio: with_noise(audio, 0.2), "correlates")
        self.assertEqual(self.evaluate(measured(lambda audio: with_noise(audio, 1e-3))).outcome, "right")

    def test_one_wrong_sound_is_enough(self) -> None:
        for length in LENGTHS:
            for position in (0, 1):
                sounds = list(RIGHT.sounds[length])
                sounds[position] = with_noise(sounds[position], 1)
                result = self.evaluate(RIGHT._replace(sounds={**RIGHT.sounds, length: sounds}))
                self.assertEqual(result.outcome, "wrong")
                self.assertTrue(result.reason.startswith(f"{length} text"), result.reason)


@unittest.skipUnless(os.name == "posix", "needs signals")
class CompareProcessesTest(unittest.TestCase):
    """Starts real processes, whose sessions misbehave on request and have a clock of their own."""

    def test_a_failing_candidate_does_not_prevent_the_choice_of_another(self) -> None:
        outcomes = {
            "abort": "crash",
            "exit": "crash",
            "write broken files": "crash",
            "refuse to load": "refused",
            "leave it to others": "refused",
            "speak noise": "wrong",
            "speak noise at the end": "wrong",
            "speak longer": "wrong",
            "speak nothing": "wrong",
            "speak no numbers": "wrong",
        }
        bad = [stub(behaviour, behaviour, 0.01) for behaviour in outcomes]
        with tempfile.TemporaryDirectory() as scratch:
            model = SpeechModel("a/model", "model.onnx", make_voices(scratch))
            measure = ProbeSession(scratch, in_background=False, command=CHILD).measure
            decision = compare(model, [*bad, stub("right", pace=0.5)], None, measure)
        assert decision.chosen is not None
        self.assertEqual((decision.chosen.name, decision.chosen.speedup), ("right", 2))
        found = {result.name: result.outcome for result in decision.candidates}
        self.assertEqual(found, {"original": "right", **outcomes, "right": "right"})

    @unittest.skipUnless(HAS_ONNXRUNTIME, "needs onnxruntime")
    def test_a_real_model_speaks_on_the_cpu_in_a_child_process(self) -> None:
        with open(os.path.join(SAMPLE, "refs", "main"), encoding="ascii") as file:
            snapshot = os.path.join(SAMPLE, "snapshots", file.read().strip())
        model = SpeechModel(
            "sample/tone-speech", os.path.join(snapshot, "model.onnx"), os.path.join(snapshot, "voices.bin")
        )
        absent = Candidate("absent", "AbsentExecutionProvider", {}, "original")
        # Most systems' onnxruntime has this provider: a session with it can be made, but it runs none of these models.
        idle = Candidate("idle", "AzureExecutionProvider", {}, "original")
        with tempfile.TemporaryDirectory() as scratch:
            # A different path counts as a different file.
            again = os.path.join(snapshot, ".", "model.onnx")
            with mock.patch.object(derived, "obtain", return_value=again):
                decision = compare(model, (FLOAT32, absent, idle), None, ProbeSession(scratch).measure)
        _, same, refused, unused = decision.candidates
        self.assertEqual(refused.outcome, "refused")
        self.assertIn("has no AbsentExecutionProvider", refused.reason)
        self.assertEqual(unused.outcome, "refused")
        self.assertRegex(unused.reason, "no part of the model runs on it|has no AzureExecutionProvider")
        self.assertGreater(same.correlation or 0, 0.9999, same.reason)
        self.assertGreater(same.speedup or 0, 0)


class CompareTest(unittest.TestCase):
    """Replaces the measurement, to check its file and its time limit."""

    def setUp(self) -> None:
        self.asked: list[tuple[str, str, float]] = []
        self.given: dict[str, Measurement | MeasurementFailed] = {"original": RIGHT}

    def compare(self, *candidates: Candidate, float32: str | None = "derived.onnx") -> Decision:
        def measure(path: str, _voices: str, candidate: Candidate, limit: float) -> Measurement:
            self.asked.append((candidate.name, path, limit))
            given = self.given.get(candidate.name, RIGHT)
            if isinstance(given, MeasurementFailed):
                raise given
            return given

        with mock.patch.object(derived, "obtain", return_value=float32):
            return compare(SpeechModel("a/model", "model.onnx", "voices.bin"), candidates, None, measure)

    def test_each_candidate_is_measured_once_on_its_own_file(self) -> None:
        gpu = Candidate("gpu", "GPUExecutionProvider", {}, "float32")
        self.compare(ORIGINAL, FLOAT32, gpu)
        expected = [("original", "model.onnx"), ("float32", "derived.onnx"), ("gpu", "derived.onnx")]
        self.assertEqual([(name, path) for name, path, _ in self.asked], expected)

    def test_a_model_without_a_derived_file_is_measured_unchanged(self) -> None:
        gpu = Candidate("gpu", "GPUExecutionProvider", {}, "float32")
        decision = self.compare(ORIGINAL, FLOAT32, gpu, float32=None)
        self.assertEqual([result.name for result in decision.candidates], ["original", "gpu"])
        self.assertEqual([path for _, path, _ in self.asked], ["model.onnx"] * 2)

    def test_a_failing_original_is_inconclusive(self) -> None:
        nan = measured(lambda audio: audio * np.float32(np.nan))
        for given in (MeasurementFailed("hang", "too slow"), measured(np.zeros_like), nan):
            self.given["original"] = given
            with self.assertRaisesRegex(Inconclusive, "the original on the CPU"):
                self.compare()

    def test_a_failing_candidate_has_its_outcome_and_reason(self) -> None:
        outcomes: tuple[Outcome, ...] = ("crash", "hang", "refused")
        for outcome in outcomes:
            self.given["float32"] = MeasurementFailed(outcome, "so it was")
            decision = self.compare(FLOAT32)
            self.assertEqual(decision.candidates[1], CandidateResult("float32", outcome, reason="so it was"))
            self.assertEqual(decision.chosen and decision.chosen.name, "original")

    def test_a_slow_machine_has_more_time(self) -> None:
        self.compare(FLOAT32)
        self.given["original"] = RIGHT._replace(wall=200)
        self.compare(FLOAT32)
        limits = [limit for _, _, limit in self.asked]
        self.assertEqual(
            limits,
            [evaluate.ORIGINAL_TIMEOUT_SECONDS, evaluate.TIMEOUT_SECONDS, evaluate.ORIGINAL_TIMEOUT_SECONDS, 800],
        )


if __name__ == "__main__":
    unittest.main()
