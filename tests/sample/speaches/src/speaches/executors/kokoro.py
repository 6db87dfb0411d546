"""Text-to-speech, where upstream runs Kokoro: the model has Kokoro's inputs and output, and plays tones."""

import asyncio
from collections.abc import AsyncGenerator
import logging
from pathlib import Path
import time
from typing import override

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from pydantic import BaseModel, computed_field

from speaches.api_types import OPENAI_SUPPORTED_SPEECH_VOICE_NAMES, Model
from speaches.audio import Audio
from speaches.config import OrtOptions
from speaches.executors.shared.base_model_manager import BaseModelManager, get_ort_providers_with_options
from speaches.executors.shared.handler_protocol import SpeechRequest, SpeechResponse
from speaches.executors.tones import spell
from speaches.hf_utils import HfModelFilter, find_model_file
from speaches.model_registry import ModelRegistry
from speaches.tracing import traced_generator
from speaches.utils import async_to_sync_generator

logger = logging.getLogger(__name__)

SAMPLE_RATE = 24000
TASK_NAME_TAG = "text-to-speech"
# Bytes played at a time, seven seconds of sound. A multiple of three, so that the clock tone goes on turning in the next.
CHUNK = 96
# Seconds. A chunk takes a hundredth of one.
CHUNK_TIMEOUT = 30


class KokoroModelFiles(BaseModel):
    model: Path
    voices: Path


class KokoroModelVoice(BaseModel):
    name: str
    language: str

    @computed_field
    @property
    def id(self) -> str:
        return self.name


VOICES = [
    KokoroModelVoice(name=name, language="mul") for name in ("tone_plain", "tone_deep", "tone_bright", "tone_soft")
]


class KokoroModel(Model):
    sample_rate: int
    voices: list[KokoroModelVoice]


class KokoroModelRegistry(ModelRegistry[KokoroModel, KokoroModelFiles]):
    @override
    def get_model(self, model_id: str, created: int, language: list[str]) -> KokoroModel:
        return KokoroModel(
            id=model_id,
            created=created,
            owned_by=model_id.partition("/")[0],
            language=language,
            task=TASK_NAME_TAG,
            sample_rate=SAMPLE_RATE,
            voices=VOICES,
        )

    @override
    def get_model_files(self, model_id: str) -> KokoroModelFiles:
        return KokoroModelFiles(
            model=find_model_file(model_id, "model.onnx"), voices=find_model_file(model_id, "voices.bin")
        )


hf_model_filter = HfModelFilter(library_name="onnx", task=TASK_NAME_TAG, tags={"speaches", "kokoro", "sample"})
kokoro_model_registry = KokoroModelRegistry(hf_model_filter)


class Kokoro:
    """The loaded model and its voices."""

    def __init__(self, session: InferenceSession, voices: dict[str, NDArray[np.float32]]) -> None:
        self.session = session
        self.voices = voices

    async def create_stream(
        self, text: str, voice: str, speed: float
    ) -> AsyncGenerator[tuple[NDArray[np.float32], int]]:
        """Play a text chunk by chunk: samples, and their rate in Hz."""
        spelled = np.frombuffer(spell(text), np.uint8).astype(np.int64)
        for start in range(0, len(spelled), CHUNK):
            inputs = {
                "tokens": spelled[None, start : start + CHUNK],
                "style": self.voices[voice],
                "speed": np.array([speed], np.float32),
            }
            async with asyncio.timeout(CHUNK_TIMEOUT):
                (audio,) = await asyncio.to_thread(self.session.run, None, inputs)
            yield np.asarray(audio, np.float32), SAMPLE_RATE


class KokoroModelManager(BaseModelManager[Kokoro]):
    def __init__(self, ttl: int, ort_opts: OrtOptions) -> None:
        super().__init__(ttl)
        self.ort_opts = ort_opts

    @override
    def _load_fn(self, model_id: str) -> Kokoro:
        files = kokoro_model_registry.get_model_files(model_id)
        session = InferenceSession(files.model, providers=get_ort_providers_with_options(self.ort_opts))
        with np.load(files.voices) as voices:
            return Kokoro(session, dict(voices))

    @traced_generator()
    def handle_speech_request(self, request: SpeechRequest, **_kwargs: object) -> SpeechResponse:
        """Play a request. N.B. a ValueError comes at the first `next`, when the response has begun, as it does upstream."""
        if not 0.5 <= request.speed <= 2.0:
            raise ValueError(f"Speed must be between 0.5 and 2.0, got {request.speed}")
        names = [voice.name for voice in VOICES]
        if request.voice not in names:
            if request.voice not in OPENAI_SUPPORTED_SPEECH_VOICE_NAMES:
                raise ValueError(f"Voice '{request.voice}' is not supported. Supported voices: {', '.join(names)}")
            logger.warning(f"Voice '{request.voice}' is OpenAI's; '{names[0]}' stands in for it.")
            request.voice = names[0]
        with self.load_model(request.model) as tts:
            start = time.perf_counter()
            for samples, rate in async_to_sync_generator(tts.create_stream(request.text, request.voice, request.speed)):
                yield Audio(samples, rate)
        logger.info(f"Played {len(request.text)} characters in {time.perf_counter() - start:.3f} s")
