"""From a model id to what can run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import HTTPException

from speaches.hf_utils import ModelCardData, get_cached_model_repo_info

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speaches.api_types import Model
    from speaches.executors.shared.executor import Executor


def get_model_card_data_or_raise(model_id: str) -> ModelCardData:
    info = get_cached_model_repo_info(model_id)
    if info is None:
        raise HTTPException(404, f"Model '{model_id}' is not installed locally.")
    if info.card is None:
        raise HTTPException(500, f"Model '{model_id}' has no model card (README.md) in the cache.")
    return info.card


def find_executor_for_model_or_raise[T: Executor](
    model_id: str, model_card_data: ModelCardData, executors: Iterable[T]
) -> T:
    for executor in executors:
        if executor.can_handle_model(model_id, model_card_data):
            return executor
    raise HTTPException(404, f"Model '{model_id}' is not supported here.")


def find_model_or_raise[T: Model](model_id: str, models: Iterable[T]) -> T:
    for model in models:
        if model.id == model_id:
            return model
    raise HTTPException(404, f"Model '{model_id}' not found")
