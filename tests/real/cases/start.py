"""Start: the time until the port answers and until the models are ready, at the first start and at later ones."""

from pathlib import Path

import sounds
import weights
from outcome import Outcome
from servers import Places, ours, upstream
from table import Cell

TIMES = 3  # of which the middle counts
OF_UPSTREAM = 0.15  # until `/health`
LATER_AT_FIRST = 5.0  # seconds, beside the original model
NOISE = 0.15  # of the time, between starts that do the same


def run(places: Places, outcome: Outcome) -> None:
    """Start with the original model and with what `auto` chooses, in alternation."""
    figures: dict[str, list[tuple[float, float]]] = {"original": [], "first": [], "second": []}
    for _ in range(TIMES):
        figures["original"].append(_start(places, outcome, "--precision", "original"))
        state = places.state()
        figures["first"].append(_start(places, outcome, state=state))
        figures["second"].append(_start(places, outcome, state=state))
    health = {name: _middle([first for first, _second in times]) for name, times in figures.items()}
    ready = {name: _middle([second for _first, second in times]) for name, times in figures.items()}
    titles = {
        "original": "`--precision original`",
        "first": "first start",
        "second": "second start, same state",
    }
    rows: list[list[Cell]] = [[titles[name], health[name], ready[name]] for name in figures]
    their_health: list[float] = []
    if places.has_upstream:
        for _ in range(TIMES):
            with upstream(places) as server:
                their_health.append(server.wait_for("/health"))
        rows.append(["upstream", _middle(their_health), None])
    outcome.show(f"seconds from the start, middle of {TIMES}", ["", "/health", "ready"], rows)

    if their_health:
        ratio = health["second"] / _middle(their_health)
        outcome.check(ratio <= OF_UPSTREAM, f"/health after {ratio:.3f} of upstream's time")
    else:
        outcome.lacks("the comparison with upstream: `--upstream-python` and `--upstream-source` say where it is")
    later = ready["first"] - ready["original"]
    outcome.check(later <= LATER_AT_FIRST, f"`ready` comes {later:.1f} s later at the first start than by the original")
    later = ready["second"] - ready["original"]
    bound = NOISE * ready["original"]
    outcome.check(later <= bound, f"`ready` comes {later:.1f} s later at the second; {bound:.1f} s are noise")


def _start(places: Places, outcome: Outcome, *settings: str, state: Path | None = None) -> tuple[float, float]:
    with ours(places, *settings, state=state) as server:
        times = server.wait_for("/health"), server.wait_for("/health/ready")
        spoken = server.client.speech(weights.SPEECH, "af_bella", "Good morning.")
        if not (spoken.good and sounds.loudness(spoken.body) > 0.01):
            outcome.check(False, f"after a start it speaks: {spoken.fault()}")
        return times


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
