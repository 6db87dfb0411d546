"""The results of cases: checks, tables, and skipped checks."""

import time
from collections.abc import Sequence

import table


class Missing(Exception):
    """Something that a case needs is not on this machine."""


class Outcome:
    """Collects the checks of one case and prints each as it is made."""

    def __init__(self, case: str) -> None:
        self.case = case
        self.passed = 0
        self.failed: list[str] = []
        self.not_run: list[str] = []
        self._begun = time.monotonic()

    def check(self, holds: bool, what: str) -> None:
        """A claim, said with the figures that it was judged by."""
        if holds:
            self.passed += 1
        else:
            self.failed.append(what)
        print(f"  {'ok    ' if holds else 'FAILED'} {what}", flush=True)

    def lacks(self, what: str) -> None:
        """A part of the case cannot be tried here."""
        self.not_run.append(what)
        print(f"  NOT RUN {what}", flush=True)

    def note(self, what: str) -> None:
        """A figure that nothing is held to."""
        print(f"  {what}", flush=True)

    def show(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[table.Cell]]) -> None:
        """A table."""
        print(f"\n  {title}\n{table.render(heads, rows)}\n", flush=True)

    @property
    def seconds(self) -> float:
        """How long the case has taken."""
        return time.monotonic() - self._begun
