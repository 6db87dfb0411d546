#!/usr/bin/env python3
"""Ask two running services the same, one with whisper.cpp and one with faster-whisper, and compare how they answer.

    python tests/upstream/compare_transcription.py WHISPERCPP_URL FASTER_WHISPER_URL SPEECH.wav MODEL [-v]

Status, media type and shape (every key, and the type of every value, at every depth) have to be the same for every
request; `-v` shows the answers. `SPEECH.wav` has 16 bit and one channel, and may be short; it is taken for 16 kHz.
Nothing beyond the standard library is needed.
"""

from __future__ import annotations

import http.client
import io
import json
import sys
import threading
import urllib.parse
import uuid
import wave
from typing import Any, NamedTuple

RATE = 16000

class Answer(NamedTuple):
    """What came back."""

    status: int
    media_type: str
    body: bytes


def ask(url: str, path: str, sound: bytes, fields: list[tuple[str, str]], timeout: float = 600) -> Answer:
    """Send one request."""
    boundary = uuid.uuid4().hex
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    )
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    ).encode()
    body += sound + f"\r\n--{boundary}--\r\n".encode()
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        response = connection.getresponse()
        return Answer(response.status, response.headers.get_content_type(), response.read())
    finally:
        connection.close()


def shape(value: Any) -> Any:
    """A value with types in place of what is in it; of a list, the different shapes of its items."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return ["list", *sorted({json.dumps(shape(item)) for item in value})]
    return type(value).__name__


def decoded(answer: Answer) -> Any:
    """What a body says."""
    text = answer.body.decode()
    if answer.media_type == "application/json":
        return json.loads(text)
    if answer.media_type == "text/event-stream":
        return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    return text


def wav(samples: bytes) -> bytes:
    """A WAV file of 16 bit samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


def main() -> int:
    """Run all comparisons; 1 when one failed."""
    ours, theirs, path, model = sys.argv[1:5]
    with wave.open(path) as reader:
        speech = reader.readframes(reader.getnframes())
    pause = bytes(2 * RATE)
    long = speech
    while len(long) < 2 * RATE * 72:
        long += pause + speech
    sounds = {
        "short": wav(speech[: 2 * RATE * 10]),
        "72 s": wav(long[: 2 * RATE * 72]),
        "5 s of silence": wav(pause * 5),
        "35 s of silence": wav(pause * 35),
        "0.05 s": wav(speech[: 2 * RATE // 20]),
    }
    words = ("timestamp_granularities[]", "word")
    segments = ("timestamp_granularities[]", "segment")
    transcription, translation = "/v1/audio/transcriptions", "/v1/audio/translations"
    requests: list[tuple[str, str, str, list[tuple[str, str]]]] = []
    for form in ("text", "json", "verbose_json", "srt", "vtt"):
        requests.append((f"transcription, {form}", transcription, "short", [("response_format", form)]))
        requests.append((f"translation, {form}", translation, "short", [("response_format", form)]))
        requests.append((f"72 s, {form}", transcription, "72 s", [("response_format", form)]))
        stamps = [("response_format", form), ("without_timestamps", "false")]
        requests.append((f"timestamps, {form}", transcription, "short", stamps))
    verbose = ("response_format", "verbose_json")
    requests += [
        ("words", transcription, "short", [verbose, words]),
        ("words and segments", transcription, "short", [verbose, words, segments]),
        ("words and timestamps", transcription, "short", [verbose, words, ("without_timestamps", "false")]),
        ("words of 72 s", transcription, "72 s", [verbose, words]),
        ("stream", transcription, "short", [("stream", "true")]),
        ("stream of 72 s", transcription, "72 s", [("stream", "true")]),
        ("language=en", transcription, "short", [verbose, ("language", "en")]),
        ("language=de", transcription, "short", [verbose, ("language", "de")]),
        ("language=xx", transcription, "short", [verbose, ("language", "xx")]),
        ("prompt", transcription, "short", [("prompt", "the bundled speech")]),
        ("hotwords", transcription, "short", [("hotwords", "smoke test")]),
        ("prompt and hotwords", transcription, "short", [("prompt", "speech"), ("hotwords", "smoke")]),
        ("temperature=0.5", transcription, "short", [verbose, ("temperature", "0.5")]),
        ("5 s of silence", transcription, "5 s of silence", [verbose]),
        ("35 s of silence", transcription, "35 s of silence", [verbose]),
        ("35 s of silence, words", transcription, "35 s of silence", [verbose, words]),
        ("35 s of silence, stream", transcription, "35 s of silence", [("stream", "true")]),
        ("0.05 s", transcription, "0.05 s", [verbose]),
    ]
    failed = 0
    for name, route, sound, fields in requests:
        sent = [("model", model), *fields]
        one, other = (ask(url, route, sounds[sound], sent) for url in (ours, theirs))
        first, second = decoded(one), decoded(other)
        same = one[:2] == other[:2] and shape(first) == shape(second)
        failed += not same
        print(f"{'same' if same else 'DIFFERENT':<9}  {name:<28} {one.status} {one.media_type}")
        if not same:
            print(f"    whisper.cpp:    {one.status} {one.media_type} {json.dumps(first)[:600]}")
            print(f"    faster-whisper: {other.status} {other.media_type} {json.dumps(second)[:600]}")
        elif "-v" in sys.argv:
            print(f"    {json.dumps(first)[:400]}\n    {json.dumps(second)[:400]}")
    failed += not together(ours, sounds["short"], model)
    print(f"{failed} of {len(requests) + 1} failed")
    return 1 if failed else 0


def together(url: str, sound: bytes, model: str, count: int = 24) -> bool:
    """Many requests at once are all answered, and alike."""
    answers: list[Answer] = []

    def one() -> None:
        answers.append(ask(url, "/v1/audio/transcriptions", sound, [("model", model)]))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = len(answers) == count and len(set(answers)) == 1 and answers[0].status == 200
    print(f"{'same' if good else 'DIFFERENT':<9}  {count} at once: {len(answers)} answers, {len(set(answers))} different")
    return good


if __name__ == "__main__":
    sys.exit(main())
