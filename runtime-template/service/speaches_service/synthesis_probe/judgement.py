"""Whether a provider is right, and faster than the CPU: a pure function of what both gave."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speaches_service.synthesis_probe.measuring import Measurement
from speaches_service.synthesis_probe.outcomes import Failure, Verdict
from speaches_service.synthesis_probe.spectrum import HOP, correlation


class Thresholds(NamedTuple):
    """What a provider has to reach; docs/tuning.md gives the reasons."""

    length: int = HOP
    """Samples by which the length may differ: one frame of the spectrogram."""
    correlation: float = 0.99
    """Of each spectrogram with the CPU's, at least."""
    loudness: tuple[float, float] = (0.9, 1.1)
    """Root mean square, divided by the CPU's."""
    speedup: float = 1.2
    """Median over the lengths, at least."""
    memory: int = 3 << 29
    """Bytes more than the CPU takes, at most: 1.5 GiB."""


THRESHOLDS = Thresholds()


def judge(name: str, baseline: Measurement, candidate: Measurement, thresholds: Thresholds = THRESHOLDS) -> Verdict:
    """Compare a candidate with the CPU. What is wrong counts before what is slow."""
    if candidate.failure is not None:
        return Verdict(name, candidate.failure.outcome, reason=candidate.failure.reason)
    if exceeds_memory(baseline, candidate, thresholds):
        grown = ((candidate.peak or 0) - (baseline.peak or 0)) >> 20
        return Verdict(name, "memory", reason=f"it took {grown} MiB more than the CPU")
    speedup = _speedup(baseline.seconds, candidate.seconds)
    lowest = 1.0
    for length, expected in baseline.audio.items():
        for right, heard in zip(expected, candidate.audio[length], strict=True):
            fault, similar = _compare(right, heard, thresholds)
            lowest = min(lowest, similar) if similar is not None else lowest
            if fault is not None:
                return Verdict(name, "wrong", speedup, similar, f"{length} text: {fault}")
    if speedup < thresholds.speedup:
        said = f"{speedup:.2f} times as fast as the CPU, and {thresholds.speedup} is the least that counts"
        return Verdict(name, "slower", speedup, lowest, said)
    return Verdict(name, "good", speedup, lowest, f"{speedup:.2f} times as fast as the CPU")


def exceeds_memory(baseline: Measurement, candidate: Measurement, thresholds: Thresholds = THRESHOLDS) -> bool:
    """Whether it took too much; where the system does not tell, nothing is too much."""
    if baseline.peak is None or candidate.peak is None:
        return False
    return candidate.peak > baseline.peak + thresholds.memory


def find_fault(baseline: Measurement) -> Failure | None:
    """Why what the CPU gave is nothing to compare with."""
    if baseline.failure is not None:
        return baseline.failure
    for length, pieces in baseline.audio.items():
        for piece in pieces:
            fault = _find_fault(piece)
            if fault is not None or not np.any(piece):
                return Failure("wrong", f"{length} text: {fault or 'silence'}")
    return None


def better_times(one: Measurement, other: Measurement) -> Measurement:
    """A measurement with the times of another one added, of the same."""
    return one._replace(seconds={length: [*runs, *other.seconds[length]] for length, runs in one.seconds.items()})


def real_time_factor(measurement: Measurement, sample_rate: int) -> float:
    """Seconds of computing for a second of speech, over all lengths."""
    computing = sum(min(runs) for runs in measurement.seconds.values())
    speaking = sum(pieces[0].size / sample_rate for pieces in measurement.audio.values())
    return computing / speaking


def _speedup(baseline: Mapping[str, Sequence[float]], candidate: Mapping[str, Sequence[float]]) -> float:
    """The shortest times count: everything else that runs on a machine only makes them longer."""
    return median(min(runs) / min(candidate[length]) for length, runs in baseline.items())


def _compare(right: NDArray[Any], heard: NDArray[Any], thresholds: Thresholds) -> tuple[str | None, float | None]:
    """What is wrong with it, and how similar it is."""
    fault = _find_fault(heard)
    if fault is not None:
        return fault, None
    if abs(heard.size - right.size) > thresholds.length:
        return f"{heard.size} samples instead of {right.size}", None
    similar = correlation(right, heard)
    ratio = _loudness(heard) / _loudness(right)
    least, most = thresholds.loudness
    if not least <= ratio <= most:
        return f"{ratio:.2f} times as loud", similar
    if not similar >= thresholds.correlation:
        return f"its spectrogram correlates {similar:.4f} with the CPU's", similar
    return None, similar


def _find_fault(audio: NDArray[Any]) -> str | None:
    if audio.dtype.kind != "f" or audio.size != max(audio.shape, default=0) or audio.size == 0:
        return f"no audio, but {audio.dtype} of shape {audio.shape}"
    if not np.isfinite(audio).all():
        return "samples that are no numbers"
    return None


def _loudness(audio: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
