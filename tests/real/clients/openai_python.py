"""The `openai` package for Python: all of its requests to a speech server."""

import asyncio
import base64
import io
import sys
import time
from typing import Any

import openai
from steps import Steps

STT, TTS, VOICE = sys.argv[2:5]
TEXT = "The quick brown fox jumps over the lazy dog."


def main() -> None:
    """Each of its calls."""
    client = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0)
    steps = Steps(f"openai {openai.__version__}")
    with steps("models"):
        names = [model.id for model in client.models.list()]
        assert STT in names and TTS in names, names
        assert client.models.retrieve(STT).id == STT
    sound: dict[str, bytes] = {}
    for name in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
        with steps(f"speech as {name}"):
            sound[name] = client.audio.speech.create(model=TTS, voice=VOICE, input=TEXT, response_format=name).content
            assert len(sound[name]) > 2000, len(sound[name])
    with steps("streamed speech"):
        first, size, begun = 0.0, 0, time.monotonic()
        options: Any = {"model": TTS, "voice": VOICE, "input": f"{TEXT} {TEXT} {TEXT}", "response_format": "pcm"}
        with client.audio.speech.with_streaming_response.create(**options) as response:
            for part in response.iter_bytes():
                first = first or time.monotonic() - begun
                size += len(part)
        assert size > 200_000, size
        assert first < time.monotonic() - begun, first
    with steps("speech as events"):
        with client.audio.speech.with_streaming_response.create(**options, stream_format="sse") as response:
            lines = [line for line in response.iter_lines() if line.startswith("data:")]
        assert "speech.audio.done" in lines[-1], lines[-1]
    listen: Any = client.audio.transcriptions.create
    for name in ("json", "text", "srt", "vtt", "verbose_json"):
        with steps(f"transcription as {name}"):
            heard = listen(model=STT, file=("a.wav", sound["wav"]), response_format=name)
            assert "lazy dog" in (heard if isinstance(heard, str) else heard.text), heard
    for name in ("mp3", "flac", "opus"):
        with steps(f"transcription of {name}"):
            assert "fox" in listen(model=STT, file=(f"a.{name}", sound[name])).text
    with steps("word times"):
        heard = listen(
            model=STT, file=("a.wav", sound["wav"]), response_format="verbose_json", timestamp_granularities=["word"]
        )
        assert len(heard.words) == 9, heard.words
    with steps("a file object without a name"):
        assert "fox" in listen(model=STT, file=io.BytesIO(sound["wav"])).text
    with steps("streamed transcription"):
        events = list(listen(model=STT, file=("a.wav", sound["wav"]), stream=True))
        assert events[-1].type == "transcript.text.done" and "lazy dog" in events[-1].text, events[-1]
    with steps("translation"):
        heard = client.audio.translations.create(model=STT, file=("a.wav", sound["wav"]))
        assert "dog" in heard.text, heard
    with steps("an unknown voice is `UnprocessableEntityError`, an unknown model `NotFoundError`"):
        _refused(client)
    with steps("realtime transcription"):
        asyncio.run(_realtime(sound["pcm"]))


def _refused(client: openai.OpenAI) -> None:
    try:
        client.audio.speech.create(model=TTS, voice="nobody", input=TEXT)
        raise AssertionError("no error")
    except openai.UnprocessableEntityError:
        pass
    try:
        client.audio.speech.create(model="no/such", voice=VOICE, input=TEXT)
        raise AssertionError("no error")
    except openai.NotFoundError:
        pass


async def _realtime(pcm: bytes) -> None:
    client = openai.AsyncOpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0)
    query = {"intent": "transcription"}
    async with client.realtime.connect(model=STT, extra_query=query) as connection:
        step = 4800
        for at in range(0, len(pcm) + 96_000, step):
            part = (bytes(12_000) + pcm + bytes(96_000))[at : at + step]
            await connection.input_audio_buffer.append(audio=base64.b64encode(part).decode())
            await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            async for event in connection:
                if event.type == "conversation.item.input_audio_transcription.completed":
                    assert "fox" in event.transcript, event.transcript
                    return


main()
