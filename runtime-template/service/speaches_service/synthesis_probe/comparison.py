"""Comparing everything that could speak for one model with the CPU."""

from collections.abc import Callable, Sequence

from speaches_service.synthesis_probe import judgement
from speaches_service.synthesis_probe.candidates import CPU, Candidate
from speaches_service.synthesis_probe.decisions import Decision
from speaches_service.synthesis_probe.material import SAMPLE_RATE
from speaches_service.synthesis_probe.measuring import Limits, Measurement
from speaches_service.synthesis_probe.models import SpeechModel
from speaches_service.synthesis_probe.outcomes import Verdict

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
    measured = {candidate.name: [measure(model, candidate, limits)] for candidate in candidates}
    verdicts = [_judge(name, baseline, attempts) for name, attempts in measured.items()]
    if any(verdict.outcome == "good" for verdict in verdicts):
        # Whatever else this machine was doing may have made it so. Who seems good has to be so twice, and faster than
        # the better one of two attempts of the CPU.
        for candidate, verdict in zip(candidates, verdicts, strict=True):
            if verdict.outcome == "good":
                measured[candidate.name].append(measure(model, candidate, limits))
        baseline = judgement.better_times(baseline, _measure_cpu(model, measure))
        verdicts = [_judge(name, baseline, attempts) for name, attempts in measured.items()]
    good = [verdict for verdict in verdicts if verdict.outcome == "good"]
    chosen = max(good, key=lambda verdict: verdict.speedup or 0).name if good else CPU.name
    spoken = measured[chosen] if good else [baseline]
    return Decision(chosen, tuple(verdicts), min(judgement.real_time_factor(each, SAMPLE_RATE) for each in spoken))


def _judge(name: str, baseline: Measurement, attempts: Sequence[Measurement]) -> Verdict:
    """The worst verdict of all attempts."""
    verdicts = [judgement.judge(name, baseline, attempt) for attempt in attempts]
    return min(verdicts, key=lambda verdict: (verdict.outcome == "good", verdict.speedup or 0))


def _measure_cpu(model: SpeechModel, measure: Measure) -> Measurement:
    measurement = measure(model, CPU, Limits(CPU_STEP_SECONDS))
    fault = judgement.find_fault(measurement)
    if fault is not None:
        raise Inconclusive(f"on the CPU: {fault.reason} ({fault.outcome})")
    return measurement
