import functools
import sys
import unittest
from typing import Any

try:
    import numpy as np
    from numpy.typing import NDArray

    from speaches_service.synthesis_probe.similarity import correlation
except ImportError as error:
    print(f"skipping test_synthesis_similarity, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error

Audio = NDArray[Any]


def speech(samples: int) -> Audio:
    """A gliding tone with overtones."""
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


def with_noise(audio: Audio, share: float) -> Audio:
    """Replace a part of the sound with noise of the same loudness."""
    noise = np.random.default_rng(1).normal(0, np.sqrt(np.mean(audio**2)), len(audio))
    mixed: Audio = (np.sqrt(1 - share) * audio + np.sqrt(share) * noise).astype(np.float32)
    return mixed


class SimilarityTest(unittest.TestCase):
    def test_a_sound_is_similar_to_itself_and_less_similar_with_noise(self) -> None:
        spoken = speech(40000)
        self.assertAlmostEqual(correlation(spoken, spoken), 1)
        found = [correlation(spoken, with_noise(spoken, share)) for share in (1e-4, 0.01, 0.1, 1)]
        self.assertEqual(found, sorted(found, reverse=True))
        self.assertGreater(found[0], 0.999)
        self.assertLess(found[3], 0.7)

    def test_the_phase_does_not_count(self) -> None:
        time = np.arange(48000) / 24000
        one, other = np.sin(2 * np.pi * 440 * time), np.cos(2 * np.pi * 440 * time)
        self.assertGreater(correlation(one, other), 0.99)
        self.assertLess(abs(float(np.corrcoef(one, other)[0, 1])), 0.01)

    def test_a_sound_shifted_by_a_step_is_the_same(self) -> None:
        spoken = speech(60000)
        step = 600
        self.assertGreater(correlation(spoken, np.append(np.zeros(step, np.float32), spoken)), 0.99)
        longer = np.concatenate([spoken[:30000], spoken[30000 - step : 30000], spoken[30000:]])
        self.assertGreater(correlation(spoken, longer), 0.99)
        self.assertGreater(correlation(longer, spoken), 0.99)

    def test_the_same_parts_in_another_order_are_another_sound(self) -> None:
        spoken = speech(60000)
        self.assertLess(correlation(spoken, spoken[::-1]), 0.9)
        self.assertLess(correlation(spoken, np.roll(spoken, 20000)), 0.9)

    def test_silence_is_similar_to_nothing(self) -> None:
        silence = np.zeros(5000, np.float32)
        self.assertEqual(correlation(silence, silence), 0)
        self.assertEqual(correlation(speech(5000), silence), 0)
        self.assertAlmostEqual(correlation(speech(100), speech(100)), 1, msg="shorter than a frame")


if __name__ == "__main__":
    unittest.main()
