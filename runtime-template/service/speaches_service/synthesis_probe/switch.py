"""Following a decision: a model computes with what was chosen from its next load on.

CoreML may still fail in this process after it was right in another one. An error while loading is recorded, and the CPU
speaks. A crash takes the service with it, so a load makes a mark first and removes it afterwards: the next service that
finds the mark knows.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from speaches_service import json_file
from speaches_service.event_log import log_event
from speaches_service.file_lock import LockHeld, locked
from speaches_service.settings import Settings
from speaches_service.synthesis_probe.candidates import FLOAT32, Candidate, named
from speaches_service.synthesis_probe.decisions import Decisions, Outcome

MARK = "synthesis-probe.loading"
"""Below the machine directory: what is being loaded just now."""

_LOAD_SECONDS = 120
"""How long to wait for another service that loads with CoreML, too."""

Loaded = TypeVar("Loaded")


class Switch:
    """What was found out, for one run of the service."""

    def __init__(
        self, settings: Settings, offered: Callable[[Sequence[str], str], tuple[Candidate, ...]] = named
    ) -> None:
        """`offered` gives the candidates with these names, for a machine directory."""
        key, directory = settings.synthesis.probe_key, settings.machine_directory
        self._names = settings.synthesis.candidates
        self._offered = offered
        self._where = None if key is None or directory is None or settings.synthesis.forced else (directory, key)

    def chosen(self, model_id: str) -> Candidate | None:
        """What was found to be best: float32 on the CPU as long as nothing was found.

        None when measuring has no say, because a user has decided or there is nothing to compare.
        """
        if self._where is None or not self._names:
            return None
        directory, key = self._where
        decision = Decisions(directory, key).read().get(model_id)
        best = decision.chosen if decision is not None else None
        offered = self._offered(self._names, directory) if best is not None else ()
        return next((candidate for candidate in offered if best and candidate.name == best.name), FLOAT32)

    def load(self, model_id: str, candidate: Candidate, create: Callable[[], Loaded]) -> Loaded | None:
        """Let `create` load a model with what `chosen` gave; None when that fails, which it then does not again."""
        assert self._where is not None  # noqa: S101 - nothing was chosen otherwise
        try:
            with self._marked(*self._where, model_id, candidate.name) as may_load:
                if may_load:
                    return create()
        except Exception as error:  # noqa: BLE001 - whatever it is, the CPU can
            first_line = str(error).strip().partition("\n")[0]
            reason = f"it failed when the service loaded it: {type(error).__name__}: {first_line}"
            self._forget(*self._where, model_id, candidate.name, "refused", reason)
        return None

    @contextlib.contextmanager
    def _marked(self, directory: str, key: str, model_id: str, name: str) -> Iterator[bool]:
        """Leave a mark while something is loaded; False if that has ended a service before."""
        path = os.path.join(directory, MARK)
        mark = [key, model_id, name]
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(f"{path}.lock", _LOAD_SECONDS))
                has_crashed = json_file.read(path) == mark
                if not has_crashed:
                    _make_mark(path, mark)
                stack.callback(_remove_mark, path)
            except (LockHeld, OSError) as error:
                log_event(
                    f"`{model_id}` is loaded on the CPU: no mark can be made in `{directory}`: {error}", "warning"
                )
                yield False
                return
            if has_crashed:
                self._forget(directory, key, model_id, name, "crash", "the service that loaded it died")
            yield not has_crashed

    def _forget(self, directory: str, key: str, model_id: str, name: str, outcome: Outcome, reason: str) -> None:
        """Record that a candidate does not work after all, so that no service tries it again."""
        log_event(f"`{model_id}` speaks on the CPU: {name}: {reason}", "warning", model=model_id, candidate=name)
        try:
            with Decisions(directory, key).changing() as decisions:
                if model_id in decisions:
                    decisions[model_id] = decisions[model_id].without(name, outcome, reason)
        except OSError as error:
            log_event(f"cannot record it in `{directory}`: {error}", "warning")


def remove_own_mark() -> None:
    """Remove the mark of a load that this process does not finish because it was told to end."""
    for path in list(_own_marks):
        _remove_mark(path)


_own_marks: set[str] = set()


def _make_mark(path: str, mark: object) -> None:
    _own_marks.add(path)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(mark, file)


def _remove_mark(path: str) -> None:
    _own_marks.discard(path)
    with contextlib.suppress(OSError):
        os.remove(path)
