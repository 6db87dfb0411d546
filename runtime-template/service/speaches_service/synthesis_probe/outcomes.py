"""What becomes of a candidate."""

from typing import Literal, NamedTuple

Outcome = Literal["good", "slower", "wrong", "crash", "hang", "memory", "refused"]

OUTCOMES: tuple[Outcome, ...] = ("good", "slower", "wrong", "crash", "hang", "memory", "refused")


class Verdict(NamedTuple):
    """An outcome, with what it rests on."""

    name: str
    """Of the candidate."""
    outcome: Outcome
    speedup: float | None = None
    """How many times faster than the CPU; None when that was not measured."""
    correlation: float | None = None
    """The lowest one of all spectrograms with the CPU's; None when there was nothing to compare."""
    reason: str = ""
    """For people."""


class Failure(NamedTuple):
    """Why there is nothing to compare."""

    outcome: Outcome
    """One of crash, hang, memory and refused."""
    reason: str
