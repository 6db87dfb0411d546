"""A voice as a vector."""

from typing import Annotated

from fastapi import APIRouter, Form

from speaches.api_types import CreateEmbeddingResponse, EmbeddingObject
from speaches.dependencies import AudioFileDependency, ExecutorRegistryDependency
from speaches.executors.shared.handler_protocol import SpeakerEmbeddingRequest
from speaches.model_aliases import ModelId
from speaches.routers.utils import find_executor_for_model_or_raise, get_model_card_data_or_raise

router = APIRouter(tags=["speaker-embedding"])


@router.post("/v1/audio/speech/embedding")
def create_speech_embedding(
    executor_registry: ExecutorRegistryDependency,
    audio: AudioFileDependency,
    model: Annotated[ModelId, Form()],
) -> CreateEmbeddingResponse:
    card = get_model_card_data_or_raise(model)
    executor = find_executor_for_model_or_raise(model, card, executor_registry.speaker_embedding)
    request = SpeakerEmbeddingRequest(audio=audio, model_id=model)
    embedding = executor.model_manager.handle_speaker_embedding_request(request)
    return CreateEmbeddingResponse(data=[EmbeddingObject(embedding=embedding.tolist())], model=model)
