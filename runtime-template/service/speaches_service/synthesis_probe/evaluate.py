"""Compares the candidates for one model with the original on the CPU."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speaches_service.precision import derived
from speaches_service.synthesis_probe.candidates import ORIGINAL, Candidate
from speaches_service.synthesis_probe.decisions import CandidateResult, Decision
from speaches_service.synthesis_probe.models import SpeechModel
from speaches_service.synthesis_probe.probe_input import SAMPLE_RATE
from speaches_service.synthesis_probe.probe_session import Measurement, MeasurementFailed
from speaches_service.synthesis_probe.similarity import correlation

ORIGINAL_TIMEOUT_SECONDS = 900
"""The limit for all runs of the original, which may be slow and has the lowest priority."""
TIMEOUT_SECONDS = 120
"""The limit for a candidate, unless the original takes long as well."""
MIN_CORRELATION = 0.98
"""The minimum for each spectrogram with the original's."""
MAX_LENGTH_DIFFERENCE = 0.05
"""As a share of the original's length."""
LOUDNESS_RANGE = (0.9, 1.1)
"""Of the root mean square, divided by the original's."""
MAX_EXTRA_MEMORY = 3 << 29
"""In bytes, beyond the peak of the original: 1.5 GiB."""

_TIMEOUT_FACTOR = 4

Measure = Callable[[str, str, Candidate, float], Measurement]
"""Takes a model's file, its voices, a candidate and a time limit in seconds."""


class Inconclusive(Exception):
    """The original itself fails, for the reason in the message, so there is no reference."""


def compare(
    model: SpeechModel, candidates: Sequence[Candidate], cache_directory: str | None, measure: Measure
) -> Decision:
    """Measure the original and the candidates; `cache_directory` is for derived models.

    Raises:
        Inconclusive: the original fails.
        Stopped: the caller requested a stop.
        OSError: the process cannot be started.
    """
    try:
        original = measure(model.model, model.voices, ORIGINAL, ORIGINAL_TIMEOUT_SECONDS)
    except MeasurementFailed as failure:
        raise Inconclusive(f"the original on the CPU: {failure} ({failure.outcome})") from failure
    for sound in _sounds(original):
        fault = _find_fault(sound)
        if fault is not None or not np.any(sound):
            raise Inconclusive(f"the original on the CPU gives {fault or 'silence'}")
    results = [CandidateResult(ORIGINAL.name, "right", 1.0, 1.0, _real_time_factor(original))]
    float32 = None
    if any(candidate.precision == "float32" for candidate in candidates):
        float32 = derived.obtain(cache_directory, model.model, model.id)
    for candidate in candidates:
        path = float32 if float32 is not None and candidate.precision == "float32" else model.model
        if (candidate.provider, path) == (ORIGINAL.provider, model.model):
            continue
        try:
            measured = measure(path, model.voices, candidate, max(TIMEOUT_SECONDS, _TIMEOUT_FACTOR * original.wall))
        except MeasurementFailed as failure:
            results.append(CandidateResult(candidate.name, failure.outcome, reason=str(failure)))
        else:
            results.append(evaluate_candidate(candidate.name, original, measured))
    return Decision(tuple(results))


def evaluate_candidate(name: str, original: Measurement, measured: Measurement) -> CandidateResult:
    """Compare the measurement of a candidate with that of the original."""
    speedup = median(seconds / measured.seconds[length] for length, seconds in original.seconds.items())
    lowest = None
    for length, references in original.sounds.items():
        for reference, sound in zip(references, measured.sounds[length], strict=True):
            fault = _find_fault(sound) or _compare_shape(reference, sound)
            if fault is not None:
                return CandidateResult(name, "wrong", speedup, reason=f"{length} text: {fault}")
            similar = correlation(reference, sound)
            lowest = similar if lowest is None else min(lowest, similar)
            if not similar >= MIN_CORRELATION:
                fault = f"its spectrogram correlates {similar:.4f} with the original's"
                return CandidateResult(name, "wrong", speedup, similar, reason=f"{length} text: {fault}")
    result = CandidateResult(name, "right", speedup, lowest, _real_time_factor(measured))
    if original.peak is not None and measured.peak is not None and measured.peak > original.peak + MAX_EXTRA_MEMORY:
        grown = (measured.peak - original.peak) >> 20
        return result._replace(outcome="memory", reason=f"it took {grown} MiB more than the original")
    return result


def _compare_shape(reference: NDArray[Any], sound: NDArray[Any]) -> str | None:
    if abs(sound.size - reference.size) > MAX_LENGTH_DIFFERENCE * reference.size:
        return f"{sound.size} samples instead of {reference.size}"
    ratio = _loudness(sound) / _loudness(reference)
    least, most = LOUDNESS_RANGE
    return None if least <= ratio <= most else f"{ratio:.2f} times as loud"


def _find_fault(sound: NDArray[Any]) -> str | None:
    if sound.dtype.kind != "f" or sound.size != max(sound.shape, default=0) or sound.size == 0:
        return f"no sound, but an array of {sound.dtype} of shape {sound.shape}"
    if not np.isfinite(sound).all():
        return "samples that are not finite numbers"
    return None


def _sounds(measurement: Measurement) -> list[NDArray[Any]]:
    return [sound for sounds in measurement.sounds.values() for sound in sounds]


def _loudness(sound: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def _real_time_factor(measurement: Measurement) -> float:
    """Seconds of computation for a second of speech, over all lengths."""
    speaking = sum(sounds[0].size / SAMPLE_RATE for sounds in measurement.sounds.values())
    return sum(measurement.seconds.values()) / speaking
