"""Comparing everything that could speak for one model with the CPU."""

from collections.abc import Callable, Sequence

from speaches_service.synthesis_probe import judgement
from speaches_service.synthesis_probe.candidates import CPU, Candidate
from speaches_service.synthesis_probe.decisions import Decision
from speaches_service.synthesis_probe.material import SAMPLE_RATE
from speaches_service.synthesis_probe.measuring import Limits, Measurement
from speaches_service.synthesis_probe.models import SpeechModel

CPU_STEP_SECONDS = 300
"""How long the CPU may take for one step: it may be slow, and everything else comes first."""
STEP_SECONDS = 60
"""How long a candidate may, unless the CPU has taken long as well."""

_TIMES_THE_CPU = 4

Measure = Callable[[SpeechModel, Candidate, Limits], Measurement]


class Inconclusive(Exception):
    """The CPU itself does not speak, for the reason in the message; there is nothing to compare with."""


def compare(model: SpeechModel, candidates: Sequence[Candidate], measure: Measure) -> Decision:
    """Measure the CPU and all candidates, and choose.

    Raises:
        Inconclusive: nothing can be said.
        Stopped: the measuring was asked to stop.
        OSError: no process can be started.
    """
    baseline = _measure_cpu(model, measure)
    memory = None if baseline.peak is None else baseline.peak + judgement.THRESHOLDS.memory
    limits = Limits(max(STEP_SECONDS, _TIMES_THE_CPU * baseline.slowest_step), memory)
    measured = {candidate.name: measure(model, candidate, limits) for candidate in candidates}
    verdicts = [judgement.judge(name, baseline, measurement) for name, measurement in measured.items()]
    if any(verdict.outcome == "good" for verdict in verdicts):
        # Something else may have slowed the CPU down while it was measured. It gets a second chance.
        baseline = judgement.better_times(baseline, _measure_cpu(model, measure))
        verdicts = [judgement.judge(name, baseline, measurement) for name, measurement in measured.items()]
    good = [verdict for verdict in verdicts if verdict.outcome == "good"]
    chosen = max(good, key=lambda verdict: verdict.speedup or 0).name if good else CPU.name
    factor = judgement.real_time_factor(measured.get(chosen, baseline), SAMPLE_RATE)
    return Decision(chosen, tuple(verdicts), factor)


def _measure_cpu(model: SpeechModel, measure: Measure) -> Measurement:
    measurement = measure(model, CPU, Limits(CPU_STEP_SECONDS))
    fault = judgement.find_fault(measurement)
    if fault is not None:
        raise Inconclusive(f"on the CPU: {fault.reason} ({fault.outcome})")
    return measurement
