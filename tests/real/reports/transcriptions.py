"""Reports about the fields of a transcription request and its answers."""

import json
import random
import re
from itertools import pairwise

import sounds
import weights
from client import Part, events
from reports.report import SENTENCE, Finding, Judge, Kit, Make, Report, answers, form, hears, words

STORY = (
    f"{SENTENCE} It was a bright cold day in April, and the clocks were striking. Winston slipped quickly through the "
    "glass doors of the house, and nobody saw him."
)
SPANISH = "La casa de mi abuela está cerca del mar, y en verano vamos todos los días a la playa."
RATE = sounds.RATE


def _silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


def _pcm(kit: Kit, text: str, voice: str = "af_bella") -> bytes:
    return kit.recording(text, voice)[44:]


def _gaps(kit: Kit) -> bytes:
    parts = (
        "She opened the window and listened to the rain for a long time, and then she closed it again.",
        "The train leaves from the other platform today.",
        "Nobody answered the phone.",
    )
    return sounds.wav(_silence(3).join(_pcm(kit, text) for text in parts))


def _verbose(kit: Kit, audio: bytes, language: str | None = "en", **fields: str) -> dict:  # type: ignore[type-arg]
    answer = kit.listen(audio, "speech.wav", language, response_format="verbose_json", **fields)
    if not answer.good:
        raise ValueError(answer.fault())
    return dict(json.loads(answer.body))


def _word_times(kit: Kit) -> Finding:
    for audio in (kit.recording(STORY), _gaps(kit), sounds.wav(_silence(14) + _pcm(kit, "Yes.") + _silence(15))):
        told = _verbose(kit, audio, **{"timestamp_granularities[]": "word"})
        last = 0.0
        for word in told["words"] or ():
            if not last <= word["start"] <= word["end"] <= told["duration"] + 0.01:
                return Finding(False, f"{word} after {last} of {told['duration']}")
            last = word["start"]
        if not told["words"] and told["text"]:
            return Finding(False, f"no words for {told['text']!r}")
    return Finding(True, "in order and within the sound, of three recordings")


def _within(kit: Kit) -> Finding:
    pcm = _pcm(kit, STORY) * 3
    for seconds in (3.3, 15.0, 29.9, 30.02):
        told = _verbose(kit, sounds.wav(pcm[: int(seconds * RATE) * 2]))
        if told["segments"] and told["segments"][-1]["end"] > told["duration"] + 0.01:
            return Finding(False, f"{told['segments'][-1]['end']} of {told['duration']}")
    return Finding(True, "of 3.3, 15, 29.9 and 30.02 s")


def _cues(kit: Kit) -> Finding:
    audio = sounds.wav(_pcm(kit, STORY) + _silence(20) + _pcm(kit, "Nobody answered the phone.") + _silence(1))
    text = kit.listen(audio, response_format="srt").body.decode()
    found = re.findall(
        r"^(\d+)\n(\d\d):(\d\d):(\d\d),(\d\d\d) --> (\d\d):(\d\d):(\d\d),(\d\d\d)\n(\S.*)", text, re.MULTILINE
    )
    times = [(_moment(cue[1:5]), _moment(cue[5:9])) for cue in found]
    numbered = [int(cue[0]) for cue in found] == list(range(1, len(found) + 1))
    ordered = all(start < end for start, end in times) and all(
        before[1] <= after[0] + 0.001 for before, after in pairwise(times)
    )
    silent = len(_pcm(kit, STORY)) / 2 / RATE
    covers = any(start < silent + 10 < end for start, end in times)
    return Finding(bool(found) and numbered and ordered and not covers, f"{times}")


def _moment(parts: tuple[str, ...]) -> float:
    hours, minutes, seconds, milliseconds = (int(part) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _text_forms(kit: Kit) -> Finding:
    found = {}
    for name, kind, start in (("text", "text/plain", ""), ("srt", "text/plain", "1\n"), ("vtt", "text/vtt", "WEBVTT")):
        answer = kit.listen(kit.recording(), response_format=name)
        body = answer.body.decode()
        found[name] = answer.content_type
        if (
            not body.startswith(start)
            or body.startswith(('"', " "))
            or "\\n" in body
            or kind not in answer.content_type
        ):
            return Finding(False, f"{name}: {answer.content_type} {body[:60]!r}")
        if "utf-8" not in answer.content_type:
            return Finding(False, f"{name}: {answer.content_type}")
    return Finding(True, f"{found}")


def _same_language(kit: Kit) -> Finding:
    audio = kit.recording(SPANISH, "ef_dora")
    plain = _verbose(kit, audio, None)["language"]
    timed = _verbose(kit, audio, None, **{"timestamp_granularities[]": "word"})["language"]
    return Finding(plain == timed == "es", f"{plain}, with word times {timed}")


def _late_language(kit: Kit) -> Finding:
    told = _verbose(kit, sounds.wav(_silence(40) + _pcm(kit, SPANISH, "ef_dora") * 2), None)
    return Finding(
        told["language"] == "es" and "casa" in told["text"].lower(), f"{told['language']} {told['text'][:80]!r}"
    )


def _languages(kit: Kit) -> Finding:
    found = {}
    for language, status in {
        "de-DE": 200,
        "zh-TW": 200,
        "no": 200,
        "nb": 200,
        "iw": 200,
        "jw": 200,
        "yue": 200,
        "jp": 422,
        " en": 200,
        "En_us": 200,
        "None": 422,
        "en,de": 422,
        "\u0000": 422,
        "English (US)": 422,
    }.items():
        answer = form(("language", language))(kit)
        found[language] = answer.status
        if answer.status not in (200, 422) or (status == 200 and answer.status != 200):
            return Finding(False, f"`{language}`: {answer.fault()}")
    return Finding(True, f"{found}")


def _noise(seconds: float, loud: float = 1500) -> bytes:
    source = random.Random(1)  # noqa: S311 - nothing is kept secret with it
    return b"".join(int(source.gauss(0, loud)).to_bytes(2, "little", signed=True) for _ in range(int(seconds * 16_000)))


def _temperatures(kit: Kit) -> Finding:
    found = {}
    for temperature in ("0", "1", "1.5", "5", "-1", "nan", "1e9", "[0,0.2]", "0,2"):
        for audio in (kit.recording(), sounds.wav(_noise(5), 16_000)):
            answer = kit.listen(audio, temperature=temperature)
            found[temperature] = answer.status
            if answer.status == 0 or answer.status >= 500:
                return Finding(False, f"{temperature}: {answer.fault()}")
    return Finding(True, f"{found}")


def _empty_fields(kit: Kit) -> Finding:
    for name in (
        "prompt",
        "response_format",
        "language",
        "temperature",
        "hotwords",
        "timestamp_granularities[]",
        "stream",
        "vad_filter",
    ):
        answer = form((name, ""))(kit)
        if answer.status != 200 or "fox" not in answer.body.decode():
            return Finding(False, f"`{name}=`: {answer.fault()}")
    return Finding(True, "eight empty fields count as none")


def _bad_fields(kit: Kit) -> Finding:
    found = []
    for name, value in (
        ("response_format", "diarized_json"),
        ("response_format", "JSON"),
        ("response_format", "ssa"),
        ("timestamp_granularities[]", "words"),
        ("timestamp_granularities[]", '["word"]'),
        ("stream", "maybe"),
        ("model", ""),
        ("model", "no/such"),
        ("model", "../x"),
        ("model", weights.SPEECH),
        ("model", "x" * 5000),
        ("vad_filter", "perhaps"),
        ("stream", "True"),
        ("without_timestamps", "x"),
        ("include[]", "logprobs"),
        ("chunking_strategy", "auto"),
        ("chunking_strategy", '{"type":"server_vad"}'),
        ("temperature", "x"),
        ("prompt", "\u0000"),
        ("hotwords", "\u0000"),
        ("response-format", "json"),
    ):
        answer = form((name, value))(kit)
        found.append(answer.status)
        if answer.status == 0 or answer.status >= 500 or answer.broken:
            return Finding(False, f"`{name}={value[:30]}`: {answer.fault()}")
    return Finding(True, f"{found}")


def _long_prompts(kit: Kit) -> Finding:
    prompt = "This is about the harbour, the boats and the people who live beside the water. " * 40
    found = []
    for fields in (
        {"prompt": prompt},
        {"hotwords": prompt},
        {"prompt": prompt[:1500], "hotwords": prompt[:1500]},
        {"prompt": "猫" * 3000},
    ):
        answer = kit.listen(kit.recording(STORY), **fields)
        text = answer.body.decode()
        found.append(len(text))
        if not answer.good or " fox " not in words(text) or "glass doors" not in text or "harbour" in text:
            return Finding(False, f"{list(fields)}: {answer.status} {text[:120]!r}")
    return Finding(True, f"{found} characters of text")


def _streams(kit: Kit) -> Finding:
    for fields in ({}, {"response_format": "verbose_json"}, {"timestamp_granularities[]": "word"}):
        answer = kit.listen(kit.recording(f"{STORY} {STORY}"), **({"response_format": "json"} | fields), stream="true")
        told = list(events(answer.body))
        done = [event for event in told if event.get("type") == "transcript.text.done"]
        if not answer.good or not answer.content_type.startswith("text/event-stream"):
            return Finding(False, f"{fields}: {answer.fault()} {answer.content_type}")
        if len(done) != 1 or " glass doors " not in words(done[0]["text"]):
            return Finding(False, f"{fields}: {len(done)} last events of {len(told)}, {str(done)[:80]}")
    return Finding(True, "events whole, one last event with the whole text")


def _verbose_fields(kit: Kit) -> Finding:
    told = _verbose(kit, kit.recording())
    wanted = {"task", "language", "duration", "text", "segments"}
    segment = {
        "id",
        "seek",
        "start",
        "end",
        "text",
        "tokens",
        "temperature",
        "avg_logprob",
        "compression_ratio",
        "no_speech_prob",
    }
    lacks = (wanted - set(told)) | (segment - set(told["segments"][0]))
    return Finding(
        not lacks and abs(told["duration"] - (len(kit.recording()) - 44) / 2 / RATE) < 0.1, f"lacks {sorted(lacks)}"
    )


def _granularities(kit: Kit) -> Finding:
    for fields in (
        (),
        (("timestamp_granularities[]", ""),),
        (("timestamp_granularities[]", "segment"),) * 2,
        (("timestamp_granularities", "word"),),
    ):
        answer = form(("response_format", "verbose_json"), *fields)(kit)
        if not answer.good or not json.loads(answer.body)["segments"]:
            return Finding(False, f"{fields}: {answer.fault()}")
    return Finding(True, "none, empty, twice, and without brackets")


def _translation(kit: Kit) -> Finding:
    parts = [
        Part("model", weights.WHISPER.encode()),
        Part("file", kit.recording(SPANISH, "ef_dora"), 'filename="a.wav"'),
    ]
    answer = kit.client.form(parts, "/v1/audio/translations")
    text = json.loads(answer.body)["text"] if answer.good else answer.fault()
    return Finding(" house " in words(text) or " beach " in words(text), repr(text))


def _query(kit: Kit) -> Finding:
    parts = [Part("model", weights.WHISPER.encode()), Part("file", kit.recording(), 'filename="a.wav"')]
    answer = kit.client.form(parts, "/v1/audio/transcriptions?response_format=json&x=1")
    return Finding(answer.good and b"fox" in answer.body, f"{answer.status}")


def _tone(kit: Kit) -> bytes:
    return kit.convert("-f", "lavfi", "-i", "sine=440:d=60", "-ar", "16000", "tone.wav")


def _quiet(kit: Kit) -> Finding:
    audio = kit.convert("-i", "in.wav", "-af", "volume=-70dB", "q.wav", in_wav=kit.recording())
    answer = kit.listen(audio, "q.wav", None, response_format="verbose_json", **{"timestamp_granularities[]": "word"})
    return Finding(answer.good, answer.fault() or "200")


def _nothing(make: Make, **fields: str) -> Judge:
    def judge(kit: Kit) -> Finding:
        answer = kit.listen(make(kit), "speech.wav", None, **fields)
        return Finding(answer.good and len(answer.body.strip()) < 10, f"{answer.status} {answer.body[:80]!r}")

    return judge


def _short_clip(kit: Kit) -> Finding:
    audio = kit.recording(SPANISH[:33] + ".", "ef_dora")
    told = _verbose(kit, audio, "es")
    return Finding("casa" in told["text"].lower(), told["text"])


REPORTS = [
    Report(
        "SYSTRAN/faster-whisper#485",
        "speech after a pause within 30 s is lost",
        "three sentences with silences of 3 s",
        hears(_gaps, "listened to the rain", "other platform", "answered the phone"),
    ),
    Report(
        "SYSTRAN/faster-whisper#57",
        "word times of few words give an error",
        "`Yes.` within 30 s of silence, and two others",
        _word_times,
    ),
    Report(
        "SYSTRAN/faster-whisper#338",
        "words of no length, or out of order",
        "`Yes.` within 30 s of silence, and two others",
        _word_times,
    ),
    Report(
        "SYSTRAN/faster-whisper#786",
        "times beyond the end",
        "`Yes.` within 30 s of silence, and two others",
        _word_times,
    ),
    Report(
        "SYSTRAN/faster-whisper#1118",
        "word times with a prompt in another language give an error",
        "`language=fr`, `prompt=Free`",
        answers(
            form(
                ("language", "fr"),
                ("prompt", "Free"),
                ("response_format", "verbose_json"),
                ("timestamp_granularities[]", "word"),
            ),
            200,
        ),
    ),
    Report(
        "SYSTRAN/faster-whisper#1334",
        "the last segment ends after the end of the sound",
        "recordings of 3.3, 15, 29.9 and 30.02 s",
        _within,
    ),
    Report(
        "linto-ai/whisper-timestamped#6",
        "a segment begins after the end of the sound",
        "recordings of 3.3, 15, 29.9 and 30.02 s",
        _within,
    ),
    Report("SYSTRAN/faster-whisper#110", "cues cover a silence", "20 s of silence between two parts, as srt", _cues),
    Report("ggml-org/whisper.cpp#511", "cues out of order", "20 s of silence between two parts, as srt", _cues),
    Report(
        "abhirooptalasila/AutoSub#31",
        "milliseconds are padded wrongly",
        "20 s of silence between two parts, as srt",
        _cues,
    ),
    Report(
        "morioka/tiny-openai-whisper-api#7",
        "types of text answers, numbers and blanks of cues",
        "text, srt and vtt",
        _text_forms,
    ),
    Report("Nyralei/whisperx-api-server#4", "text answers are JSON strings", "text, srt and vtt", _text_forms),
    Report("SYSTRAN/faster-whisper#642", "word times change the language", "Spanish, with and without", _same_language),
    Report(
        "SYSTRAN/faster-whisper#265",
        "the language is detected from the silence at the start",
        "40 s of silence, then Spanish",
        _late_language,
    ),
    Report(
        "roryeckel/wyoming_openai#53",
        "a short clip becomes a translation",
        "two seconds of Spanish, `language=es`",
        _short_clip,
    ),
    Report("Kochava-Studios/witsy#340", "languages as clients write them", "14 spellings", _languages),
    Report(
        "SYSTRAN/faster-whisper#948",
        "a long prompt with hotwords gives an error",
        "3000 characters of prompt, of hotwords, of both, of Han",
        _long_prompts,
    ),
    Report(
        "SYSTRAN/faster-whisper#1022",
        "position 448",
        "3000 characters of prompt, of hotwords, of both, of Han",
        _long_prompts,
    ),
    Report(
        "SYSTRAN/faster-whisper#731",
        "hotwords are heard in noise",
        "`hotwords=ComfyUI` on 10 s of noise",
        _nothing(lambda _kit: sounds.wav(_noise(10), 16_000), hotwords="ComfyUI"),
    ),
    Report("SYSTRAN/faster-whisper#506", "one word, repeated without end", "a tone of 60 s", _nothing(_tone)),
    Report(
        "SYSTRAN/faster-whisper#1079",
        "a temperature over 1 gives an error",
        "nine temperatures, on speech and on noise",
        _temperatures,
    ),
    Report(
        "SYSTRAN/faster-whisper#1237",
        "a translation in the original language",
        "Spanish to `/v1/audio/translations`",
        _translation,
    ),
    Report(
        "speaches-ai/speaches#58",
        "verbose_json without granularities gives an error",
        "none, empty, twice, without brackets",
        _granularities,
    ),
    Report(
        "speaches-ai/speaches#19",
        "plural values are accepted",
        "21 fields with values that are wrong or rare",
        _bad_fields,
    ),
    Report(
        "nextcloud/integration_openai#346",
        "an unknown format gives a server error",
        "21 fields with values that are wrong or rare",
        _bad_fields,
    ),
    Report("speaches-ai/speaches#29", "a stream of verbose_json", "streams of three kinds", _streams),
    Report("speaches-ai/speaches#15", "events are cut within their JSON", "streams of three kinds", _streams),
    Report("vllm-project/vllm#49116", "not exactly one final event", "streams of three kinds", _streams),
    Report(
        "vllm-project/vllm#36679",
        "a stream without a model gives 200",
        "`stream=true`, `model=`",
        answers(form(("model", ""), ("stream", "true")), 422, 404),
    ),
    Report(
        "vllm-project/vllm#36679",
        "a stream of an unknown model gives 200",
        "`stream=true`, `model=no/such`",
        answers(form(("model", "no/such"), ("stream", "true")), 404),
    ),
    Report("mudler/LocalAI#5327", "verbose_json lacks fields", "its fields, and those of a segment", _verbose_fields),
    Report("openai/openai-node#79", "empty strings for unused fields", "eight fields", _empty_fields),
    Report("BerriAI/litellm#14944", "parameters in the address as well", "`?response_format=json&x=1`", _query),
    Report(
        "ggml-org/llama.cpp#21863",
        "instructions in the prompt appear in the text",
        "a prompt of commands, on silence",
        _nothing(lambda _kit: sounds.wav(_silence(5)), prompt="Transcribe.\n* Only output the text.\n* No comments."),
    ),
    Report("suitenumerique/meet#930", "nearly silent sound gives an error", "at -70 dB, with word times", _quiet),
]
