"""`speaches models pull` and `remove` fetch and delete models of the user's cache, as upstream itself does."""

import importlib
import os
from typing import Any

from speaches_service.error_text import first_line
from speaches_service.event_log import log_event
from speaches_service.exit_codes import ExitCode, ServiceFailure, unavailable_component
from speaches_service.model_fetching import HubUnavailable, fetch
from speaches_service.settings import Settings
from speaches_service.upstream import import_upstream


def pull(model: str, settings: Settings) -> None:
    """Raises: ServiceFailure: UNAVAILABLE if the hub does not deliver it, CANNOT_WORK if speaches cannot serve it."""
    if settings.offline:
        raise ServiceFailure(ExitCode.CANNOT_WORK, f"cannot fetch `{model}`: `--offline` forbids requests to the hub")
    import_upstream()
    executors = importlib.import_module("speaches.dependencies").get_executor_registry().all_executors()
    try:
        executor = fetch(executors, model)
    except ImportError as error:  # the sample lacks the package huggingface_hub
        raise unavailable_component(error) from error
    except (OSError, HubUnavailable) as error:
        raise ServiceFailure(
            ExitCode.UNAVAILABLE, f"cannot fetch `{model}`: {first_line(error)}", "check its name and the network"
        ) from error
    except ValueError as error:
        raise ServiceFailure(ExitCode.CANNOT_WORK, f"cannot fetch `{model}`: {error}") from error
    log_event(f"fetched `{model}`, a model for {executor.task}")


def remove(model: str, settings: Settings) -> None:
    """Raises: ServiceFailure: UNAVAILABLE if the cache lacks it, CANNOT_WORK if it is part of the runtime."""
    utilities: Any = importlib.import_module("speaches.hf_utils")
    directory = utilities.get_model_repo_path(model) if os.path.isdir(utilities.HF_HUB_CACHE) else None
    if directory is None:
        raise ServiceFailure(
            ExitCode.UNAVAILABLE, f"cannot remove `{model}`: it is not in the cache `{utilities.HF_HUB_CACHE}`"
        )
    runtime = os.path.realpath(settings.runtime)
    if os.path.commonpath([runtime, os.path.realpath(directory)]) == runtime:
        raise ServiceFailure(ExitCode.CANNOT_WORK, f"cannot remove `{model}`: it is part of the runtime")
    utilities.delete_local_model_repo(model)
    log_event(f"removed `{directory}`")
