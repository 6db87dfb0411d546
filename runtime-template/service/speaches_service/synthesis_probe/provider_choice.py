"""Applies a decision: from its next load on, a model computes with the chosen candidate.

CoreML may still fail in this process, although it succeeded in the process that measured it. If a load raises an error,
the service records the failure and the CPU computes the speech. A crash ends the service before it can record
anything, so each load writes a marker first and removes it afterwards. A service that finds the marker knows that
the last load crashed.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from speaches_service import json_file
from speaches_service.error_text import first_line
from speaches_service.event_log import log_event
from speaches_service.file_lock import LockHeld, locked
from speaches_service.settings import Settings
from speaches_service.synthesis_probe.candidates import FLOAT32, Candidate, candidates_named
from speaches_service.synthesis_probe.decisions import Decisions, Outcome

MARKER_FILE = "synthesis-probe.loading"
"""Below the machine directory: the current load."""

_LOAD_SECONDS = 120
"""The time limit of waiting for another service that is loading a model with CoreML."""

Loaded = TypeVar("Loaded")


class ProviderChoice:
    """The measured decisions, for one run of the service."""

    def __init__(
        self,
        settings: Settings,
        select_candidates: Callable[[Sequence[str], str], tuple[Candidate, ...]] = candidates_named,
    ) -> None:
        """`select_candidates` is for tests."""
        key, directory = settings.synthesis.probe_key, settings.machine_directory
        self._names = settings.synthesis.candidates
        self._select_candidates = select_candidates
        self._where = None if key is None or directory is None or settings.synthesis.forced else (directory, key)

    def chosen(self, model_id: str) -> Candidate | None:
        """The best candidate, or float32 on the CPU until there is a result.

        None if measurements do not apply, because the user has decided or there is nothing to compare.
        """
        if self._where is None or not self._names:
            return None
        directory, key = self._where
        decision = Decisions(directory, key).read().get(model_id)
        best = decision.chosen if decision is not None else None
        select_candidates = self._select_candidates(self._names, directory) if best is not None else ()
        return next((candidate for candidate in select_candidates if best and candidate.name == best.name), FLOAT32)

    def load(self, model_id: str, candidate: Candidate, create: Callable[[], Loaded]) -> Loaded | None:
        """Load a model with the candidate of `chosen`; None if this fails, and then no service tries it again."""
        assert self._where is not None  # noqa: S101 - nothing was chosen otherwise
        try:
            with self._with_marker(*self._where, model_id, candidate.name) as may_load:
                if may_load:
                    return create()
        except Exception as error:  # noqa: BLE001 - after every error, the CPU computes instead
            reason = f"the service failed to load it: {type(error).__name__}: {first_line(error)}"
            self._record_failure(*self._where, model_id, candidate.name, "refused", reason)
        return None

    @contextlib.contextmanager
    def _with_marker(self, directory: str, key: str, model_id: str, name: str) -> Iterator[bool]:
        """Write a marker during a load. Yields False if the same load has crashed a service before."""
        path = os.path.join(directory, MARKER_FILE)
        marker = [key, model_id, name]
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(f"{path}.lock", _LOAD_SECONDS))
                has_crashed = json_file.read(path) == marker
                if not has_crashed:
                    _write_marker(path, marker)
                stack.callback(_remove_marker, path)
            except (LockHeld, OSError) as error:
                log_event(
                    f"`{model_id}` is loaded on the CPU: cannot write the marker in `{directory}`: {error}", "warning"
                )
                yield False
                return
            if has_crashed:
                self._record_failure(directory, key, model_id, name, "crash", "the service crashed while loading it")
            yield not has_crashed

    def _record_failure(
        self, directory: str, key: str, model_id: str, name: str, outcome: Outcome, reason: str
    ) -> None:
        """Record that a candidate has failed in use, so that no service tries it again."""
        message = f"`{model_id}` computes on the CPU instead of {name}: {reason}"
        log_event(message, "warning", model=model_id, candidate=name)
        try:
            with Decisions(directory, key).changing() as decisions:
                if model_id in decisions:
                    decisions[model_id] = decisions[model_id].without(name, outcome, reason)
        except OSError as error:
            log_event(f"cannot record this in `{directory}`: {error}", "warning")


def remove_own_marker() -> None:
    """Remove the markers of loads that this process does not finish because it ends on request."""
    for path in list(_own_markers):
        _remove_marker(path)


_own_markers: set[str] = set()


def _write_marker(path: str, marker: object) -> None:
    _own_markers.add(path)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(marker, file)


def _remove_marker(path: str) -> None:
    _own_markers.discard(path)
    with contextlib.suppress(OSError):
        os.remove(path)
