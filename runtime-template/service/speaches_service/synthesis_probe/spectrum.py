"""How similar two sounds are: the correlation of their spectrograms.

Not sample by sample: what hums in Kokoro may start at any phase, which nobody hears.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 1024
"""Samples of one frame, 43 ms at Kokoro's rate."""
HOP = 256
"""Samples from one frame to the next."""

_BLOCK = 32
"""Frames at a time: less than a millisecond of work, so that the threads that serve requests get their turn."""


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Pearson's coefficient of the magnitudes of both spectrograms, as far as both sounds go; 0 for silence."""
    count = sum_one = sum_other = squares_one = squares_other = products = 0.0
    for block_one, block_other in zip(_magnitudes(one), _magnitudes(other), strict=False):
        frames = min(len(block_one), len(block_other))
        x, y = block_one[:frames].ravel(), block_other[:frames].ravel()
        count += x.size
        sum_one += float(x.sum())
        sum_other += float(y.sum())
        # N.B. not `x @ y`: BLAS would start threads for it, and requests would wait for those.
        squares_one += float(np.square(x).sum())
        squares_other += float(np.square(y).sum())
        products += float((x * y).sum())
    spread = (squares_one - sum_one**2 / count) * (squares_other - sum_other**2 / count)
    return float((products - sum_one * sum_other / count) / np.sqrt(spread)) if spread > 0 else 0.0


def _magnitudes(sound: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """The spectrogram in blocks of frames."""
    samples: NDArray[np.float64] = sound.astype(np.float64).ravel()
    if samples.size < WINDOW:
        samples = np.pad(samples, (0, WINDOW - samples.size))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window = np.hanning(WINDOW)
    for first in range(0, len(frames), _BLOCK):
        yield np.abs(np.fft.rfft(frames[first : first + _BLOCK] * window))
