"""Reports about the other fields of a speech request, the formats of its answer, and the transport."""

import json

import sounds
import weights
from client import Answer, events, sound
from reports.report import Finding, Judge, Kit, Report, answers, judged, speech

MAGIC = {"mp3": (b"\xff", b"ID3"), "opus": (b"OggS",), "aac": (b"\xff",), "flac": (b"fLaC",), "wav": (b"RIFF",)}
LONG = (
    "A man with a blue umbrella crossed the street and disappeared into the fog. Nobody had seen him before. "
    "She opened the window and listened to the rain for a long time, and the last word is elephant."
)


def _speed(kit: Kit) -> Finding:
    text = "The last word of this short sentence is elephant."
    lengths = {}
    for speed in (0.5, 0.7, 0.99, 1.0, 1.5, 2.0):
        # At twice the speed Whisper base mishears other voices, in what the model itself makes, too.
        answer = speech({"voice": "af_heart", "input": text, "speed": speed})(kit)
        if not answer.good:
            return Finding(False, f"speed {speed}: {answer.fault()}")
        lengths[speed] = sounds.seconds(answer.body)
        heard = kit.listen(sounds.wav(answer.body)).body.decode()
        if not judged(heard, ("elephant",), ()).right:
            return Finding(False, f"speed {speed}: {heard!r}")
    apart = max(abs(length * speed / lengths[1.0] - 1) for speed, length in lengths.items())
    return Finding(apart < 0.25, f"{ {speed: round(length, 1) for speed, length in lengths.items()} }")


def _start(text: str, speed: float) -> Judge:
    """Nothing sounds before the first word: the first words are heard as they are."""

    def judge(kit: Kit) -> Finding:
        heard = kit.listen(sounds.wav(speech({"input": text, "speed": speed})(kit).body)).body.decode()
        return Finding(heard.strip().lower().startswith(text.split()[0].lower()), repr(heard))

    return judge


def _formats(kit: Kit) -> Finding:
    whole = sounds.seconds(speech({"input": LONG})(kit).body)
    found = {}
    for name, magic in MAGIC.items():
        answer = speech({"input": LONG, "response_format": name})(kit)
        if not answer.good or not answer.body.startswith(magic):
            return Finding(False, f"{name}: {answer.fault()} {answer.body[:8]!r}")
        # The head of a wav that is streamed says more than comes.
        strict = () if name == "wav" else ("-xerror",)
        decoded = ("-f", "s16le", "-ar", "24000", "-ac", "1", "out.raw")
        pcm = kit.convert(*strict, "-i", f"speech.{name}", *decoded, **{f"speech_{name}": answer.body})
        found[name] = round(sounds.seconds(pcm) - whole, 2)
        if abs(found[name]) > 0.15:
            return Finding(False, f"{name}: {found[name]} s beside pcm")
    return Finding(True, f"seconds beside pcm: {found}")


def _default_format(kit: Kit) -> Finding:
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    answer = kit.client.send(
        "POST", "/v1/audio/speech", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return Finding(answer.content_type == "audio/mpeg" and answer.body[:1] in (b"\xff", b"I"), answer.content_type)


def _rate(kit: Kit) -> Finding:
    body = {"model": weights.PIPER, "voice": "joe", "input": LONG, "sample_rate": 24_000}
    pcm = speech(body)(kit).body
    wav = speech(body | {"response_format": "wav"})(kit).body
    own = sounds.header(speech({"model": weights.PIPER, "voice": "joe", "response_format": "wav"})(kit).body)
    header = sounds.header(wav)
    assert header is not None and own is not None
    seconds = (len(wav) - header.start) / 2 / header.rate
    # Piper speaks a little otherwise each time; 22 050 samples a second would be 8 % less.
    same = abs(sounds.seconds(pcm) / seconds - 1) < 0.05
    found = f"{sounds.seconds(pcm):.1f} and {seconds:.1f} s; without `sample_rate` {own.rate} a second"
    return Finding(same and header.rate == 24_000 and own.rate == 22_050, found)


def _own_wav(kit: Kit) -> Finding:
    wav = speech({"input": LONG, "response_format": "wav"})(kit).body
    answer = json.loads(kit.listen(wav, response_format="verbose_json").body)
    header = sounds.header(wav)
    assert header is not None
    seconds = (len(wav) - header.start) / 2 / header.rate
    return Finding(abs(answer["duration"] - seconds) < 0.1 and "elephant" in answer["text"], f"{answer['duration']} s")


def _sse(model: str) -> Judge:
    def judge(kit: Kit) -> Finding:
        answer = speech({"model": model, "input": LONG, "stream_format": "sse"})(kit)
        kinds = [event["type"] for event in events(answer.body)]
        right = answer.content_type.startswith("text/event-stream") and kinds[-1] == "speech.audio.done"
        right = right and set(kinds[:-1]) == {"speech.audio.delta"} and sounds.seconds(sound(answer.body)) > 5
        return Finding(right, f"{answer.content_type}, {len(kinds)} events, the last `{kinds[-1] if kinds else ''}`")

    return judge


def _methods(kit: Kit) -> Finding:
    found = {}
    for method, path in (
        ("GET", "/v1/audio/speech"),
        ("HEAD", "/v1/audio/speech"),
        ("GET", "/v1/audio/transcriptions"),
        ("PUT", "/v1/audio/speech"),
        ("POST", "/audio/transcriptions"),
        ("POST", "/v1/v1/audio/speech"),
        ("POST", "//v1/audio/speech"),
    ):
        answer = kit.client.send(method, path, b"{}", {"Content-Type": "application/json"}, timeout=30.0)
        found[f"{method} {path}"] = answer.status
        if answer.status not in (404, 405) or (method != "HEAD" and b'"detail"' not in answer.body):
            return Finding(False, f"{method} {path}: {answer.status} {answer.body[:80]!r}")
    return Finding(True, f"{list(found.values())}")


def _preflight(kit: Kit) -> Finding:
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    answer = kit.client.send("OPTIONS", "/v1/audio/speech", None, headers, timeout=30.0)
    return Finding(answer.status in (200, 400, 405), f"{answer.status}")


def _odd_headers(kit: Kit) -> Finding:
    body = json.dumps({"model": "tts-1", "voice": "alloy", "input": "Hello.", "response_format": "pcm"}).encode()
    found: dict[str, int] = {}
    for headers in (
        {"Content-Type": "text/plain"},
        {},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Accept": "x/y"},
        {"Content-Type": "application/json", "Authorization": "Basic eA=="},
    ):
        answer: Answer = kit.client.send("POST", "/v1/audio/speech", body, headers)
        found[str(headers)] = answer.status
        if answer.status == 0 or answer.status >= 500:
            return Finding(False, f"{headers}: {answer.fault()}")
    return Finding(True, f"{list(found.values())}")


REPORTS = [
    Report(
        "hexgrad/kokoro#344",
        "a sound before the first word at low speed",
        '`Little birds are here.`, `"speed": 0.7`',
        _start("Little birds are here.", 0.7),
    ),
    Report(
        "hexgrad/kokoro#174",
        "the last word is cut at high speed",
        "a sentence at six speeds: the last word is heard",
        _speed,
    ),
    Report(
        "thewh1teagle/kokoro-onnx#155",
        "speed is a whole number",
        "a sentence at six speeds: lengths follow the speed",
        _speed,
    ),
    Report(
        "lucasjinreal/Kokoros#72",
        "an extra sound before the text",
        "`My name is Louis.`: heard from its first word",
        _start("My name is Louis.", 1.0),
    ),
    Report(
        "remsky/Kokoro-FastAPI#238",
        "`stream` in the body gives an error",
        '`"stream": false`',
        answers(speech({"stream": False}), 200),
    ),
    Report("remsky/Kokoro-FastAPI#447", "opus loses the end", "six formats, decoded and measured beside pcm", _formats),
    Report(
        "speaches-ai/speaches#465",
        "flac has a broken header",
        "six formats: ffmpeg decodes each without an error",
        _formats,
    ),
    Report(
        "livekit/agents#1850",
        "an mp3 cannot be decoded to its end",
        "six formats, decoded and measured beside pcm",
        _formats,
    ),
    Report(
        "mudler/LocalAI#2732",
        "every requested format gives the same format",
        "six formats: first bytes of each",
        _formats,
    ),
    Report("lucasjinreal/Kokoros#63", "the default format is not mp3", "no `response_format`", _default_format),
    Report(
        "stdapi-ai/stdapi.ai#76",
        "PCM at the voice's own rate",
        'Piper with `"sample_rate": 24000`; without it, at the rate of the voice, which the wav header states',
        _rate,
    ),
    Report(
        "pipecat-ai/pipecat#2045",
        "clients assume a fixed rate",
        'Piper with `"sample_rate": 24000`; without it, at the rate of the voice, which the wav header states',
        _rate,
    ),
    Report(
        "speaches-ai/speaches#665",
        "a streamed wav is not accepted as input",
        "the service's own wav, transcribed",
        _own_wav,
    ),
    Report(
        "speaches-ai/speaches#648",
        "voices of other models are offered or accepted",
        "`AF_HEART`, a voice of Piper for Kokoro",
        answers(speech({"voice": "en_US-joe-medium"}), 422, having="af_bella"),
    ),
    Report(
        "livekit/agents#6184",
        "a server that ignores `stream_format` is not understood",
        "`sse` with Kokoro's own name",
        _sse(weights.SPEECH),
    ),
    Report("sfortis/openai_tts#73", "type and body of an answer differ", "`sse` with `tts-1`", _sse("tts-1")),
    Report("travisvn/openai-edge-tts#34", "`sse` gives only an error", "`sse` with `tts-1`", _sse("tts-1")),
    Report(
        "OHF-Voice/piper1-gpl#277",
        "other methods are answered with a web page",
        "GET, HEAD and PUT, and addresses that do not exist",
        _methods,
    ),
    Report(
        "nextcloud/integration_openai#273",
        "a client without `/v1`",
        "GET, HEAD and PUT, and addresses that do not exist",
        _methods,
    ),
    Report(
        "open-webui/open-webui#8525",
        "unknown fields are refused",
        '`"output_format": "mp3", "instructions": null, "foo": [1]`',
        answers(speech({"speed": 1.25, "output_format": "mp3", "instructions": None, "foo": [1]}), 200),
    ),
    Report("own", "headers of other clients", "eight sets of headers", _odd_headers),
    Report("own", "a preflight of a browser", "OPTIONS with `Origin`", _preflight),
]
