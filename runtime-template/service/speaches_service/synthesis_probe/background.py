"""Measures the candidates while the service serves: once for each model, in one thread, at the lowest priority.

The service measures only if CoreML is a candidate. On the CPU alone float32 is a good choice without a measurement;
`speaches tune` measures there, too.

N.B. The service imports this module at its start, so only the thread imports modules that need numpy.
"""

import threading
import time
from collections.abc import Callable, Sequence

from speaches_service.child_process import Stopped
from speaches_service.event_log import log_event
from speaches_service.file_lock import LockHeld
from speaches_service.settings import Settings
from speaches_service.synthesis_probe.candidates import COREML, Candidate, cache_of, candidates_named
from speaches_service.synthesis_probe.decisions import Decision, Decisions
from speaches_service.synthesis_probe.models import SpeechModel, models_in

THREAD_NAME = "synthesis-probe"


class BackgroundProbe:
    """The measurement of one service."""

    def __init__(
        self,
        settings: Settings,
        cache: Callable[[], str],
        select_candidates: Callable[[Sequence[str], str], tuple[Candidate, ...]] = candidates_named,
        command: Sequence[str] | None = None,
    ) -> None:
        """`cache` returns the Hugging Face cache; `select_candidates` and `command` are for tests."""
        self._settings = settings
        self._cache = cache
        self._select_candidates = select_candidates
        self._command = command
        self._stop = threading.Event()

    def start(self) -> None:
        """Measure, if the settings allow it, in a daemon thread, which does not delay the end of the process."""
        synthesis, directory = self._settings.synthesis, self._settings.machine_directory
        if synthesis.probe_key is None or directory is None or COREML not in synthesis.candidates or synthesis.forced:
            return
        arguments = (directory, synthesis.probe_key)
        threading.Thread(target=self._run, args=arguments, name=THREAD_NAME, daemon=True).start()

    def stop(self) -> None:
        """Make the measurement and its process end within a tenth of a second, without waiting for them."""
        self._stop.set()

    def _run(self, directory: str, key: str) -> None:
        try:
            self._compare(directory, key)
        except LockHeld:
            log_event("another service is measuring the speech models; this service will use its result")
        except Exception as error:  # noqa: BLE001 - the service goes on without a measurement
            log_event(f"cannot measure the speech models: {type(error).__name__}: {error}", "warning")

    def _compare(self, directory: str, key: str) -> None:
        decisions = Decisions(directory, key)
        if self._stop.is_set() or not self._unknown(decisions):
            return
        from speaches_service.synthesis_probe.evaluate import Inconclusive, compare
        from speaches_service.synthesis_probe.probe_session import ProbeSession, exclusive_scratch

        with exclusive_scratch(directory, keep=cache_of(directory)) as scratch:
            # Another service may have measured during the wait.
            unknown = self._unknown(decisions)
            if not unknown:
                return
            log_event(f"measuring the fastest way to compute {', '.join(f'`{model.id}`' for model in unknown)}")
            began = time.monotonic()
            session = ProbeSession(scratch, command=self._command, stop=self._stop)
            select_candidates = self._select_candidates(self._settings.synthesis.candidates, directory)
            results = []
            for model in unknown:
                try:
                    decision = compare(model, select_candidates, self._settings.cache_directory, session.measure)
                except Inconclusive as reason:
                    results.append(f"`{model.id}` is unchanged: {reason}")
                    continue
                except Stopped:
                    return
                with decisions.changing() as known:
                    known[model.id] = decision
                results.append(f"`{model.id}` {_describe(decision)}")
        seconds = time.monotonic() - began
        log_event(f"measured in {seconds:.0f} s: {'; '.join(results)}", seconds=seconds)

    def _unknown(self, decisions: Decisions) -> list[SpeechModel]:
        known = decisions.read()
        return [model for model in models_in(self._cache()) if model.id not in known]


def _describe(decision: Decision) -> str:
    judged = ", ".join(
        f"{result.name}: {result.outcome}" + (f", {result.speedup:.1f} times as fast" if result.speedup else "")
        for result in decision.candidates[1:]
    )
    chosen = decision.chosen
    name = chosen.name if chosen is not None else "nothing"
    return f"computes best with {name} ({judged or 'no other candidate'})"
