"""The models in the cache."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from speaches.api_types import ListModelsResponse, Model, ModelTask
from speaches.dependencies import ExecutorRegistryDependency
from speaches.executors.shared.registry import ExecutorRegistry
from speaches.model_aliases import ModelId
from speaches.routers.utils import find_model_or_raise

router = APIRouter(tags=["models"])


def _local_models(executor_registry: ExecutorRegistry, task: ModelTask | None = None) -> list[Model]:
    executors = [each for each in executor_registry.all_executors() if task in (None, each.task)]
    return [model for executor in executors for model in executor.model_registry.list_local_models()]


# These routes return a JSONResponse because FastAPI would cut a model down to the fields of `Model`.
@router.get("/v1/models", response_model=ListModelsResponse)
def list_local_models(executor_registry: ExecutorRegistryDependency, task: ModelTask | None = None) -> JSONResponse:
    models = _local_models(executor_registry, task)
    return JSONResponse({"data": [model.model_dump() for model in models], "object": "list"})


@router.get("/v1/audio/voices")
def list_local_audio_voices(executor_registry: ExecutorRegistryDependency) -> JSONResponse:
    models = [model for each in executor_registry.text_to_speech for model in each.model_registry.list_local_models()]
    return JSONResponse({"voices": [voice.model_dump() for model in models for voice in model.voices]})


@router.get("/v1/models/{model_id:path}", response_model=Model)
def get_local_model(executor_registry: ExecutorRegistryDependency, model_id: ModelId) -> JSONResponse:
    return JSONResponse(find_model_or_raise(model_id, _local_models(executor_registry)).model_dump())


@router.post("/v1/models/{model_id:path}")
def download_remote_model(executor_registry: ExecutorRegistryDependency, model_id: ModelId) -> Response:
    downloaded = executor_registry.download_model_by_id(model_id)
    return Response(
        status_code=200 if downloaded else 201,
        content=f"Model '{model_id}' {'downloaded' if downloaded else 'already exists'}",
    )
