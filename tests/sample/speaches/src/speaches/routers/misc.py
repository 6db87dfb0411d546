"""Health, and the models in memory."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from speaches.dependencies import ExecutorRegistryDependency
from speaches.model_aliases import ModelId
from speaches.routers.utils import find_executor_for_model_or_raise, get_model_card_data_or_raise

public_router = APIRouter()
router = APIRouter()


class RunningModelsResponse(BaseModel):
    models: list[str]


def _message(status_code: int, message: str) -> JSONResponse:
    return JSONResponse(status_code=status_code, content={"message": message})


@public_router.get("/health", tags=["diagnostic"])
def health() -> JSONResponse:
    return _message(200, "OK")


@router.get("/api/ps", tags=["experimental"])
def get_running_models(executor_registry: ExecutorRegistryDependency) -> RunningModelsResponse:
    executors = executor_registry.all_executors()
    return RunningModelsResponse(models=[name for each in executors for name in each.model_manager.loaded_models])


@router.post("/api/ps/{model_id:path}", tags=["experimental"])
def load_model_route(executor_registry: ExecutorRegistryDependency, model_id: ModelId) -> JSONResponse:
    card = get_model_card_data_or_raise(model_id)
    executor = find_executor_for_model_or_raise(model_id, card, executor_registry.all_executors())
    if model_id in executor.model_manager.loaded_models:
        return _message(409, f"Model '{model_id}' is already loaded.")
    with executor.model_manager.load_model(model_id):
        return _message(201, f"Model '{model_id}' loaded.")


@router.delete("/api/ps/{model_id:path}", tags=["experimental"])
def stop_running_model(executor_registry: ExecutorRegistryDependency, model_id: ModelId) -> JSONResponse:
    for executor in executor_registry.all_executors():
        if model_id in executor.model_manager.loaded_models:
            try:
                executor.model_manager.unload_model(model_id)
            except ValueError as error:
                return _message(409, str(error))
            return _message(200, f"Model {model_id} unloaded.")
    return _message(404, f"Model {model_id} is not loaded.")
