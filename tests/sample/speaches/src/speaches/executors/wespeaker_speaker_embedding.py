"""Speaker embedding. The sample has no model for it; the module is here because it imports torch as upstream's does."""

import logging
from typing import Any, override

import numpy as np
import torch

from speaches.api_types import Model
from speaches.executors.shared.base_model_manager import BaseModelManager
from speaches.executors.shared.handler_protocol import SpeakerEmbeddingRequest, SpeakerEmbeddingResponse
from speaches.hf_utils import HfModelFilter
from speaches.model_registry import ModelRegistry
from speaches.tracing import traced

logger = logging.getLogger(__name__)


class WespeakerSpeakerEmbeddingModelRegistry(ModelRegistry[Model, None]):
    @override
    def get_model(self, model_id: str, created: int, language: list[str]) -> Model:
        return Model(id=model_id, created=created, owned_by=model_id.partition("/")[0], task="speaker-embedding")


hf_model_filter = HfModelFilter(model_name="wespeaker-voxceleb-resnet34-LM")
wespeaker_speaker_embedding_model_registry = WespeakerSpeakerEmbeddingModelRegistry(hf_model_filter)


class WespeakerSpeakerEmbeddingModelManager(BaseModelManager[Any]):
    @override
    def _load_fn(self, model_id: str) -> Any:
        from pyannote.audio import Inference
        from pyannote.audio import Model as PyannoteModel

        logger.info(f"Loading {model_id}, with CUDA: {torch.cuda.is_available()}")
        return Inference(PyannoteModel.from_pretrained(model_id), window="whole")

    @traced()
    def handle_speaker_embedding_request(
        self, request: SpeakerEmbeddingRequest, **_kwargs: object
    ) -> SpeakerEmbeddingResponse:
        with self.load_model(request.model_id) as inference:
            waveform = torch.from_numpy(request.audio.data).unsqueeze(0)
            return np.asarray(inference({"waveform": waveform, "sample_rate": request.audio.sample_rate})).squeeze()
