"""`synthesis-probe.json`: the measured candidates of each model. The launcher reads it too.

It is valid for one key, which stands for everything it depends on. A file that is torn, of another key or not of this
form is as good as none.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from speaches_service import json_file
from speaches_service.file_lock import LockHeld, locked
from speaches_service.synthesis_probe.candidates import ORIGINAL

FILE = "synthesis-probe.json"
Outcome = Literal["right", "wrong", "crash", "hang", "memory", "refused"]

MIN_SPEEDUP = 1.2
"""How many times as fast a candidate has to be as the best of those before it. Less is within what other work on the
machine makes, and not worth a second implementation."""

_LOCK_SECONDS = 10
_MIN_RECOMMENDED_SPEEDUP = 1.5
"""How many times as fast the recommended model has to be as the next one."""


class CandidateResult(NamedTuple):
    """What measuring says about one candidate."""

    name: str
    """Of the candidate."""
    outcome: Outcome
    speedup: float | None = None
    """How many times as fast as the original; None when that was not measured."""
    correlation: float | None = None
    """The lowest one of all aligned spectrograms with the original's; None when there was nothing to compare."""
    real_time_factor: float | None = None
    """Seconds of computing for a second of speech."""
    reason: str = ""
    """For people."""


class Decision(NamedTuple):
    """What was found out about one model, in the order in which it was measured."""

    candidates: tuple[CandidateResult, ...]

    @property
    def chosen(self) -> CandidateResult | None:
        """The fastest candidate that is right, if it is worth it; None when none is."""
        best = None
        for result in self.candidates:
            is_worth_it = best is None or (result.speedup or 0) >= MIN_SPEEDUP * (best.speedup or 0)
            if result.outcome == "right" and is_worth_it:
                best = result
        return best

    def without(self, name: str, outcome: Outcome, reason: str) -> "Decision":
        """The same after a candidate has failed in use."""
        failed = [result._replace(outcome=outcome, reason=reason) for result in self.candidates if result.name == name]
        return Decision((*(result for result in self.candidates if result.name != name), *failed))


class Decisions:
    """The decisions that are valid for a key, on disk."""

    def __init__(self, directory: str, key: str) -> None:
        self._path = os.path.join(directory, FILE)
        self._key = key

    def read(self) -> dict[str, Decision]:
        """All of them, by model."""
        try:
            raw = json_file.read(self._path)
            if raw["key"] != self._key:
                return {}
            return {
                model: Decision(tuple(CandidateResult(**result) for result in entry["candidates"]))
                for model, entry in raw["models"].items()
            }
        except (LookupError, TypeError, AttributeError):
            return {}

    @contextmanager
    def changing(self) -> Iterator[dict[str, Decision]]:
        """The decisions, to be changed and then kept. Several processes may do so at the same time.

        Raises:
            OSError: the file cannot be written, or another process has been writing it for seconds.
        """
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        try:
            with locked(f"{self._path}.lock", _LOCK_SECONDS):
                decisions = self.read()
                yield decisions
                json_file.write(self._path, describe(self._key, decisions))
        except LockHeld as held:
            raise TimeoutError(f"another process does not stop writing `{self._path}`") from held


def describe(key: str | None, decisions: Mapping[str, Decision]) -> dict[str, object]:
    """The decisions as they are in the file."""
    return {
        "key": key,
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "recommended": recommended(decisions),
        "models": {
            model: {
                "chosen": decision.chosen.name if decision.chosen is not None else ORIGINAL.name,
                "candidates": [result._asdict() for result in decision.candidates],
            }
            for model, decision in decisions.items()
        },
    }


def recommended(decisions: Mapping[str, Decision]) -> str | None:
    """The model that is clearly faster than every other one; None when there is none, or nothing to compare."""
    chosen = [(decision.chosen, model) for model, decision in decisions.items()]
    factors = sorted((best.real_time_factor, model) for best, model in chosen if best and best.real_time_factor)
    if len(factors) < 2 or factors[1][0] < factors[0][0] * _MIN_RECOMMENDED_SPEEDUP:
        return None
    return factors[0][1]
