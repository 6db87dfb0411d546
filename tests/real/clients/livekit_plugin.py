"""LiveKit's plugin for OpenAI: speech and transcription as an agent requests them."""

import asyncio
import importlib.metadata
import sys

from livekit.agents import utils
from livekit.plugins import openai
from livekit.rtc import AudioFrame
from steps import Steps

STT, TTS, VOICE = sys.argv[2:5]
TEXT = "The quick brown fox jumps over the lazy dog."


async def main() -> None:
    """Both of them."""
    steps = Steps(f"livekit-plugins-openai {importlib.metadata.version('livekit-plugins-openai')}")
    base = f"{sys.argv[1]}/v1"
    frames: list[AudioFrame] = []
    async with utils.http_context.open():
        for model in dict.fromkeys((TTS, "tts-1", "gpt-4o-mini-tts")):
            with steps(f"speech by `{'Kokoro' if model == TTS else model}`"):
                speaker = openai.TTS(model=model, voice=VOICE, base_url=base, api_key="none")
                frames = [one.frame async for one in speaker.synthesize(TEXT)]
                assert sum(frame.samples_per_channel for frame in frames) > 40_000, len(frames)
        with steps("transcription"):
            listener = openai.STT(model=STT, language="en", base_url=base, api_key="none")
            event = await listener.recognize(frames)
            assert "lazy dog" in event.alternatives[0].text, event


asyncio.run(main())
