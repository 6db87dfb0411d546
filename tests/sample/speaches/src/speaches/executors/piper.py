"""Text-to-speech with Piper, as upstream runs it. Without the package `piper` no model is one of Piper's."""

import json
import logging
from pathlib import Path
import re
import time
from typing import override

from onnxruntime import InferenceSession
from pydantic import BaseModel, computed_field

from speaches import installed
from speaches.api_types import Model
from speaches.audio import Audio
from speaches.config import OrtOptions
from speaches.executors.shared.base_model_manager import BaseModelManager, get_ort_providers_with_options
from speaches.executors.shared.handler_protocol import SpeechRequest, SpeechResponse
from speaches.hf_utils import HfModelFilter, ModelCardData, find_model_file
from speaches.model_registry import ModelRegistry
from speaches.tracing import traced_generator

if installed.PIPER:
    from piper.config import PiperConfig, SynthesisConfig
    from piper.voice import PiperVoice

logger = logging.getLogger(__name__)

TASK_NAME_TAG = "text-to-speech"
QUALITY_SAMPLE_RATES = {"x_low": 16000, "low": 22050, "medium": 22050, "high": 22050}
"""In Hz."""
REPOSITORY_NAME = re.compile(r"piper-(?P<language>[^-]+)-(?P<voice>[^-]+)-(?P<quality>[^-]+)")


class PiperModelFiles(BaseModel):
    model: Path
    config: Path


class PiperModelVoice(BaseModel):
    name: str
    language: str

    @computed_field
    @property
    def id(self) -> str:
        return self.name


class PiperModel(Model):
    sample_rate: int
    voices: list[PiperModelVoice]


class PiperModelFilter(HfModelFilter):
    """Takes models by their cards, and by their names, which are all that tells the voice and the sample rate."""

    @override
    def passes_filter(self, model_id: str, model_card_data: ModelCardData) -> bool:
        if not installed.PIPER or not super().passes_filter(model_id, model_card_data):
            return False
        name = REPOSITORY_NAME.fullmatch(model_id.rpartition("/")[2])
        return name is not None and name["quality"] in QUALITY_SAMPLE_RATES


class PiperModelRegistry(ModelRegistry[PiperModel, PiperModelFiles]):
    @override
    def get_model(self, model_id: str, created: int, language: list[str]) -> PiperModel:
        name = REPOSITORY_NAME.fullmatch(model_id.rpartition("/")[2])
        assert name is not None, model_id
        spoken = language[0] if language else name["language"]
        return PiperModel(
            id=model_id,
            created=created,
            owned_by=model_id.partition("/")[0],
            language=language,
            task=TASK_NAME_TAG,
            sample_rate=QUALITY_SAMPLE_RATES[name["quality"]],
            voices=[PiperModelVoice(name=name["voice"], language=spoken)],
        )

    @override
    def get_model_files(self, model_id: str) -> PiperModelFiles:
        return PiperModelFiles(
            model=find_model_file(model_id, "model.onnx"), config=find_model_file(model_id, "config.json")
        )

    @override
    def download_model_files(self, model_id: str) -> None:
        import huggingface_hub

        huggingface_hub.snapshot_download(model_id, allow_patterns=["model.onnx", "config.json", "README.md"])


hf_model_filter = PiperModelFilter(library_name="onnx", task=TASK_NAME_TAG, tags={"speaches", "piper"})
piper_model_registry = PiperModelRegistry(hf_model_filter)


class PiperModelManager(BaseModelManager["PiperVoice"]):
    def __init__(self, ttl: int, ort_opts: OrtOptions) -> None:
        super().__init__(ttl)
        self.ort_opts = ort_opts

    @override
    def _load_fn(self, model_id: str) -> "PiperVoice":
        files = piper_model_registry.get_model_files(model_id)
        session = InferenceSession(files.model, providers=get_ort_providers_with_options(self.ort_opts))
        config = PiperConfig.from_dict(json.loads(files.config.read_text(encoding="utf-8")))
        return PiperVoice(session=session, config=config)

    @traced_generator()
    def handle_speech_request(self, request: SpeechRequest, **_kwargs: object) -> SpeechResponse:
        """Speak sentence by sentence. Each model has one voice, so that any name of a voice means it, as upstream."""
        if not 0.25 <= request.speed <= 4.0:
            raise ValueError(f"Speed must be between 0.25 and 4.0, got {request.speed}")
        with self.load_model(request.model) as voice:
            start = time.perf_counter()
            for chunk in voice.synthesize(request.text, SynthesisConfig(length_scale=1.0 / request.speed)):
                yield Audio(chunk.audio_float_array, voice.config.sample_rate)
        logger.info(f"Spoke {len(request.text)} characters in {time.perf_counter() - start:.3f} s")
