"""Reports about files that are transcribed."""

import struct

import sounds
import weights
from client import Answer, Part
from outcome import Missing
from reports.report import Finding, Judge, Kit, Make, Report, Send, answers, hears, words

FOX = ("quick brown fox", "lazy dog")


def _made(*arguments: str) -> Make:
    """The sentence as ffmpeg writes it with these arguments, the last of which is the file."""
    return lambda kit: kit.convert("-i", "in.wav", *arguments, in_wav=kit.recording())


def _as(name: str, *arguments: str, heard: str = "") -> Judge:
    return hears(_made(*arguments), *FOX, name=heard or name)


def _joined(kit: Kit) -> bytes:
    first = kit.convert("-i", "in.wav", "-ar", "22050", "-ac", "1", "a.mp3", in_wav=kit.recording())
    second = kit.convert(
        "-i", "in.wav", "-ar", "44100", "-ac", "2", "b.mp3", in_wav=kit.recording("She opened the window.")
    )
    return first + second


def _cut_in_front(kit: Kit) -> bytes:
    return kit.convert("-i", "in.wav", "a.mp3", in_wav=kit.recording())[1001:]


def _no_length(kit: Kit) -> bytes:
    made = kit.convert(
        "-i", "in.wav", "-write_xing", "0", "-id3v2_version", "0", "-q:a", "5", "a.mp3", in_wav=kit.recording()
    )
    return made + b"TAG" + bytes(125)


def _renamed_codec(kit: Kit) -> bytes:
    return kit.convert("-i", "in.wav", "-c:a", "aac", "a.m4a", in_wav=kit.recording()).replace(b"mp4a", b"xxxx")


def _broken_track(kit: Kit) -> bytes:
    made = kit.convert(
        "-i", "in.wav", "-i", "in.wav", "-map", "0", "-map", "1", "-c:a", "aac", "two.mp4", in_wav=kit.recording()
    )
    at = made.rfind(b"mp4a")
    return made[:at] + b"xxxx" + made[at + 4 :]


def _default_track(kit: Kit) -> bytes:
    return kit.convert(
        "-f",
        "lavfi",
        "-t",
        "5",
        "-i",
        "anullsrc",
        "-i",
        "in.wav",
        "-map",
        "0",
        "-map",
        "1",
        "-c:a",
        "aac",
        "-disposition:a:0",
        "0",
        "-disposition:a:1",
        "default",
        "t.mkv",
        in_wav=kit.recording(),
    )


def _sides(kit: Kit) -> bytes:
    return kit.convert(
        "-i",
        "a.wav",
        "-i",
        "b.wav",
        "-filter_complex",
        "[1]adelay=5000:all=1[c];[0]apad=pad_dur=4[d];[d][c]join=inputs=2:channel_layout=stereo",
        "lr.wav",
        a_wav=kit.recording(),
        b_wav=kit.recording("She opened the window."),
    )


def _inverted(kit: Kit) -> bytes:
    return kit.convert("-i", "in.wav", "-af", "pan=stereo|c0=c0|c1=-1*c0", "i.wav", in_wav=kit.recording())


def _surround(name: str) -> Make:
    return _made("-af", "pan=5.1|FC=c0", "-ar", "48000", name)


def _eight(kit: Kit) -> bytes:
    return kit.convert("-i", "in.wav", "-af", "pan=7.1|c5=c0", "e.wav", in_wav=kit.recording())


def _cover(kit: Kit) -> bytes:
    return kit.convert(
        "-i",
        "in.wav",
        "-f",
        "lavfi",
        "-i",
        "color=red:s=64x64:d=1",
        "-map",
        "0",
        "-map",
        "1:v",
        "-frames:v",
        "1",
        "-c:v",
        "png",
        "-disposition:v",
        "attached_pic",
        "c.mp3",
        in_wav=kit.recording(),
    )


def _size(kit: Kit) -> Finding:
    wav = kit.recording()
    long = sounds.wav(wav[44:] + bytes(5_000_000))
    found = [kit.listen(content) for content in (wav, wav + bytes((1 << 20) - len(wav)), long)]
    return Finding(
        all(answer.good and "fox" in answer.body.decode() for answer in found), f"{[answer.status for answer in found]}"
    )


def _part(words_of_header: str, content_type: str = "", content: bytes | None = None) -> Send:
    def send(kit: Kit) -> Answer:
        file = Part("file", kit.recording() if content is None else content, words_of_header, content_type)
        return kit.client.form([Part("model", weights.WHISPER.encode()), file])

    return send


def _raw(content_type: str, body: bytes | None = None) -> Send:
    return lambda kit: kit.client.send(
        "POST", "/v1/audio/transcriptions", body or kit.recording(), {"Content-Type": content_type}, timeout=60.0
    )


def _wav(fmt: bytes, data: bytes, size: int | None = None, before: bytes = b"") -> bytes:
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _format(kind: int, channels: int, rate: int, bits: int) -> bytes:
    return struct.pack("<HHIIHH", kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)


def _odd_wavs(kit: Kit) -> Finding:
    pcm = kit.recording()[44:]
    plain = _format(1, 1, 24_000, 16)
    floats = struct.pack("<4f", float("nan"), float("inf"), -float("inf"), 1e38) * 4000
    cases = {
        "no frames": _wav(plain, b""),
        "an odd byte": _wav(plain, pcm + b"\0"),
        "no length": _wav(plain, pcm, 0),
        "a length beyond the end": _wav(plain, pcm, 1 << 31),
        "a list in front": _wav(plain, pcm, before=b"LIST" + struct.pack("<I", 4) + b"INFO"),
        "no channels": _wav(_format(1, 0, 24_000, 16), pcm),
        "a rate of 0": _wav(_format(1, 1, 0, 16), pcm),
        "a rate of 1": _wav(_format(1, 1, 1, 16), pcm[:200]),
        "a rate of 2 000 000 000": _wav(_format(1, 1, 2_000_000_000, 16), pcm),
        "no bits": _wav(_format(1, 1, 24_000, 0), pcm),
        "numbers that are none": _wav(_format(3, 1, 24_000, 32), floats),
        "an unknown codec": _wav(_format(0x1234, 1, 24_000, 16), pcm),
        "200 channels": _wav(_format(1, 200, 24_000, 16), pcm),
    }
    found = {}
    for name, content in cases.items():
        answer = kit.listen(content)
        found[name] = answer.status
        if answer.status == 0 or answer.status >= 500:
            return Finding(False, f"{name}: {answer.fault()}")
    return Finding(found["an odd byte"] == found["a list in front"] == 200, f"{found}")


def _playlists(kit: Kit) -> Finding:
    secret = kit.work / "secret.wav"
    secret.write_bytes(kit.recording())
    found = {}
    for name, content in {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
        "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{secret}</BaseURL></MPD>',
    }.items():
        answer = kit.listen(content.encode(), f"a.{name}")
        found[name] = answer.status
        if answer.status < 400 or answer.status >= 500 or "fox" in answer.body.decode():
            return Finding(False, f"{name}: {answer.status} {answer.body[:80]!r}")
    return Finding(True, f"{found}")


def _containers(kit: Kit) -> Finding:
    found, absent = {}, []
    for name, arguments in {
        "s.wma": ("-c:a", "wmav2"),
        "s.aac": ("-f", "adts"),
        "s.amr": ("-c:a", "libopencore_amrnb", "-ar", "8000"),
        "s.caf": (),
        "s.aiff": (),
        "s.au": (),
        "s.mka": (),
        "s.ts": (),
        "s.avi": (),
        "s.oga": (),
        "s.spx": (),
        "s.3gp": ("-c:a", "aac"),
        "s.ac3": (),
        "s.mp2": (),
        "s.webm": (),
        "s.w64": (),
        "s.rf64.wav": ("-rf64", "always"),
        "s.gsm": ("-ar", "8000"),
        "s.flv": (),
    }.items():
        try:
            content = kit.convert("-i", "in.wav", *arguments, name, in_wav=kit.recording())
        except Missing:
            absent.append(name)
            continue
        heard = kit.listen(content, name)
        found[name] = heard.status
        if not heard.good or " fox " not in words(heard.body.decode()):
            return Finding(False, f"{name}: {heard.status} {heard.body[:80]!r}")
    return Finding(len(found) > 8, f"{', '.join(found)}; not made here: {', '.join(absent) or 'none'}")


_SAFARI = ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof")

REPORTS = [
    Report(
        "SYSTRAN/faster-whisper#22",
        "the rate changes within a file",
        "two mp3 of 22 050 and 44 100 a second, joined",
        hears(_joined, "lazy dog", "window", name="ab.mp3"),
    ),
    Report(
        "SYSTRAN/faster-whisper#89",
        "an mp3 that states no length",
        "`-write_xing 0`, with a tag behind",
        hears(_no_length, *FOX, name="a.mp3"),
    ),
    Report(
        "SYSTRAN/faster-whisper#24",
        "an mp3 whose start is missing",
        "without its first 1001 bytes",
        hears(_cut_in_front, "lazy dog", name="a.mp3"),
    ),
    Report("moonshine-ai/openai-whisper#47", "small uploads differ from large ones", "under, at and over 1 MB", _size),
    Report(
        "PyAV-Org/PyAV#689",
        "a stream without a codec crashes the process",
        "an m4a whose codec has another name",
        answers(lambda kit: kit.listen(_renamed_codec(kit), "a.m4a"), 200, 415, 422),
    ),
    Report(
        "Comfy-Org/ComfyUI#14746",
        "a second track without a decoder crashes the process",
        "an mp4 of two tracks, one of them broken",
        hears(_broken_track, *FOX, name="two.mp4"),
    ),
    Report(
        "SubtitleEdit/subtitleedit#8097",
        "the server always takes the first track",
        "silence, and the sentence as the default track",
        hears(_default_track, *FOX, name="t.mkv"),
    ),
    Report(
        "Purfview/whisper-standalone-win#510",
        "5.1 sound is empty",
        "speech in the centre only, flac",
        hears(_surround("s51.flac"), *FOX, name="s51.flac"),
    ),
    Report(
        "ggml-org/whisper.cpp#3263",
        "one speaker in each channel: only one is heard",
        "one left, one right",
        hears(_sides, "lazy dog", "window"),
    ),
    Report("own", "stereo channels that cancel each other", "the right channel inverted", hears(_inverted, *FOX)),
    Report("SYSTRAN/faster-whisper#631", "more than two channels", "eight, with speech in one", hears(_eight, *FOX)),
    Report(
        "OpenShot/libopenshot#390", "a cover counts as video", "an mp3 with a png", hears(_cover, *FOX, name="c.mp3")
    ),
    Report(
        "open-webui/open-webui#4206",
        "a voice note of Telegram is refused",
        "ogg of opus as `application/ogg`",
        _as("v.ogg", "-c:a", "libopus", "v.ogg"),
    ),
    Report(
        "open-webui/open-webui#5590",
        "an m4a of another brand is refused",
        "`-brand M4A `, and ALAC",
        _as("v.m4a", "-c:a", "alac", "-brand", "M4A ", "v.m4a"),
    ),
    Report(
        "vercel/ai#14721",
        "an m4a with the name of a wav",
        "`audio.wav`",
        _as("s.m4a", "-c:a", "aac", "s.m4a", heard="audio.wav"),
    ),
    Report(
        "laravel/ai#316",
        "every file is called mp3",
        "a webm as `audio.mp3`",
        _as("s.webm", "-c:a", "libopus", "s.webm", heard="audio.mp3"),
    ),
    Report(
        "ggml-org/whisper.cpp#2599",
        "a recording made by Firefox",
        "ogg as `recording.wav`",
        _as("r.ogg", "-c:a", "libopus", "r.ogg", heard="recording.wav"),
    ),
    Report(
        "YZarytskyi/react-voice-visualizer#7",
        "a recording made by Safari",
        "a fragmented mp4, its times from 3 s on",
        _as("f.mp4", *_SAFARI, "-output_ts_offset", "3", "f.mp4"),
    ),
    Report(
        "openai/openai-python#2315",
        "a file without an extension",
        "`filename=upload`, `application/octet-stream`",
        answers(_part('filename="upload"', "application/octet-stream"), 200, having="fox"),
    ),
    Report(
        "openai/openai-java#140",
        "a part without a file name: the answer repeats the file",
        "a wav without `filename`",
        answers(_part(""), 200, 415, 422),
    ),
    Report(
        "openai/openai-ruby#243", "an empty file name", '`filename=""`', answers(_part('filename=""'), 200, 415, 422)
    ),
    Report(
        "ggml-org/whisper.cpp#1614",
        "a forgotten `@`",
        "`-F file=output.wav`",
        answers(_part("", content=b"output.wav"), 422, 415),
    ),
    Report(
        "ahmetoner/whisper-asr-webservice#91",
        "a name with non-ASCII letters",
        "`语音 ñ.wav`, `../../x.wav`, 300 letters",
        answers(_part('filename="语音 ñ.wav"'), 200, having="fox"),
    ),
    Report(
        "ahmetoner/whisper-asr-webservice#91",
        "a name that leads out of the directory",
        "`../../x.wav`",
        answers(_part('filename="../../x.wav"'), 200, having="fox"),
    ),
    Report(
        "ahmetoner/whisper-asr-webservice#91",
        "a very long name",
        "300 letters",
        answers(_part(f'filename="{"x" * 300}.wav"'), 200, having="fox"),
    ),
    Report(
        "ahmetoner/whisper-asr-webservice#145",
        "a form without a boundary",
        "`multipart/form-data`",
        answers(_raw("multipart/form-data"), 400, 422),
    ),
    Report(
        "Illyism/openai-whisper-api#2",
        "JSON in place of a form",
        '`{"file": "UklGR…"}`',
        answers(_raw("application/json", b'{"file":"UklGR","model":"whisper-1"}'), 400, 415, 422),
    ),
    Report(
        "vllm-project/vllm#14676",
        "no file",
        "only `model`",
        answers(lambda kit: kit.client.form([Part("model", b"whisper-1")]), 422),
    ),
    Report(
        "own",
        "two files",
        "the field `file` twice",
        answers(
            lambda kit: kit.client.form(
                [Part("model", b"whisper-1"), *[Part("file", kit.recording(), 'filename="a.wav"')] * 2]
            ),
            200,
            422,
        ),
    ),
    Report(
        "epam/ai-dial-adapter-openai#448",
        "rare containers",
        "wma, adts, amr, caf, aiff, au, mka, ts, avi, and others",
        _containers,
    ),
    Report("own", "impossible wav headers", "13 of them", _odd_wavs),
    Report("own", "files that name other files", "m3u8, ffconcat, sdp, dash, svg: nothing else is opened", _playlists),
]
