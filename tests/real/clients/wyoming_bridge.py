"""Home Assistant: the bridge `wyoming-openai` in front of the server, with Wyoming's protocol."""

import asyncio
import contextlib
import importlib.metadata
import socket
import sys
from collections.abc import AsyncIterator

from steps import Steps
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeVoice

STT, TTS, VOICE = sys.argv[2:5]
TEXT = "The quick brown fox jumps over the lazy dog."


async def main() -> None:
    """What Home Assistant does with it."""
    steps = Steps(f"wyoming-openai {importlib.metadata.version('wyoming-openai')}")
    async with _bridge() as port:
        with steps("describe"):
            async with AsyncTcpClient("127.0.0.1", port) as client:
                await client.write_event(Describe().event())
                event = await client.read_event()
                assert event and Info.is_type(event.type)
                info = Info.from_event(event)
                assert info.asr and info.tts, info
        pcm, rate = b"", 24_000
        with steps("speech"):
            pcm, rate = await _speech(port)
            assert len(pcm) > 50_000, len(pcm)
        with steps("transcription"):
            text = await _transcription(port, pcm, rate)
            assert "lazy dog" in text, text


async def _speech(port: int) -> tuple[bytes, int]:
    pcm, rate = b"", 0
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(text=TEXT, voice=SynthesizeVoice(name=VOICE)).event())
        while (event := await client.read_event()) and not AudioStop.is_type(event.type):
            if AudioStart.is_type(event.type):
                rate = AudioStart.from_event(event).rate
            if AudioChunk.is_type(event.type):
                pcm += AudioChunk.from_event(event).audio
    return pcm, rate


async def _transcription(port: int, pcm: bytes, rate: int) -> str:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(name=STT, language="en").event())
        await client.write_event(AudioStart(rate=rate, width=2, channels=1).event())
        await client.write_event(AudioChunk(rate=rate, width=2, channels=1, audio=pcm).event())
        await client.write_event(AudioStop().event())
        while event := await client.read_event():
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
    return ""


@contextlib.asynccontextmanager
async def _bridge() -> AsyncIterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    arguments = ["--uri", f"tcp://127.0.0.1:{port}", "--languages", "en"]
    for kind, model in (("stt", STT), ("tts", TTS)):
        arguments += [
            f"--{kind}-openai-url",
            f"{sys.argv[1]}/v1",
            f"--{kind}-openai-key",
            "none",
            f"--{kind}-models",
            model,
        ]
    arguments += ["--tts-voices", VOICE]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wyoming_openai", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=None
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield port
    finally:
        process.terminate()
        await process.wait()


asyncio.run(main())
