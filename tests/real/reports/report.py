"""A report, and shared parts of the cases: recordings, and the words of an answer."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sounds
import weights
from client import Answer, Client, Part
from outcome import Missing

SENTENCE = "The quick brown fox jumps over the lazy dog near the quiet river."


@dataclass
class Kit:
    """A service, and recordings that are made once."""

    client: Client
    work: Path
    python: Path
    _spoken: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def recording(self, text: str = SENTENCE, voice: str = "af_bella", model: str = weights.SPEECH) -> bytes:
        """A wav of a text, 24 000 samples a second."""
        key = (text, voice, model)
        if key not in self._spoken:
            self._spoken[key] = sounds.wav(self.client.speech(model, voice, text).body)
        return self._spoken[key]

    def listen(self, audio: bytes, name: str = "speech.wav", language: str | None = "en", **fields: str) -> Answer:
        """The transcription of a file."""
        return self.client.transcription(weights.WHISPER, audio, name, language, fields)

    def convert(self, *arguments: str, **files: bytes) -> bytes:
        """What ffmpeg writes to its last argument; the keyword `a_wav` is the file `a.wav`."""
        for name, content in files.items():
            (self.work / name.replace("_", ".")).write_bytes(content)
        command = ["ffmpeg", "-v", "error", "-y", *arguments]
        try:
            made = subprocess.run(command, cwd=self.work, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise Missing("`ffmpeg` is not on this machine") from error
        if made.returncode:
            raise Missing(f"this ffmpeg cannot do it: {made.stderr.strip()[-200:]}")
        return (self.work / arguments[-1]).read_bytes()


@dataclass(frozen=True)
class Finding:
    """Whether an answer is right, and what it was."""

    right: bool
    found: str


Judge = Callable[[Kit], Finding]
Make = Callable[[Kit], bytes]
Send = Callable[[Kit], Answer]


@dataclass(frozen=True)
class Report:
    """A public report: where it is, what went wrong there, what is sent here, and how the answer is judged."""

    source: str
    fault: str
    sent: str
    judge: Judge


def words(text: str) -> str:
    """A text as its words, so that marks and capitals do not matter."""
    letters = "".join(letter if letter.isalnum() or letter.isspace() else " " for letter in text.lower())
    return f" {' '.join(letters.split())} "


def contains(heard: str, expected: str) -> bool:
    """Whether words are heard one after the other; `a|b` is either."""
    said = words(heard)
    # Some scripts have no blanks between words.
    return any(words(choice) in said if choice.isascii() else choice in heard for choice in expected.split("|"))


def judged(heard: str, expected: tuple[str, ...], never: tuple[str, ...]) -> Finding:
    """Whether all that is expected was heard, and nothing else of what must not be."""
    missing = [one for one in expected if not contains(heard, one)]
    wrong = [one for one in never if contains(heard, one)]
    faults = [f"lacks `{one}`" for one in missing] + [f"has `{one}`" for one in wrong]
    return Finding(not faults, f"{heard.strip()[:140]!r}{': ' if faults else ''}{', '.join(faults)}")


def says(
    text: str,
    *expected: str,
    never: tuple[str, ...] = (),
    voice: str = "af_bella",
    model: str = weights.SPEECH,
    language: str | None = "en",
    response_format: str = "wav",
) -> Judge:
    """Speaks a text, and listens to it."""

    def judge(kit: Kit) -> Finding:
        spoken = kit.client.speech(model, voice, text, response_format)
        if not spoken.good:
            return Finding(False, spoken.fault())
        heard = kit.listen(spoken.body, f"speech.{response_format}", language)
        return judged(heard.body.decode(), expected, never) if heard.good else Finding(False, heard.fault())

    return judge


def hears(
    make: Make,
    *expected: str,
    name: str = "speech.wav",
    language: str | None = "en",
    never: tuple[str, ...] = (),
    **fields: str,
) -> Judge:
    """Transcribes a file."""

    def judge(kit: Kit) -> Finding:
        heard = kit.listen(make(kit), name, language, **fields)
        return judged(heard.body.decode(), expected, never) if heard.good else Finding(False, heard.fault())

    return judge


def answers(send: Send, *statuses: int, having: str = "") -> Judge:
    """Sends a request, and looks at its status; an error has to be short, and of the form of the others."""

    def judge(kit: Kit) -> Finding:
        answer = send(kit)
        text = answer.body.decode(errors="replace")
        right = answer.status in statuses and answer.broken is None and having in text
        if answer.status >= 400:
            right = right and len(text) < 2000 and '"detail"' in text
        return Finding(right, f"{answer.status} {text[:120]!r}" if answer.status != 200 or having else "200")

    return judge


def form(*fields: tuple[str, str], file: bytes | None = None) -> Send:
    """A transcription with these fields, of the sentence unless the `file` is another."""

    def send(kit: Kit) -> Answer:
        parts = [Part(name, value.encode()) for name, value in fields]
        if not any(name == "model" for name, _ in fields):
            parts.append(Part("model", weights.WHISPER.encode()))
        return kit.client.form([*parts, Part("file", file or kit.recording(), 'filename="speech.wav"')])

    return send


def speech(body: object, path: str = "/v1/audio/speech", method: str = "POST") -> Send:
    """A request for speech with this body: bytes as they are, anything else as JSON with the usual fields added."""

    def send(kit: Kit) -> Answer:
        sent = body
        if isinstance(body, dict):
            sent = {"model": weights.SPEECH, "voice": "af_bella", "input": "Hello.", "response_format": "pcm"} | body
        content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return kit.client.send(method, path, content, {"Content-Type": "application/json"}, timeout=120.0)

    return send
