"""Measures the similarity of two sounds of the same text: the correlation of their spectrograms, aligned in time.

The samples themselves do not correlate, because Kokoro's voiced sounds may start at any phase. The alignment is
necessary because another precision may make a sound one of Kokoro's steps (25 ms) longer or shorter, which shifts all
sounds after it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_WINDOW = 1024
"""Samples of one frame, 43 ms at Kokoro's rate."""
_HOP = 600
"""Samples from one frame to the next: Kokoro's own step."""
_LONGEST_STEP = 0.05
"""The maximum distance of the alignment from the diagonal, as a share of the length."""
_SHORTEST_STEP = 8
"""The least value of that maximum, in frames, for short sounds."""


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Pearson's coefficient of the magnitudes of both spectrograms; 0 for silence."""
    x, y = _magnitudes(one), _magnitudes(other)
    x_frames, y_frames = _aligned(x, y)
    x, y = x[x_frames].ravel(), y[y_frames].ravel()
    x, y = x - x.mean(), y - y.mean()
    # N.B. `x @ y` would start BLAS's threads, which would delay requests.
    spread = float(np.sqrt(np.square(x).sum() * np.square(y).sum()))
    return float((x * y).sum()) / spread if spread > 0 else 0.0


def _magnitudes(sound: NDArray[Any]) -> NDArray[np.float64]:
    samples: NDArray[np.float64] = np.pad(sound.astype(np.float64).ravel(), (0, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    return np.abs(np.fft.rfft(frames * np.hanning(_WINDOW)))


def _aligned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Pairs of frames in order, from first to last: dynamic time warping in a band around the diagonal."""
    reach = max(_SHORTEST_STEP, int(_LONGEST_STEP * max(len(x), len(y)))) + abs(len(x) - len(y))
    costs: dict[tuple[int, int], float] = {(-1, -1): 0.0}
    come_from: dict[tuple[int, int], tuple[int, int]] = {}
    infinite = float("inf")
    for i, frame in enumerate(x):
        middle = i * len(y) // len(x)
        first, last = max(0, middle - reach), min(len(y), middle + reach + 1)
        distances = np.sqrt(np.square(y[first:last] - frame).sum(axis=1))
        for j, distance in enumerate(distances.tolist(), first):
            before = min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda pair: costs.get(pair, infinite))
            costs[i, j] = costs.get(before, infinite) + distance
            come_from[i, j] = before
    pair = (len(x) - 1, len(y) - 1)
    path = []
    while pair != (-1, -1):
        path.append(pair)
        pair = come_from[pair]
    return [i for i, _ in path], [j for _, j in path]
