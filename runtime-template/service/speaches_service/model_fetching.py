"""Fetches models: skips complete models of the cache, and requests others from the hub by their name.

Upstream lists every model of the hub before it fetches one, even if that model is in the cache. So the route that
Harbor calls at each start takes seconds with a network and fails without one.
"""

import importlib
import os
from collections.abc import Iterable
from typing import Any

from speaches_service.error_text import first_line
from speaches_service.rebinding import imported
from speaches_service.whisper_files import is_complete

_REGISTRY_MODULE = "speaches.executors.shared.registry"


class HubUnavailable(Exception):
    """The hub cannot deliver a model, for the reason in the message."""


def rebind() -> None:
    registry = importlib.import_module(_REGISTRY_MODULE).ExecutorRegistry
    download = registry.download_model_by_id

    def find_or_download(executors: Any, model: str) -> bool:
        """Whether the model was downloaded now. Upstream answers a ValueError, for an unsupported model, with 404."""
        from fastapi import HTTPException

        if is_cached(executors.all_executors(), model):
            return False
        try:
            if imported("huggingface_hub") is None:
                downloaded: bool = download(executors, model)
                return downloaded
            fetch(executors.all_executors(), model)
        except (OSError, HubUnavailable) as error:
            if type(error).__name__ == "GatedRepoError":
                raise  # upstream answers this itself
            raise HTTPException(503, f"Model '{model}' is not in the cache and cannot be fetched: {error}") from error
        return True

    registry.download_model_by_id = find_or_download


def is_cached(executors: Iterable[Any], model: str) -> bool:
    for executor in executors:
        registry = executor.model_registry
        if any(known.id == model for known in registry.list_local_models()):
            try:
                registry.get_model_files(model)
            except Exception:  # noqa: BLE001 - upstream's method raises pydantic's error for every Whisper model
                return is_cached_whisper(executor, model)
            return True
    return False


def is_cached_whisper(executor: Any, model: str) -> bool:
    """Whether the model is a Whisper model whose required files are in the cache."""
    if executor.name != "whisper":
        return False
    files = importlib.import_module("speaches.hf_utils").list_model_files(model)
    return any(is_complete(os.path.dirname(file)) for file in files if os.path.basename(file) == "model.bin")


def fetch(executors: Iterable[Any], model: str) -> Any:
    """Fetch or update a model, and return the executor for it.

    Raises:
        HubUnavailable: the hub is unreachable, or offline mode forbids requests.
        OSError: the hub refuses the request (the hub's own errors).
        ValueError: the hub has no such model, or speaches cannot serve the model.
    """
    hub: Any = importlib.import_module("huggingface_hub")
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        card = importlib.import_module("speaches.hf_utils").load_repo_model_card_data(
            hub.hf_hub_download(model, "README.md")
        )
    except errors.GatedRepoError:
        raise
    except errors.RepositoryNotFoundError as error:
        raise ValueError(f"the hub has no model `{model}`") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise HubUnavailable(first_line(error)) from error
    for executor in executors:
        registry = executor.model_registry
        if registry.hf_model_filter.passes_filter(model, card):
            registry.download_model_files(model)
            return executor
    raise ValueError(
        f"speaches cannot serve `{model}`: its model card describes neither Whisper in CTranslate2 format nor Kokoro, "
        "Piper or Parakeet"
    )
