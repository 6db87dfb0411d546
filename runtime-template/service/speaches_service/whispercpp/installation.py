"""Installs whisper.cpp before upstream's own Whisper executor."""

import importlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager

from fastapi import FastAPI

from speaches_service import hub_cache, json_file, machine
from speaches_service.event_log import log_event
from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.rebinding import rebind
from speaches_service.settings import Settings
from speaches_service.whispercpp import crash, library
from speaches_service.whispercpp.check import check
from speaches_service.whispercpp.disconnection import DisconnectionWatcher
from speaches_service.whispercpp.weights import Catalog, Weights

_DEPENDENCIES = "speaches.dependencies"


def install(settings: Settings, on_use: Callable[[str, str, str], None]) -> None:
    """Register the executor. Call this after the import of upstream and before upstream makes its executors.

    `on_use` receives a model's name on the hub, its backend and its device.

    Raises:
        ServiceFailure: UNAVAILABLE if the user requested whisper.cpp and it cannot serve the default model.
    """
    chosen = settings.transcription
    if chosen.backend != "whispercpp":
        return
    bundled = [Weights(model.id, model.file, model.serves) for model in settings.bundled_models if model.file]
    catalog = Catalog(hub_cache.directory(), bundled)
    reason = _find_obstacle(settings, catalog)
    if reason is not None:
        if chosen.forced:
            raise ServiceFailure(
                ExitCode.UNAVAILABLE,
                f"you requested whisper.cpp, but it cannot be used: {reason}",
                "remove `--stt-backend` and every other setting that requests it, or see docs/transcription.md",
            )
        log_event(f"speech is transcribed by faster-whisper, not by whisper.cpp: {reason}", "warning")
        if settings.stt_model is not None:
            on_use(settings.stt_model, "faster-whisper", "cpu")
        return
    # Imported here, because it derives from upstream's classes.
    from speaches_service.whispercpp.executor import ExecutorRegistry, ModelSelection, WhisperCppConfiguration

    plan = WhisperCppConfiguration(catalog, chosen.device, settings.machine_directory, _guard(settings), on_use)
    ExecutorRegistry.choice = ModelSelection(plan)
    rebind(_DEPENDENCIES, "ExecutorRegistry", ExecutorRegistry)
    importlib.import_module(_DEPENDENCIES).get_executor_registry.cache_clear()


def watch_clients(application: FastAPI, settings: Settings) -> None:
    """End transcriptions when their clients disconnect."""
    if settings.transcription.backend == "whispercpp":
        application.add_middleware(DisconnectionWatcher)


def _find_obstacle(settings: Settings, catalog: Catalog) -> str | None:
    """The reason why whisper.cpp cannot be used here, or None."""
    chosen, directory = settings.transcription, settings.machine_directory
    try:
        library.extension()
    except ImportError as error:
        return f"its library cannot be loaded: {error}"
    died = crash.collect_evidence(directory) if directory is not None else None
    if died is not None and chosen.device != "cpu":
        if not chosen.forced:
            return f"{died}; `speaches tune` tries it again"
        log_event(f"{died}; the service uses it again, because you requested it", "warning")
    model = settings.stt_model
    if model is None:
        return None
    weights = catalog.weights_for(model)
    if weights is None:
        # Clients may still request other models.
        return f"there are no GGML weights for `{model}`" if chosen.forced else None
    if not chosen.forced:
        return None
    path = catalog.path(model)
    if path is None:
        return f"`{weights.file}` of `{weights.repository}`, which serves `{model}`, is not in the model cache"
    reason = check(path, chosen.device, directory).reason
    return f"`{path}`: {reason}" if reason is not None else None


def _guard(settings: Settings) -> Callable[[], AbstractContextManager[object]] | None:
    """The recorder of crashes on the GPU; None without a GPU or without a directory."""
    if settings.transcription.device == "cpu" or settings.machine_directory is None:
        return None
    described = json_file.read(os.path.join(settings.runtime, "runtime.json")) or {}
    plan = str(described.get("plan", "unknown"))
    return crash.CrashRecorder(settings.machine_directory, plan, settings.system or machine.system()).running
