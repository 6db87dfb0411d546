"""Inputs of real clients: each gets the answer that its sender expects."""

import functools
import io
import json
import random
import re
import wave
from collections.abc import Callable

import sounds
import weights
from client import Answer, Client, events
from outcome import Outcome
from servers import Places, ours

SENTENCE = "The quick brown fox jumps over the lazy dog."
STORY = (
    f"{SENTENCE} It was a bright cold day in April, and the clocks were striking. Winston Smith, his chin on his "
    "breast in an effort to escape the wind, slipped quickly through the glass doors of the house."
)
LANGUAGES = {"": 200, "en": 200, "EN": 200, "en-US": 200, "english": 200, "auto": 200, "xx": 422, "klingon": 422}
TEXTS = ("json", "text", "verbose_json", "srt", "vtt")


def run(places: Places, outcome: Outcome) -> None:
    """Send all of it to one service."""
    with ours(places) as server:
        server.wait_for("/health/ready")
        for check in (_languages, _nothing_said, _files, _streams, _subtitles, _voices, _nothing_to_say):
            check(server.client, outcome)


def _spoken(client: Client, text: str = SENTENCE) -> bytes:
    return sounds.wav(client.speech(weights.SPEECH, "af_bella", text).body)


def _expect(outcome: Outcome, name: str, answer: Answer, status: int, is_right: Callable[[str], bool]) -> None:
    text = answer.body.decode(errors="replace")
    right = answer.status == status and answer.broken is None and is_right(text)
    outcome.check(right, f"{name}: {answer.status} {text[:120]!r}")


def _languages(client: Client, outcome: Outcome) -> None:
    recording = _spoken(client)
    for language, status in LANGUAGES.items():
        # N.B. an empty field is sent, too.
        answer = client.transcription(weights.WHISPER, recording, language=None, fields={"language": language})
        expected = "lazy dog" if status == 200 else "it knows "
        _expect(outcome, f"language `{language}`", answer, status, functools.partial(_has, expected))


def _has(part: str, text: str) -> bool:
    return part in text


def _nothing_said(client: Client, outcome: Outcome) -> None:
    source = random.Random(1)  # noqa: S311 - nothing is kept secret with it
    noise = b"".join(int(source.gauss(0, 1500)).to_bytes(2, "little", signed=True) for _ in range(160_000))
    for name, pcm in (("5 s of silence", bytes(160_000)), ("10 s of noise", noise), ("10 ms of noise", noise[:320])):
        for form in TEXTS:
            answer = client.transcription(weights.WHISPER, sounds.wav(pcm, 16_000), fields={"response_format": form})
            _expect(outcome, f"{name} as {form}", answer, 200, functools.partial(_is_empty, form))


def _is_empty(form: str, text: str) -> bool:
    if form in ("json", "verbose_json"):
        return bool(json.loads(text)["text"] == "")
    return text.strip() == ("WEBVTT" if form == "vtt" else "")


def _files(client: Client, outcome: Outcome) -> None:
    mp3 = client.speech(weights.SPEECH, "af_bella", STORY, "mp3").body
    middle = len(mp3) // 2
    noise = random.Random(1).randbytes(1500)  # noqa: S311 - nothing is kept secret with it
    damaged = mp3[:middle] + noise + mp3[middle + 1500 :]
    answer = client.transcription(weights.WHISPER, damaged, "a.mp3", fields={"response_format": "verbose_json"})
    _expect(
        outcome,
        "an mp3 with damage in the middle",
        answer,
        200,
        lambda text: "glass doors" in text and "damaged at" in json.loads(text)["warnings"][0],
    )
    wav = _spoken(client)
    for name, content, status in (
        ("an empty file", b"", 415),
        ("text", b"hello " * 500, 415),
        ("the head of a wav", wav[:44], 422),
        ("one sample", wav[:46], 422),
        ("half an mp3 header", mp3[:2], 415),
    ):
        _expect(outcome, name, client.transcription(weights.WHISPER, content), status, lambda text: "detail" in text)
    _expect(
        outcome,
        "a wav called mp3",
        client.transcription(weights.WHISPER, wav, "a.mp3"),
        200,
        lambda text: "fox" in text,
    )


def _streams(client: Client, outcome: Outcome) -> None:
    answer = client.transcription(weights.WHISPER, _spoken(client, STORY), fields={"stream": "true"})
    told = list(events(answer.body))
    deltas = "".join(event["delta"] for event in told if event["type"] == "transcript.text.delta")
    whole = told[-1].get("text") if told else None
    outcome.check(bool(whole) and whole == deltas.strip(), f"a stream ends with its whole text: {str(whole)[:80]!r}")


def _subtitles(client: Client, outcome: Outcome) -> None:
    recording = _spoken(client, f"{STORY} {STORY}")
    for form, mark in (("srt", ","), ("vtt", ".")):
        text = client.transcription(weights.WHISPER, recording, fields={"response_format": form}).body.decode()
        moment = rf"(\d\d):(\d\d):(\d\d)\{mark}(\d\d\d)"
        cues = re.findall(rf"{moment} --> {moment}\n((?:.+\n)+)", text)
        lengths = [_seconds(cue[4:8]) - _seconds(cue[:4]) for cue in cues]
        lines = [line for cue in cues for line in cue[8].splitlines()]
        right = len(cues) > 5 and max(lengths) <= 7.001 and max(map(len, lines)) <= 42
        right = right and max(len(cue[8].splitlines()) for cue in cues) <= 2
        columns = max(map(len, lines), default=0)
        longest = max(lengths, default=0.0)
        outcome.check(right, f"{form}: {len(cues)} cues, at most {longest:.1f} s and {columns} columns")


def _seconds(parts: tuple[str, ...]) -> float:
    hours, minutes, seconds, milliseconds = (int(part) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _voices(client: Client, outcome: Outcome) -> None:
    for voice, status in (
        ("af_bella+af_sky", 200),
        ("af_bella(2)+af_sky(1)", 200),
        ("alloy", 200),
        ("nova", 200),
        ("onyx", 200),
        ("af_bella+nobody", 422),
        ("nobody", 422),
    ):
        answer = client.speech(weights.SPEECH, voice, SENTENCE)
        outcome.check(answer.status == status and answer.broken is None, f"voice `{voice}`: {answer.status}")
    for voice in (
        "zf_xiaobei",
        "zf_xiaoni",
        "zf_xiaoxiao",
        "zf_xiaoyi",
        "zm_yunjian",
        "zm_yunxi",
        "zm_yunxia",
        "zm_yunyang",
    ):
        answer = client.speech(weights.SPEECH, voice, "今天天气很好，我们一起去公园散步吧。")
        seconds = sounds.seconds(answer.body) if answer.good else 0.0
        outcome.check(2 < seconds < 8, f"Chinese by `{voice}`: {seconds:.1f} s of sound {answer.fault()}")
    kana = client.speech(weights.SPEECH, "jf_alpha", "こんにちは、わたしのなまえはあゆみです。")
    outcome.check(kana.good, f"Japanese in kana: {kana.status}")
    signs = client.speech(weights.SPEECH, "jf_alpha", "私の名前はあゆみです。")
    _expect(outcome, "Japanese with signs", signs, 422, lambda text: "kana" in text)


def _nothing_to_say(client: Client, outcome: Outcome) -> None:
    for model in (weights.SPEECH, weights.PIPER):
        _expect(outcome, f"no text for {model}", client.speech(model, "alloy", ""), 422, lambda text: "`input`" in text)
        for text in (" ", "-", "…", "\N{SLIGHTLY SMILING FACE}", "\n\n"):
            answer = client.speech(model, "alloy", text, "wav")
            silent = answer.good and not any(_samples(answer.body))
            outcome.check(silent, f"{text!r} by {model}: {len(answer.body)} bytes {answer.fault()}")


def _samples(content: bytes) -> bytes:
    with wave.open(io.BytesIO(content)) as file:
        return bytes(file.readframes(file.getnframes()))
