"""Getting models: what is there is not asked for again, and one that is not is found by its name.

Upstream lists every model of the hub before it fetches one, also when that is in the cache, so the route that Harbor
calls at each start takes seconds with a network and fails without one.
"""

import importlib
import os
from collections.abc import Iterable
from typing import Any

from speaches_service.rebinding import imported
from speaches_service.whisper_files import is_complete

_REGISTRY_MODULE = "speaches.executors.shared.registry"


class HubUnavailable(Exception):
    """The hub does not give a model; the message says why."""


def rebind() -> None:
    """Replace upstream's way to fetch a model by its id."""
    registry = importlib.import_module(_REGISTRY_MODULE).ExecutorRegistry
    download = registry.download_model_by_id

    def find_or_download(executors: Any, model: str) -> bool:
        """Whether it was downloaded just now; ValueError if it cannot be served, which upstream answers with 404."""
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
                raise  # upstream has an answer for it
            raise HTTPException(503, f"Model '{model}' is not in the cache and cannot be fetched: {error}") from error
        return True

    registry.download_model_by_id = find_or_download


def is_cached(executors: Iterable[Any], model: str) -> bool:
    """Whether all files of a model are in the cache."""
    for executor in executors:
        registry = executor.model_registry
        if any(known.id == model for known in registry.list_local_models()):
            try:
                registry.get_model_files(model)
            except Exception:  # noqa: BLE001 - upstream's own for Whisper raises for every model (pydantic's error)
                return is_cached_whisper(executor, model)
            return True
    return False


def is_cached_whisper(executor: Any, model: str) -> bool:
    """Whether it is a Whisper model with the files that it needs."""
    if executor.name != "whisper":
        return False
    files = importlib.import_module("speaches.hf_utils").list_model_files(model)
    return any(is_complete(os.path.dirname(file)) for file in files if os.path.basename(file) == "model.bin")


def fetch(executors: Iterable[Any], model: str) -> Any:
    """Fetch a model, or bring it up to date; returns the executor that can use it.

    Raises:
        HubUnavailable: the hub cannot be asked.
        OSError: it refuses (the hub's own errors).
        ValueError: there is no such model, or speaches cannot serve it.
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
        first_line = str(error).strip().partition("\n")[0]
        raise HubUnavailable(first_line) from error
    for executor in executors:
        registry = executor.model_registry
        if registry.hf_model_filter.passes_filter(model, card):
            registry.download_model_files(model)
            return executor
    raise ValueError(
        f"speaches cannot serve `{model}`: its model card describes neither Whisper in CTranslate2 format nor Kokoro, "
        "Piper or Parakeet"
    )
