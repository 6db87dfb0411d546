import functools
import sys
import unittest
from typing import Any

try:
    import numpy as np
    from numpy.typing import NDArray

    from speaches_service.synthesis_probe.judgement import (
        THRESHOLDS,
        better_times,
        find_fault,
        judge,
        real_time_factor,
    )
    from speaches_service.synthesis_probe.measuring import Measurement
    from speaches_service.synthesis_probe.outcomes import Failure, Verdict
    from speaches_service.synthesis_probe.spectrum import correlation
except ImportError as error:
    print(f"skipping test_synthesis_judgement, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error

Audio = NDArray[Any]
LENGTHS = {"short": 6000, "medium": 30000, "long": 90000}
MEBIBYTE = 1 << 20


def speech(samples: int) -> Audio:
    """A voice that glides, with overtones."""
    spoken: Audio = _speech(samples).copy()
    return spoken


@functools.cache
def _speech(samples: int) -> NDArray[np.float32]:
    time = np.arange(samples) / 24000
    phase = 2 * np.pi * (120 * time + 15 * np.sin(2 * np.pi * 0.7 * time))
    spoken = np.zeros(samples)
    for overtone in range(1, 12):
        spoken += 0.1 * np.sin(overtone * phase) / overtone
    return spoken.astype(np.float32)


def measured(change: Any = lambda audio: audio, times: float = 1.0, peak: int | None = 300 * MEBIBYTE) -> Measurement:
    audio = {length: [change(speech(samples)), change(speech(samples))] for length, samples in LENGTHS.items()}
    seconds = {length: [times * samples / 24000, 30 * times] for length, samples in LENGTHS.items()}
    return Measurement(None, seconds, audio, peak)


BASELINE = measured()
FAST = 1 / 1.25


def with_noise(audio: Audio, share: float) -> Audio:
    """Some of it replaced with noise of the same loudness."""
    noise = np.random.default_rng(1).normal(0, np.sqrt(np.mean(audio**2)), len(audio))
    mixed: Audio = (np.sqrt(1 - share) * audio + np.sqrt(share) * noise).astype(np.float32)
    return mixed


class JudgementTest(unittest.TestCase):
    def judge(self, candidate: Measurement) -> Verdict:
        return judge("stub", BASELINE, candidate)

    def test_right_and_fast_enough_is_good(self) -> None:
        verdict = self.judge(measured(times=FAST))
        self.assertEqual((verdict.name, verdict.outcome), ("stub", "good"))
        self.assertAlmostEqual(verdict.speedup or 0, 1.25)
        self.assertAlmostEqual(verdict.correlation or 0, 1)

    def test_a_fifth_faster_is_the_least_that_counts(self) -> None:
        self.assertEqual(self.judge(measured(times=1 / 1.201)).outcome, "good")
        slower = self.judge(measured(times=1 / 1.199))
        self.assertEqual(slower.outcome, "slower")
        self.assertIn("1.20 times as fast", slower.reason)

    def test_one_length_alone_does_not_make_it_fast_or_slow(self) -> None:
        for odd, outcome in ((100, "good"), (0.001, "good")):
            seconds = dict(measured(times=FAST).seconds)
            seconds["short"] = [odd, odd]
            self.assertEqual(self.judge(measured()._replace(seconds=seconds)).outcome, outcome)
        seconds = {**BASELINE.seconds, "long": [0.001]}
        self.assertEqual(self.judge(measured()._replace(seconds=seconds)).outcome, "slower")

    def test_the_shortest_time_counts(self) -> None:
        seconds = {length: [1000, runs[0] * FAST] for length, runs in BASELINE.seconds.items()}
        self.assertEqual(self.judge(measured()._replace(seconds=seconds)).outcome, "good")

    def test_failures_keep_their_outcome_and_reason(self) -> None:
        for outcome in ("crash", "hang", "memory", "refused"):
            verdict = self.judge(Measurement(Failure(outcome, "so it was")))
            self.assertEqual(verdict, Verdict("stub", outcome, None, None, "so it was"))

    def test_memory_is_bounded_by_what_the_cpu_takes(self) -> None:
        most = 300 * MEBIBYTE + THRESHOLDS.memory
        self.assertEqual(self.judge(measured(times=FAST, peak=most)).outcome, "good")
        self.assertEqual(self.judge(measured(times=FAST, peak=most + 1)).outcome, "memory")
        self.assertEqual(self.judge(measured(times=FAST, peak=None)).outcome, "good", "the system does not tell")

    def test_samples_that_are_no_numbers_are_wrong(self) -> None:
        for value in (np.nan, np.inf, -np.inf):

            def spoil(audio: Audio, value: float = value) -> Audio:
                audio[-1] = value
                return audio

            verdict = self.judge(measured(spoil, FAST))
            self.assertEqual(verdict.outcome, "wrong")
            self.assertIn("no numbers", verdict.reason)

    def test_what_is_no_audio_is_wrong(self) -> None:
        changes: tuple[Any, ...] = (
            lambda audio: audio[:0],
            lambda audio: audio.astype(np.int16),
            lambda audio: np.stack([audio, audio]),
        )
        for change in changes:
            verdict = self.judge(measured(change, FAST))
            self.assertEqual(verdict.outcome, "wrong")
            self.assertIn("no audio", verdict.reason)

    def test_the_length_may_differ_by_a_frame(self) -> None:
        for samples, outcome in ((256, "good"), (257, "wrong")):
            padding = np.zeros(samples, np.float32)
            for change in (lambda audio, by=samples: audio[:-by], lambda audio, by=padding: np.append(audio, by)):
                self.assertEqual(self.judge(measured(change, FAST)).outcome, outcome, samples)

    def test_the_loudness_may_differ_by_a_tenth(self) -> None:
        for factor, outcome in ((0.91, "good"), (1.09, "good"), (0.89, "wrong"), (1.11, "wrong"), (0, "wrong")):
            verdict = self.judge(measured(lambda audio, by=factor: audio * np.float32(by), FAST))
            self.assertEqual(verdict.outcome, outcome, factor)

    def test_another_sound_is_wrong_however_fast(self) -> None:
        verdict = self.judge(measured(lambda audio: with_noise(audio, 1), 0.01))
        self.assertEqual(verdict.outcome, "wrong")
        self.assertIn("correlates", verdict.reason)
        self.assertLess(verdict.correlation or 1, 0.9)

    def test_one_wrong_piece_is_enough(self) -> None:
        right = measured(times=FAST)
        for length in LENGTHS:
            for position in (0, 1):
                pieces = list(right.audio[length])
                pieces[position] = pieces[position][::-1]
                verdict = self.judge(right._replace(audio={**right.audio, length: pieces}))
                self.assertEqual(verdict.outcome, "wrong")
                self.assertTrue(verdict.reason.startswith(f"{length} text"), verdict.reason)

    def test_wrong_counts_before_slow(self) -> None:
        verdict = self.judge(measured(lambda audio: audio[::-1], times=5))
        self.assertEqual(verdict.outcome, "wrong")
        self.assertAlmostEqual(verdict.speedup or 0, 0.2)

    def test_the_threshold_of_the_correlation_lies_between_a_little_noise_and_more(self) -> None:
        spoken = speech(90000)
        little, more = (correlation(spoken, with_noise(spoken, share)) for share in (1e-4, 0.1))
        self.assertGreater(little, THRESHOLDS.correlation)
        self.assertLess(more, THRESHOLDS.correlation)
        for share, outcome in ((1e-4, "good"), (0.1, "wrong")):
            change = lambda audio, by=share: with_noise(audio, by)  # noqa: E731 - it is an argument
            self.assertEqual(self.judge(measured(change, FAST)).outcome, outcome)


class SpectrumTest(unittest.TestCase):
    def test_it_is_the_coefficient_that_numpy_computes(self) -> None:
        def magnitudes(sound: Audio) -> Audio:
            frames = np.lib.stride_tricks.sliding_window_view(sound, 1024)[::256]
            return np.abs(np.fft.rfft(frames * np.hanning(1024))).ravel()

        one, other = speech(40000), with_noise(speech(40000), 0.3)
        expected = np.corrcoef(magnitudes(one), magnitudes(other))[0, 1]
        self.assertAlmostEqual(correlation(one, other), float(expected))

    def test_the_phase_does_not_count(self) -> None:
        time = np.arange(48000) / 24000
        one, other = np.sin(2 * np.pi * 440 * time), np.cos(2 * np.pi * 440 * time)
        self.assertGreater(correlation(one, other), 0.999)
        self.assertLess(abs(float(np.corrcoef(one, other)[0, 1])), 0.01)

    def test_the_longer_one_counts_as_far_as_the_shorter_goes(self) -> None:
        spoken = speech(40000)
        self.assertAlmostEqual(correlation(spoken, np.append(spoken, spoken[:256])), 1)

    def test_silence_is_like_nothing(self) -> None:
        silence = np.zeros(5000, np.float32)
        self.assertEqual(correlation(silence, silence), 0)
        self.assertEqual(correlation(speech(5000), silence), 0)
        self.assertAlmostEqual(correlation(speech(100), speech(100)), 1, msg="shorter than a frame")


class BaselineTest(unittest.TestCase):
    def test_a_cpu_that_fails_or_is_silent_is_nothing_to_compare_with(self) -> None:
        self.assertIsNone(find_fault(BASELINE))
        failure = Failure("hang", "too slow")
        self.assertEqual(find_fault(Measurement(failure)), failure)
        for change in (np.zeros_like, lambda audio: audio * np.float32(np.nan), lambda audio: audio[:0]):
            fault = find_fault(measured(change))
            self.assertEqual(fault and fault.outcome, "wrong")

    def test_a_second_chance_can_only_make_it_faster(self) -> None:
        slow, quick = measured(times=3), measured(times=1)
        for one, other in ((slow, quick), (quick, slow)):
            self.assertEqual(judge("stub", better_times(one, other), measured(times=FAST)).outcome, "good")
            self.assertEqual(judge("stub", better_times(one, other), measured(times=1)).outcome, "slower")

    def test_the_real_time_factor_is_computing_for_a_second_of_speech(self) -> None:
        self.assertAlmostEqual(real_time_factor(measured(times=0.25), 24000), 0.25)


if __name__ == "__main__":
    unittest.main()
