"""Comparing while the service serves: once for each model, in one thread, with processes of the lowest priority.

N.B. this is imported at the start; what needs numpy is imported in the thread.
"""

import threading
import time
from collections.abc import Callable, Sequence

from speaches_service.event_log import announce
from speaches_service.file_lock import Held
from speaches_service.settings import Settings
from speaches_service.synthesis_probe.candidates import Candidate, coreml
from speaches_service.synthesis_probe.decisions import Decision, Decisions
from speaches_service.synthesis_probe.models import SpeechModel, models_in
from speaches_service.synthesis_probe.workshop import opened


class BackgroundProbe:
    """The comparison that one service makes, if there is something to find out."""

    def __init__(
        self,
        settings: Settings,
        cache: Callable[[], str],
        offered: Callable[[str, str, str], tuple[Candidate, ...]] = coreml,
        command: Sequence[str] | None = None,
    ) -> None:
        """`cache` gives the Hugging Face cache when it is needed; the rest is for tests."""
        # Only CoreML is compared; what else the launcher names computes the same on every processor.
        self._key = settings.synthesis.probe_key if "coreml" in settings.synthesis.candidates else None
        self._directory = settings.machine_directory
        self._forced = settings.synthesis.forced
        self._cache = cache
        self._offered = offered
        self._command = command
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if something may be compared, in a thread that does not keep the process from ending."""
        if self._key is None or self._directory is None or self._forced or self._stop.is_set():
            return
        arguments = (self._directory, self._key)
        self._thread = threading.Thread(target=self._run, args=arguments, name="synthesis-probe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the comparison and its process within a tenth of a second, without waiting for it."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end and tell whether it has come."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _run(self, directory: str, key: str) -> None:
        try:
            self._compare(directory, key)
        except Held:
            announce("another service compares what speech can compute with; its result will do")
        except Exception as error:  # noqa: BLE001 - the service goes on, on the CPU
            announce(f"what speech can compute with was not compared: {type(error).__name__}: {error}", "warning")

    def _compare(self, directory: str, key: str) -> None:
        decisions = Decisions(directory, key)
        if not self._unknown(decisions):
            return
        from speaches_service.synthesis_probe.comparison import Inconclusive, compare
        from speaches_service.synthesis_probe.measuring import Measuring, Stopped

        with opened(directory, key) as scratch:
            # Another service may just have finished.
            unknown = self._unknown(decisions)
            if not unknown:
                return
            names = ", ".join(f"`{model.id}`" for model in unknown)
            announce(f"comparing what {names} can compute with, in the background")
            began = time.monotonic()
            measuring = Measuring(scratch, command=self._command, stop=self._stop)
            results = []
            for model in unknown:
                try:
                    decision = compare(model, self._offered(directory, key, model.id), measuring.measure)
                except Inconclusive as reason:
                    results.append(f"`{model.id}` stays as it is: {reason}")
                    continue
                except Stopped:
                    return
                decisions.record(model.id, decision)
                results.append(f"`{model.id}` {_describe(decision)}")
        seconds = time.monotonic() - began
        announce(f"compared in {seconds:.0f} s: {'; '.join(results)}", seconds=seconds)

    def _unknown(self, decisions: Decisions) -> list[SpeechModel]:
        known = decisions.read()
        return [model for model in models_in(self._cache()) if model.id not in known]


def _describe(decision: Decision) -> str:
    judged = ", ".join(f"{verdict.name}: {verdict.outcome}" for verdict in decision.candidates)
    return f"speaks best with {decision.chosen} ({judged or 'there was nothing else'})"
