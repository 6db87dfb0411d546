"""Formats: the time of a paragraph's first byte in each format, the headers, and gaps during playback."""

import sounds
import weights
from alignment import compare
from client import Answer, events, sound
from outcome import Outcome
from servers import Places, Server, ours, upstream
from table import Cell
from texts import PARAGRAPH, SENTENCE

VOICE = "af_bella"
FIRST_BYTE = 0.06  # of upstream's, for the paragraph
WHOLE_ANSWER = 0.5  # of upstream's
REAL_TIME = 0.5  # seconds of waiting for a second of sound, on two cores
SENTENCE_WALL = 0.40  # of upstream's
SENTENCE_PROCESSOR = 0.50
TRANSCRIPTION_PROCESSOR = 0.75
HEARD = 0.1  # word error rate of what the answer of a format contains
# As asked for: response_format and stream_format.
ASKED: list[tuple[str, str | None]] = [
    ("pcm", None),
    ("wav", None),
    ("mp3", None),
    ("opus", None),
    ("flac", None),
    ("aac", None),
    ("pcm", "sse"),
    ("wav", "sse"),
    ("mp3", "sse"),
]
REPRESENTATIVE = [("pcm", None), ("mp3", None), ("pcm", "sse")]
STARTS = {
    "wav": (b"RIFF",),
    "mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    "opus": (b"OggS",),
    "flac": (b"fLaC",),
    "aac": (b"\xff\xf1", b"\xff\xf9"),
}


def run(places: Places, outcome: Outcome) -> None:
    """Ask for a sentence and a paragraph in every format, of upstream too where it is."""
    with ours(places) as server:
        server.wait_for("/health/ready")
        _warm(server)
        own = {asked: _speak(server, PARAGRAPH, asked) for asked in ASKED}
        _judge_formats(outcome, server, own)
        _judge_heads(outcome, server)
        own_sentence = _measure_sentence(server)
    if not places.has_upstream:
        outcome.lacks("the comparison with upstream: `--upstream-python` and `--upstream-source` say where it is")
        return
    with upstream(places) as server:
        server.wait_for("/health")
        _warm(server)
        # Its pieces are the same in every format, so that one of each way of sending is enough.
        theirs = {asked: _speak(server, PARAGRAPH, asked) for asked in ASKED if asked in REPRESENTATIVE}
        their_sentence = _measure_sentence(server)
    _compare(outcome, own, theirs)
    _compare_sentence(outcome, own_sentence, their_sentence)


def _warm(server: Server) -> None:
    spoken = server.client.speech(weights.SPEECH, VOICE, "Good morning.")
    server.client.transcription(weights.WHISPER, sounds.wav(spoken.body))


def _speak(server: Server, text: str, asked: tuple[str, str | None]) -> Answer:
    return server.client.speech(weights.SPEECH, VOICE, text, *asked)


def _judge_formats(outcome: Outcome, server: Server, own: dict[tuple[str, str | None], Answer]) -> None:
    length = sounds.seconds(own["pcm", None].body)
    rows: list[list[Cell]] = []
    for (name, stream), answer in own.items():
        dry = sounds.dry(answer.arrivals) if (name, stream) == ("pcm", None) else None
        title = name if stream is None else f"{name} in SSE"
        content = answer.body if stream is None else sound(answer.body)
        recording = sounds.wav(content) if name == "pcm" else content
        heard = server.client.transcription(weights.WHISPER, recording, f"speech.{'wav' if name == 'pcm' else name}")
        rate = compare(PARAGRAPH, heard.body.decode(errors="replace")).rate if heard.good else 1.0
        parts = len(list(events(answer.body))) - 1 if stream else None
        rows.append([title, answer.first, answer.end, answer.end / max(0.1, length), dry, parts, len(content), rate])
        outcome.check(answer.good, f"{title}: whole answer {answer.fault()}".rstrip())
        if name in STARTS:
            right = content.startswith(STARTS[name])
            outcome.check(right, f"{title}: begins as {name} does: {content[:4]!r}")
        else:
            outcome.check(not content.startswith(b"RIFF") and len(content) % 2 == 0, f"{title}: nothing but samples")
        outcome.check(rate <= HEARD, f"{title}: its content is understood, word error rate {rate:.3f}")
        if stream is not None and answer.good:
            kinds = [event.get("type") for event in events(answer.body)]
            outcome.check(kinds[-1:] == ["speech.audio.done"], f"{title}: ends with `speech.audio.done`: {kinds[-1:]}")
            outcome.check(len(kinds) > 2, f"{title}: an event for each piece: {len(kinds) - 1}")
    heads = ["paragraph", "first byte, s", "all, s", "s per s of sound", "silent, s", "events", "bytes", "word errors"]
    outcome.show(f"a paragraph of {len(PARAGRAPH)} characters, {length:.1f} s of sound", heads, rows)
    pcm = own["pcm", None]
    outcome.check(pcm.end / max(0.1, length) <= REAL_TIME, f"{pcm.end / max(0.1, length):.2f} s per second of sound")
    dry = sounds.dry(pcm.arrivals)
    outcome.check(dry == 0.0, f"a player that starts with the first byte is silent for {dry:.2f} s")


def _judge_heads(outcome: Outcome, server: Server) -> None:
    short = _speak(server, "Good morning.", ("wav", None))
    head = sounds.header(short.body)
    outcome.check(head is not None and head.rate == sounds.RATE, f"the head of a short wav: {head}")
    if head is not None:
        data, whole = len(short.body) - head.start, len(short.body) - 8
        said = f"states {head.data} bytes of sound and {head.riff} in all; it has {data} and {whole}"
        outcome.check((head.data, head.riff) == (data, whole), f"a wav that is complete before it is sent {said}")
    long = _speak(server, PARAGRAPH, ("wav", None))
    head = sounds.header(long.body)
    outcome.check(head is not None, "a wav that is sent as it comes has a head")
    if head is not None:
        data = len(long.body) - head.start
        # Players take the first as "until the end"; a stated length must not be shorter than what comes.
        fits = head.data in (0xFFFFFFFF, data) or head.data >= 0x7FFFF000
        outcome.check(fits, f"a wav that is sent as it comes states {head.data:#x} bytes of sound; it has {data:#x}")


def _measure_sentence(server: Server) -> dict[str, list[float]]:
    """Medians are taken of three; wall and processor, in seconds."""
    figures: dict[str, list[float]] = {"wall": [], "processor": [], "heard wall": [], "heard processor": []}
    for _ in range(3):
        before = server.processor()
        spoken = _speak(server, SENTENCE, ("pcm", None))
        figures["wall"].append(spoken.end)
        figures["processor"].append(server.processor() - before)
        before = server.processor()
        heard = server.client.transcription(weights.WHISPER, sounds.wav(spoken.body))
        figures["heard wall"].append(heard.end)
        figures["heard processor"].append(server.processor() - before)
    return figures


def _compare(
    outcome: Outcome, own: dict[tuple[str, str | None], Answer], theirs: dict[tuple[str, str | None], Answer]
) -> None:
    rows: list[list[Cell]] = []
    for (name, stream), answer in own.items():
        other = theirs.get((name, stream)) or theirs["pcm", stream] if stream else theirs.get((name, None))
        other = other or theirs["pcm", None]
        title = name if stream is None else f"{name} in SSE"
        ratio, whole = answer.first / other.first, answer.end / other.end
        rows.append([title, answer.first, other.first, ratio, answer.end, other.end, whole])
        outcome.check(ratio <= FIRST_BYTE, f"{title}: first byte at {ratio:.3f} of upstream's")
        outcome.check(whole <= WHOLE_ANSWER, f"{title}: whole answer at {whole:.2f} of upstream's")
    heads = ["paragraph", "first byte, s", "upstream's", "ratio", "all, s", "upstream's", "ratio"]
    outcome.show("beside upstream", heads, rows)


def _compare_sentence(outcome: Outcome, own: dict[str, list[float]], theirs: dict[str, list[float]]) -> None:
    rows: list[list[Cell]] = []
    bounds = {"wall": SENTENCE_WALL, "processor": SENTENCE_PROCESSOR, "heard processor": TRANSCRIPTION_PROCESSOR}
    for name, figures in own.items():
        middle, other = sorted(figures)[1], sorted(theirs[name])[1]
        rows.append([name, middle, other, middle / other])
        if name in bounds:
            ratio = middle / other
            outcome.check(ratio <= bounds[name], f"sentence, {name}: {ratio:.2f} of upstream's, {bounds[name]} allowed")
    heads = ["sentence", "this runtime, s", "upstream, s", "ratio"]
    outcome.show(f"a sentence of {len(SENTENCE)} characters, middle of three", heads, rows)
