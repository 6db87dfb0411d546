"""Load: long and one-word speech beside transcriptions of a minute, and the memory that it takes."""

import statistics
import threading
import time
from collections.abc import Callable

import sounds
import weights
from client import Answer
from outcome import Outcome
from servers import Places, Server, ours
from table import Cell
from texts import LONG

LASTS = 180.0  # seconds in which requests are begun
LONG_REQUESTS = WORDS = TRANSCRIPTIONS = 4
WORD_WAIT = 3.0  # times as long as the same four alone
HEALTH = 1.0  # seconds
GROWTH = 1.10  # of what was resident in the first minute
RESIDENT = 900.0  # megabytes after one speech and one transcription
PAUSE = 10.0  # seconds between rounds of one-word requests


def run(places: Places, outcome: Outcome) -> None:
    """Measure alone, then all at once."""
    # One model that hears, which is the one that transcribes below.
    with ours(places, "--stt-model", weights.WHISPER) as server:
        server.wait_for("/health/ready")
        after_start = server.resident()
        spoken = server.client.speech(weights.SPEECH, "af_bella", LONG[:300])
        server.client.transcription(weights.WHISPER, sounds.wav(spoken.body))
        after_one = server.resident()
        outcome.check(after_one <= RESIDENT, f"resident after a speech and a transcription: {after_one:.0f} MB")
        minute = sounds.wav(_a_minute(server))
        single = statistics.median(_word(server, weights.SPEECH, "af_bella").end for _ in range(3))
        piper_single = statistics.median(_word(server, weights.PIPER, "joe").end for _ in range(3))
        alone = [answer.end for _ in range(3) for answer in _words_at_once(server)]
        _under_load(outcome, server, minute, single, alone, piper_single)
        rows: list[list[Cell]] = [["after the start", after_start], ["after one of each", after_one]]
        rows.append(["after the load", server.resident()])
        outcome.show("resident", ["", "MB"], rows)


def _a_minute(server: Server) -> bytes:
    """A minute of speech, of Kokoro's rate."""
    pcm = server.client.speech(weights.SPEECH, "am_michael", LONG[:1100]).body
    length = 60 * sounds.RATE * 2
    return (pcm * (1 + length // max(1, len(pcm))))[:length]


def _word(server: Server, model: str, voice: str) -> Answer:
    return server.client.speech(model, voice, "Yes.")


def _words_at_once(server: Server) -> list[Answer]:
    answers: list[Answer] = []
    workers = [
        threading.Thread(target=lambda: answers.append(_word(server, weights.SPEECH, "af_bella"))) for _ in range(WORDS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return answers


class _Load:
    """Requests that go on until a time is over, and what became of them."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.answers: dict[str, list[Answer]] = {}
        self.faults: list[str] = []
        self.resident: list[tuple[float, float]] = []
        self.health: list[float] = []
        self.drained = threading.Event()

    def repeat(self, kind: str, request: Callable[[], Answer], pause: float = 0.0) -> None:
        """Ask again and again; the last answers may come when the time is over."""
        while time.monotonic() - self.begun < LASTS:
            answer = request()
            self.answers.setdefault(kind, []).append(answer)
            if not answer.good or not answer.body:
                self.faults.append(f"{kind}: {answer.fault() or 'empty'}")
                # What fails at once is not asked for thousands of times.
                time.sleep(1)
            time.sleep(pause)

    def watch(self, server: Server) -> None:
        """Ask for the health and look at the memory, twice a second."""
        while not self.drained.is_set():
            answer = server.client.get("/health")
            self.health.append(answer.end)
            if not answer.good:
                self.faults.append(f"/health: {answer.fault()}")
            self.resident.append((time.monotonic() - self.begun, server.resident()))
            self.drained.wait(0.5)


def _under_load(
    outcome: Outcome, server: Server, minute: bytes, single: float, alone: list[float], piper_single: float
) -> None:
    load = _Load()
    client = server.client
    kinds: list[tuple[str, int, float, Callable[[], Answer]]] = [
        ("long speech", LONG_REQUESTS, 0.0, lambda: client.speech(weights.SPEECH, "af_bella", LONG)),
        ("a minute heard", TRANSCRIPTIONS, 0.0, lambda: client.transcription(weights.WHISPER, minute)),
        ("one word", WORDS, PAUSE, lambda: _word(server, weights.SPEECH, "af_bella")),
        ("one word, Piper", 1, PAUSE, lambda: _word(server, weights.PIPER, "joe")),
    ]
    workers = [
        threading.Thread(target=load.repeat, args=(kind, request, pause))
        for kind, count, pause, request in kinds
        for _ in range(count)
    ]
    watcher = threading.Thread(target=load.watch, args=(server,))
    for thread in (watcher, *workers):
        thread.start()
    for worker in workers:
        worker.join()
    load.drained.set()
    watcher.join()

    rows: list[list[Cell]] = []
    for kind, answers in load.answers.items():
        ends = sorted(answer.end for answer in answers)
        firsts = sorted(answer.first for answer in answers)
        tail = max(answer.end - answer.last for answer in answers)
        rows.append([kind, len(ends), statistics.median(firsts), statistics.median(ends), ends[-1], tail])
    rows.append(["one word alone", 3, None, single, None, None])
    rows.append([f"{WORDS} one-word requests alone", len(alone), None, statistics.median(alone), max(alone), None])
    rows.append(["one word alone, Piper", 3, None, piper_single, None, None])
    rows.append(["/health", len(load.health), None, statistics.median(load.health), max(load.health), None])
    heads = ["request", "answers", "first byte, s", "end, s", "worst end, s", "worst after last byte, s"]
    outcome.show(f"{LASTS:.0f} s of load", heads, rows)

    outcome.check(not load.faults, f"no error: {len(load.faults)} {load.faults[:3]}")
    worst = max(answer.end for answer in load.answers["one word"])
    outcome.check(
        worst <= WORD_WAIT * max(alone),
        f"one-word answers end after {worst:.1f} s at worst: {worst / max(alone):.1f} times as long as the same "
        f"{WORDS} alone, {worst / single:.1f} times as long as one alone",
    )
    outcome.check(max(load.health) <= HEALTH, f"/health answers in {max(load.health):.3f} s at worst")
    first = [megabytes for at, megabytes in load.resident if at <= 60]
    last = statistics.median(megabytes for _at, megabytes in load.resident[-10:])
    grown = last / max(first)
    outcome.check(grown <= GROWTH, f"resident at the end: {last:.0f} MB, {grown:.2f} of the {max(first):.0f} before")
    highest = max(megabytes for _at, megabytes in load.resident)
    outcome.note(f"resident at most {highest:.0f} MB; at the end of each half minute: {_samples(load.resident)}")


def _samples(resident: list[tuple[float, float]]) -> str:
    found: dict[int, float] = {}
    for at, megabytes in resident:
        found[int(at // 30)] = megabytes
    return ", ".join(f"{megabytes:.0f}" for megabytes in found.values())
