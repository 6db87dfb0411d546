import importlib.util
import os
import sys
import tempfile
import unittest

try:
    import numpy as np

    from speaches_service.synthesis_probe import comparison
    from speaches_service.synthesis_probe.candidates import CPU, Candidate
    from speaches_service.synthesis_probe.comparison import Inconclusive, compare
    from speaches_service.synthesis_probe.decisions import Decision
    from speaches_service.synthesis_probe.measuring import Limits, Measurement, Measuring
    from speaches_service.synthesis_probe.models import SpeechModel
    from speaches_service.synthesis_probe.outcomes import Failure
    from tests.test_synthesis_judgement import measured
    from tests.test_synthesis_measuring import CHILD, make_voices
except ImportError as error:
    print(f"skipping test_synthesis_comparison, which needs numpy: {error}", file=sys.stderr)
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


def candidate(name: str, pace: float = 0.5, behaviour: str = "right") -> Candidate:
    return Candidate(name, "StubExecutionProvider", {"behaviour": behaviour, "pace": str(pace)})


@unittest.skipUnless(os.name == "posix", "needs signals")
class ComparisonOfProcessesTest(unittest.TestCase):
    """Real processes, with sessions that behave as they are told to, on a clock of their own."""

    def compare(self, *candidates: Candidate) -> Decision:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        model = SpeechModel("a/model", "model.onnx", make_voices(scratch.name))
        return compare(model, candidates, Measuring(scratch.name, in_background=False, command=CHILD).measure)

    def test_the_fastest_of_those_that_are_right_is_chosen(self) -> None:
        decision = self.compare(
            candidate("a little faster", 0.9),
            candidate("faster", 0.5),
            candidate("fastest", 0.25),
            candidate("wrong and faster still", 0.1, "speak noise"),
        )
        self.assertEqual(decision.chosen, "fastest")
        self.assertEqual([verdict.outcome for verdict in decision.candidates], ["slower", "good", "good", "wrong"])
        self.assertAlmostEqual(decision.candidates[2].speedup or 0, 4)
        self.assertAlmostEqual(decision.real_time_factor or 0, 3 * 0.25 / (546 * 600 / 24000))

    def test_what_fails_is_not_chosen_and_does_not_keep_the_others_from_it(self) -> None:
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
        bad = [candidate(behaviour, 0.01, behaviour) for behaviour in outcomes]
        decision = self.compare(*bad, candidate("right"))
        self.assertEqual(decision.chosen, "right")
        found = {verdict.name: verdict.outcome for verdict in decision.candidates}
        self.assertEqual(found, {**outcomes, "right": "good"})
        self.assertEqual(self.compare(bad[0]).chosen, CPU.name)

    @unittest.skipUnless(HAS_ONNXRUNTIME, "needs onnxruntime")
    def test_a_real_model_speaks_on_the_cpu_in_the_process_that_a_service_starts(self) -> None:
        with open(os.path.join(SAMPLE, "refs", "main"), encoding="ascii") as file:
            snapshot = os.path.join(SAMPLE, "snapshots", file.read().strip())
        model = SpeechModel(
            "sample/tone-speech", os.path.join(snapshot, "model.onnx"), os.path.join(snapshot, "voices.bin")
        )
        absent = Candidate("absent", "AbsentExecutionProvider", {})
        # onnxruntime has it on most systems: a session with it can be made, and no model of ours runs on it.
        idle = Candidate("idle", "AzureExecutionProvider", {})
        again = Candidate("again", CPU.provider, {})
        with tempfile.TemporaryDirectory() as scratch:
            decision = compare(model, (absent, idle, again), Measuring(scratch).measure)
        refused, unused, same = decision.candidates
        self.assertEqual(refused.outcome, "refused")
        self.assertIn("has no AbsentExecutionProvider", refused.reason)
        self.assertEqual(unused.outcome, "refused")
        self.assertRegex(unused.reason, "no part of the model runs on it|has no AzureExecutionProvider")
        self.assertGreater(same.correlation or 0, 0.9999, same.reason)
        self.assertGreater(same.speedup or 0, 0)


class ComparisonTest(unittest.TestCase):
    """What is measured, in which order and within which limits."""

    def setUp(self) -> None:
        self.asked: list[tuple[str, Limits]] = []
        self.model = SpeechModel("a/model", "model.onnx", "voices.bin")

    def compare(self, cpu: list[Measurement], **others: Measurement | list[Measurement]) -> Decision:
        waiting = {CPU.name: list(cpu)}
        waiting.update({name: [*it] if isinstance(it, list) else [it, it] for name, it in others.items()})

        def measure(_model: SpeechModel, candidate: Candidate, limits: Limits) -> Measurement:
            self.asked.append((candidate.name, limits))
            return waiting[candidate.name].pop(0)

        return compare(self.model, [candidate(name) for name in others], measure)

    def test_a_cpu_that_was_only_busy_gets_a_second_chance(self) -> None:
        decision = self.compare([measured(times=3), measured(times=1)], other=measured(times=1))
        self.assertEqual((decision.chosen, decision.candidates[0].outcome), ("cpu", "slower"))
        self.assertEqual([name for name, _ in self.asked], ["cpu", "other", "other", "cpu"])
        self.assertAlmostEqual(decision.real_time_factor or 0, 1)

    def test_who_is_good_only_once_is_not(self) -> None:
        for second, outcome in (
            (measured(times=0.9), "slower"),
            (measured(lambda audio: audio[::-1], times=0.1), "wrong"),
            (Measurement(Failure("crash", "SIGSEGV ended it")), "crash"),
        ):
            decision = self.compare([measured(), measured()], other=[measured(times=0.5), second])
            self.assertEqual((decision.chosen, decision.candidates[0].outcome), ("cpu", outcome))
        decision = self.compare([measured(), measured()], other=[measured(times=0.5), measured(times=0.8)])
        self.assertEqual(decision.chosen, "other")
        self.assertAlmostEqual(decision.candidates[0].speedup or 0, 1.25)

    def test_nothing_is_measured_twice_when_nothing_seems_to_be_good(self) -> None:
        self.compare([measured()], other=measured(times=2), third=Measurement(Failure("crash", "so")))
        self.assertEqual([name for name, _ in self.asked], ["cpu", "other", "third"])

    def test_a_cpu_that_does_not_speak_leaves_it_open(self) -> None:
        for measurement in (Measurement(Failure("hang", "too slow")), measured(np.zeros_like)):
            with self.assertRaisesRegex(Inconclusive, "on the CPU"):
                self.compare([measurement])
        with self.assertRaises(Inconclusive):
            self.compare([measured(times=3), Measurement(Failure("hang", "too slow"))], other=measured())

    def test_the_limits_come_from_what_the_cpu_needed(self) -> None:
        self.compare([measured(peak=1 << 30)._replace(slowest_step=40)], other=measured(times=2))
        self.assertEqual(self.asked[0][1], Limits(comparison.CPU_STEP_SECONDS, None))
        self.assertEqual(self.asked[1][1], Limits(160, (1 << 30) + (3 << 29)))
        self.asked.clear()
        self.compare([measured(peak=None)._replace(slowest_step=1)], other=measured(times=2))
        self.assertEqual(self.asked[1][1], Limits(comparison.STEP_SECONDS, None))


if __name__ == "__main__":
    unittest.main()
