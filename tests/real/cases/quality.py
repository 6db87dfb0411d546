"""Quality: the service's speech is understood as well as upstream's; each server transcribes its own speech."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import sounds
import weights
from alignment import Comparison, compare
from outcome import Missing, Outcome
from servers import Places, Server, ours, upstream
from table import Cell
from texts import UTTERANCES, Utterance

LONGEST_RUN = 2  # words in a row that may be missing or added, when Whisper has misheard


@dataclass(frozen=True)
class Heard:
    """What one server understood of its own sound."""

    text: str
    seconds: float


def run(places: Places, outcome: Outcome) -> None:
    """Speak and hear all with one server, then all with the other."""
    known = places.work / f"quality-upstream-{_digest()}.json"
    if not known.exists():
        if not places.has_upstream:
            raise Missing("upstream's server: `--upstream-python` and `--upstream-source` say where it is")
        with upstream(places) as server:
            server.wait_for("/health")
            known.write_text(json.dumps([asdict(heard) for heard in _hear_all(server, outcome.note)]))
    else:
        outcome.note(f"upstream's part was measured before: {known.name}")
    theirs = [Heard(**heard) for heard in json.loads(known.read_text())]
    with ours(places) as server:
        server.wait_for("/health/ready")
        mine = _hear_all(server, outcome.note)
    _judge(outcome, mine, theirs)


def _hear_all(server: Server, note: Callable[[str], None]) -> list[Heard]:
    found = []
    for utterance in UTTERANCES:
        spoken = server.client.speech(weights.SPEECH, utterance.voice, utterance.text)
        if not spoken.good or not spoken.body:
            note(f"{server.name}: {utterance.voice}: no speech: {spoken.fault()}")
            found.append(Heard("", 0.0))
            continue
        recording = sounds.wav(spoken.body)
        answer = server.client.transcription(weights.WHISPER, recording, language=utterance.language)
        if not answer.good:
            note(f"{server.name}: {utterance.voice}: not heard: {answer.fault()}")
        text = answer.body.decode(errors="replace").strip() if answer.good else ""
        found.append(Heard(text, sounds.seconds(spoken.body)))
    return found


def _judge(outcome: Outcome, mine: list[Heard], theirs: list[Heard]) -> None:
    said = [utterance.text for utterance in UTTERANCES]
    own = [compare(text, heard.text) for text, heard in zip(said, mine, strict=True)]
    other = [compare(text, heard.text) for text, heard in zip(said, theirs, strict=True)]

    rows: list[list[Cell]] = []
    for kind in dict.fromkeys(_group(utterance) for utterance in UTTERANCES):
        chosen = [index for index, utterance in enumerate(UTTERANCES) if _group(utterance) == kind]
        rates = [_rate([side[index] for index in chosen]) for side in (own, other)]
        rows.append([kind, len(chosen), sum(own[index].words for index in chosen), *rates])
    rows.append(["all", len(UTTERANCES), sum(each.words for each in own), _rate(own), _rate(other)])
    outcome.show("word error rate", ["kind", "texts", "words", "this runtime", "upstream"], rows)

    different: list[list[Cell]] = [
        [utterance.voice, a.errors, b.errors, _shortened(heard.text), _shortened(theirs_heard.text)]
        for utterance, a, b, heard, theirs_heard in zip(UTTERANCES, own, other, mine, theirs, strict=True)
        if a.errors != b.errors
    ]
    if different:
        heads = ["voice", "errors", "upstream's", "heard from this runtime", "heard from upstream"]
        outcome.show("understood differently", heads, different)

    english = [index for index, utterance in enumerate(UTTERANCES) if utterance.language == "en"]
    for name, indices in (("English", english), ("all languages", list(range(len(UTTERANCES))))):
        rate, bound = (_rate([side[index] for index in indices]) for side in (own, other))
        # Kokoro says a text a little differently each time, so that a word more or less is chance.
        differences = [own[index].errors - other[index].errors for index in indices]
        chance = math.sqrt(sum(each * each for each in differences)) / sum(own[index].words for index in indices)
        text = f"{rate:.4f} is no higher than upstream's {bound:.4f}, but for a standard error of {chance:.4f}"
        outcome.check(rate - bound <= chance + 1e-9, f"word error rate, {name}: {text}")

    damaged = 0
    for utterance, a, b, heard in zip(UTTERANCES, own, other, mine, strict=True):
        # What is missing of upstream's sound, too, in Whisper's ears is no fault of the way that ours was cut.
        if a.gap > max(LONGEST_RUN, b.gap) or a.addition > max(LONGEST_RUN, b.addition):
            damaged += 1
            outcome.note(
                f"{utterance.voice}: {a.gap} words in a row missing, {a.addition} added in {utterance.text[:40]!r}: "
                f"heard {heard.text[:300]!r}"
            )
    outcome.check(damaged == 0, f"no piece is missing, doubled or cut: {damaged} of {len(UTTERANCES)} texts are")
    sound, bound = (sum(heard.seconds for heard in side) for side in (mine, theirs))
    outcome.note(f"sound: {sound:.1f} s, upstream's {bound:.1f} s")


def _group(utterance: Utterance) -> str:
    return utterance.kind if utterance.language == "en" else utterance.language


def _rate(compared: list[Comparison]) -> float:
    return sum(each.errors for each in compared) / max(1, sum(each.words for each in compared))


def _shortened(text: str) -> str:
    return text if len(text) < 90 else f"{text[:87]}..."


def _digest() -> str:
    """Names what upstream was heard to say by what it was to say."""
    return hashlib.sha256(repr(UTTERANCES).encode()).hexdigest()[:12]
