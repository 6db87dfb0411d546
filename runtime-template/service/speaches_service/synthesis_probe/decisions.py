"""`synthesis-probe.json`: what was found out, by model. The launcher reads it too.

It is valid for one key, which stands for everything it depends on. A file that is torn, of another key or not what it
should be is no file.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import NamedTuple, cast

from speaches_service.file_lock import Held, locked
from speaches_service.synthesis_probe.candidates import CPU
from speaches_service.synthesis_probe.outcomes import OUTCOMES, Outcome, Verdict

FILE = "synthesis-probe.json"

_LOCK_SECONDS = 10
_FASTEST_BY = 1.5
"""How many times faster the recommended model has to be than the next one: models are measured one after the other, and
what else a machine does meanwhile may well make a third."""


class Decision(NamedTuple):
    """What was found out about one model."""

    chosen: str
    """Name of the candidate that speaks for it."""
    candidates: tuple[Verdict, ...]
    real_time_factor: float | None = None
    """Seconds of computing for a second of speech, with what was chosen."""

    def without(self, name: str, outcome: Outcome, reason: str) -> "Decision":
        """The same after a candidate has failed in use: the CPU speaks."""
        judged = tuple(
            Verdict(name, outcome, verdict.speedup, verdict.correlation, reason) if verdict.name == name else verdict
            for verdict in self.candidates
        )
        return Decision(CPU.name, judged)


class Decisions:
    """The decisions that are valid for a key, on disk."""

    def __init__(self, directory: str, key: str) -> None:
        self._path = os.path.join(directory, FILE)
        self._key = key

    def read(self) -> dict[str, Decision]:
        """All of them, by model; none when the file is none of ours."""
        try:
            with open(self._path, encoding="utf-8") as file:
                raw = json.load(file)
            if raw["key"] != self._key:
                return {}
            return {str(model): _parse(entry) for model, entry in raw["models"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}

    def record(self, model: str, decision: Decision) -> None:
        """Keep what was found out about a model.

        Raises:
            OSError: as `change`.
        """
        self.change(lambda decisions: decisions.update({model: decision}))

    def change(self, change: Callable[[dict[str, Decision]], None]) -> None:
        """Let somebody change the decisions, and keep them. Several processes may do so at the same time.

        Raises:
            OSError: the file cannot be written, or another process has been writing it for seconds.
        """
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        try:
            with locked(f"{self._path}.lock", _LOCK_SECONDS):
                decisions = self.read()
                change(decisions)
                self._write(decisions)
        except Held as held:
            raise TimeoutError(f"another process does not stop writing `{self._path}`") from held

    def _write(self, decisions: Mapping[str, Decision]) -> None:
        scratch = f"{self._path}.{os.getpid()}-{threading.get_ident()}"
        with open(scratch, "w", encoding="utf-8") as file:
            file.write(json.dumps(describe(self._key, decisions), indent=2) + "\n")
        os.replace(scratch, self._path)


def describe(key: str | None, decisions: Mapping[str, Decision]) -> dict[str, object]:
    """The decisions as they are in the file."""
    return {
        "key": key,
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "recommended": recommended(decisions),
        "models": {
            model: {**decision._asdict(), "candidates": [verdict._asdict() for verdict in decision.candidates]}
            for model, decision in decisions.items()
        },
    }


def recommended(decisions: Mapping[str, Decision]) -> str | None:
    """The model that is clearly faster than every other one; None when there is none, or nothing to compare."""
    factors = sorted(
        (decision.real_time_factor, model)
        for model, decision in decisions.items()
        if decision.real_time_factor is not None
    )
    if len(factors) < 2 or factors[1][0] < factors[0][0] * _FASTEST_BY:
        return None
    return factors[0][1]


def _parse(entry: Mapping[str, object]) -> Decision:
    """One model's entry.

    Raises:
        ValueError, LookupError, TypeError: it is none.
    """
    verdicts = cast("list[Mapping[str, object]]", entry["candidates"])
    factor = entry.get("real_time_factor")
    return Decision(
        str(entry["chosen"]),
        tuple(
            Verdict(
                str(verdict["name"]),
                _outcome(verdict["outcome"]),
                _number(verdict.get("speedup")),
                _number(verdict.get("correlation")),
                str(verdict.get("reason", "")),
            )
            for verdict in verdicts
        ),
        _number(factor),
    )


def _outcome(value: object) -> Outcome:
    return OUTCOMES[OUTCOMES.index(cast("Outcome", value))]


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`{value}` is no number")
    return float(value)
