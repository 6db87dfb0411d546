"""Long texts without a mark, in several scripts: the answer is complete, and as long as its text."""

from collections.abc import Callable

import sounds
import weights
from alignment import compare
from client import Answer
from outcome import Outcome
from servers import Places, ours
from table import Cell
from texts import LONG_TEXTS, LongText

PIPER_RATE = 22_050  # samples a second
# Seconds of sound for a character. A letter alone takes longer: its name is spoken.
PLAUSIBLE = {"Latin": (0.035, 0.13), "Cyrillic": (0.03, 0.9), "Han": (0.1, 1.6), "Kana": (0.06, 1.2)}
ALONE = (0.15, 4.0)  # seconds of sound for up to two characters
HEARD = 0.15  # word error rate of Latin texts
LONGEST_RUN = 3  # words in a row: a piece has more


def run(places: Places, outcome: Outcome) -> None:
    """Speak each, longest last, and hear the Latin ones."""
    rows: list[list[Cell]] = []
    with ours(places) as server:
        server.wait_for("/health/ready")
        for each in sorted(LONG_TEXTS, key=lambda each: len(each.text)):
            title = f"{each.script}, {len(each.text)} characters, {each.voice}"
            model = weights.PIPER if each.piper else weights.SPEECH
            spoken = server.client.speech(model, each.voice, each.text)
            length = sounds.seconds(spoken.body, PIPER_RATE if each.piper else sounds.RATE) if spoken.good else 0.0
            outcome.check(spoken.good, f"{title}: whole answer {spoken.fault()}".rstrip())
            low, high = _plausible(each)
            outcome.check(low <= length <= high, f"{title}: {length:.1f} s of sound, {low:.1f} to {high:.1f} expected")
            rate: float | None = None
            if spoken.good and each.script == "Latin" and len(each.text) > 2:
                rate = _hear(outcome, server.client.transcription, each, title, spoken.body)
            silent = sounds.dry(spoken.arrivals, PIPER_RATE if each.piper else sounds.RATE)
            rows.append(
                [each.script, len(each.text), each.voice, spoken.status, spoken.first, spoken.end, length, silent, rate]
            )
    heads = ["script", "characters", "voice", "status", "first, s", "all, s", "sound, s", "silent, s", "word errors"]
    outcome.show("texts without a mark", heads, rows)


def _hear(outcome: Outcome, transcribe: Callable[..., Answer], each: LongText, title: str, pcm: bytes) -> float:
    heard = transcribe(weights.WHISPER, sounds.wav(pcm, PIPER_RATE if each.piper else sounds.RATE))
    compared = compare(each.text, heard.body.decode(errors="replace") if heard.good else "")
    outcome.check(
        compared.rate <= HEARD and compared.gap <= LONGEST_RUN and compared.addition <= LONGEST_RUN,
        f"{title}: word error rate {compared.rate:.3f}, {compared.gap} words in a row missing, "
        f"{compared.addition} added",
    )
    return compared.rate


def _plausible(each: LongText) -> tuple[float, float]:
    if len(each.text) <= 2:
        return ALONE
    low, high = PLAUSIBLE[each.script]
    return low * len(each.text), high * len(each.text)
