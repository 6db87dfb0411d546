"""`synthesis-probe.json`: the measured candidates of each model. The launcher reads it too.

The file is valid for one key, which identifies everything that the results depend on. A file that is incomplete, has
another key or another form counts as missing.
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
"""The minimum speed of a candidate, relative to the best one before it. A smaller gain is within the effect of other
work on the machine, and not worth a second implementation."""

_LOCK_SECONDS = 10
_MIN_RECOMMENDED_SPEEDUP = 1.5
"""The minimum speed of the recommended model, relative to the next one."""


class CandidateResult(NamedTuple):
    """The result of measuring one candidate."""

    name: str
    outcome: Outcome
    speedup: float | None = None
    """The speed relative to the original; None if it was not measured."""
    correlation: float | None = None
    """The lowest of all spectrograms with the original's; None if there was nothing to compare."""
    real_time_factor: float | None = None
    """Seconds of computation for a second of speech."""
    reason: str = ""
    """For people."""


class Decision(NamedTuple):
    """The results for one model, in the order of the measurements."""

    candidates: tuple[CandidateResult, ...]

    @property
    def chosen(self) -> CandidateResult | None:
        """The fastest candidate with outcome `right` and enough speed; None if there is none."""
        best = None
        for result in self.candidates:
            is_worth_it = best is None or (result.speedup or 0) >= MIN_SPEEDUP * (best.speedup or 0)
            if result.outcome == "right" and is_worth_it:
                best = result
        return best

    def without(self, name: str, outcome: Outcome, reason: str) -> "Decision":
        """The decision after a candidate has failed in use."""
        failed = [result._replace(outcome=outcome, reason=reason) for result in self.candidates if result.name == name]
        return Decision((*(result for result in self.candidates if result.name != name), *failed))


class Decisions:
    """The decisions on disk for one key."""

    def __init__(self, directory: str, key: str) -> None:
        self._path = os.path.join(directory, FILE)
        self._key = key

    def read(self) -> dict[str, Decision]:
        """By model."""
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
        """Yield the decisions for changes, and save them afterwards. Several processes may do this at the same time.

        Raises:
            OSError: the file cannot be written, or another process has held its lock for seconds.
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
    """The decisions in the form of the file."""
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
    """The model that is clearly faster than every other one; None if there is none."""
    chosen = [(decision.chosen, model) for model, decision in decisions.items()]
    factors = sorted((best.real_time_factor, model) for best, model in chosen if best and best.real_time_factor)
    if len(factors) < 2 or factors[1][0] < factors[0][0] * _MIN_RECOMMENDED_SPEEDUP:
        return None
    return factors[0][1]
