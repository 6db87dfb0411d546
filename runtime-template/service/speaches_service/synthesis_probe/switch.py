"""Following a decision: a model computes with what was chosen from its next load on.

What was right in a process of its own may still fail in this one. An error while loading is recorded, and the CPU
speaks. A crash takes the service with it, so a load makes a mark first and removes it afterwards: who finds one, knows.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

from speaches_service.event_log import announce
from speaches_service.file_lock import Held, locked
from speaches_service.settings import Settings
from speaches_service.synthesis_probe import candidates
from speaches_service.synthesis_probe.candidates import CPU, Candidate
from speaches_service.synthesis_probe.decisions import Decision, Decisions
from speaches_service.synthesis_probe.outcomes import Outcome

MARK = "synthesis-probe.loading"
"""Below the machine directory: what is being loaded just now."""

_LOAD_SECONDS = 120
"""How long to wait for another service that loads with a candidate too."""

Loaded = TypeVar("Loaded")


class Switch:
    """What was found out, for one run of the service."""

    def __init__(
        self, settings: Settings, offered: Callable[[str, str, str], tuple[Candidate, ...]] = candidates.coreml
    ) -> None:
        """`offered` gives the candidates for machine directory, key and model."""
        key = settings.synthesis.probe_key if "coreml" in settings.synthesis.candidates else None
        directory = settings.machine_directory
        self._offered = offered
        self._where = None if key is None or directory is None or settings.synthesis.forced else (directory, key)

    def chosen_provider(self, model_id: str) -> tuple[str, dict[str, str]] | None:
        """The provider that was found to be best, and its options: the CPU as long as nothing was found.

        None when comparing has no say, because somebody has decided or there is nothing to compare.
        """
        candidate = self._chosen(model_id)
        return None if candidate is None else (candidate.provider, dict(candidate.options))

    def load(self, model_id: str, create: Callable[[Candidate], Loaded]) -> Loaded:
        """Load a model with what was chosen for it, else on the CPU, and let `create` do it.

        N.B. not for what somebody forces: then `chosen_provider` is None, and the CPU is no answer.

        Raises:
            Exception: what `create` raises for the CPU.
        """
        candidate = self._chosen(model_id)
        if self._where is None or candidate is None or candidate.name == CPU.name:
            return create(CPU)
        try:
            with self._marked(*self._where, model_id, candidate.name) as may_load:
                if may_load:
                    return create(candidate)
        except Exception as error:  # noqa: BLE001 - whatever it is, the CPU can
            first_line = str(error).strip().partition("\n")[0]
            reason = f"it failed when the service loaded it: {type(error).__name__}: {first_line}"
            self._forget(model_id, candidate.name, "refused", reason)
        return create(CPU)

    def _chosen(self, model_id: str) -> Candidate | None:
        if self._where is None:
            return None
        directory, key = self._where
        decision = Decisions(directory, key).read().get(model_id)
        offered = () if decision is None else self._offered(directory, key, model_id)
        return next((candidate for candidate in offered if decision and candidate.name == decision.chosen), CPU)

    @contextlib.contextmanager
    def _marked(self, directory: str, key: str, model_id: str, name: str) -> Iterator[bool]:
        """Leave a mark while something is loaded; False if that has ended a service before."""
        path = os.path.join(directory, MARK)
        mark = [key, model_id, name]
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(f"{path}.lock", _LOAD_SECONDS))
                has_crashed = _read_mark(path) == mark
                if not has_crashed:
                    _make_mark(path, mark)
                stack.callback(_remove_mark, path)
            except (Held, OSError) as error:
                announce(f"`{model_id}` is loaded on the CPU: no mark can be made in `{directory}`: {error}", "warning")
                yield False
                return
            if has_crashed:
                self._forget(model_id, name, "crash", "the service that loaded it died")
            yield not has_crashed

    def _forget(self, model_id: str, name: str, outcome: Outcome, reason: str) -> None:
        """Record that a candidate does not work after all, so that nobody tries it again."""
        announce(f"`{model_id}` speaks on the CPU: {name}: {reason}", "warning", model=model_id, candidate=name)
        assert self._where is not None  # noqa: S101 - nothing was chosen otherwise

        def change(decisions: dict[str, Decision]) -> None:
            if model_id in decisions:
                decisions[model_id] = decisions[model_id].without(name, outcome, reason)

        try:
            Decisions(*self._where).change(change)
        except OSError as error:
            announce(f"cannot record it in `{self._where[0]}`: {error}", "warning")


def remove_own_mark() -> None:
    """Remove the mark of a load that this process does not finish because it was told to end."""
    for path in list(_own_marks):
        _remove_mark(path)


_own_marks: set[str] = set()


def _read_mark(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _make_mark(path: str, mark: object) -> None:
    _own_marks.add(path)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(mark, file)


def _remove_mark(path: str) -> None:
    _own_marks.discard(path)
    with contextlib.suppress(OSError):
        os.remove(path)
