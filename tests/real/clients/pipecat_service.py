"""Pipecat's services for OpenAI: speech and transcription as a pipeline requests them."""

import asyncio
import importlib.metadata
import io
import sys
import wave

from pipecat.frames.frames import ErrorFrame, TranscriptionFrame, TTSAudioRawFrame
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from steps import Steps

STT, TTS = sys.argv[2:4]
VOICE = "nova"  # Pipecat itself refuses all names but those of OpenAI
TEXT = "The quick brown fox jumps over the lazy dog."


async def main() -> None:
    """Both of them."""
    steps = Steps(f"pipecat-ai {importlib.metadata.version('pipecat-ai')}")
    base = f"{sys.argv[1]}/v1"
    pcm = b""
    with steps("speech"):
        speaker = OpenAITTSService(
            api_key="none", base_url=base, settings=OpenAITTSService.Settings(voice=VOICE, model=TTS)
        )
        speaker._sample_rate = 24_000  # noqa: SLF001 - a pipeline's start sets it
        async for frame in speaker.run_tts(TEXT, "context"):
            assert not isinstance(frame, ErrorFrame), frame
            if isinstance(frame, TTSAudioRawFrame):
                pcm += frame.audio
        assert len(pcm) > 50_000, len(pcm)
    with steps("transcription"):
        listener = OpenAISTTService(api_key="none", base_url=base, settings=OpenAISTTService.Settings(model=STT))
        written = io.BytesIO()
        with wave.open(written, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(24_000)
            file.writeframes(pcm)
        texts = []
        async for frame in listener.run_stt(written.getvalue()):
            assert not isinstance(frame, ErrorFrame), frame
            if isinstance(frame, TranscriptionFrame):
                texts.append(frame.text)
        assert "lazy dog" in " ".join(texts), texts


asyncio.run(main())
