"""Builds upstream's application in this process and rebinds the names that must differ.

Upstream's files stay unchanged. If a replaced name does not exist, the service does not start.
"""

import contextlib
import importlib
import os
from types import ModuleType
from typing import Any

from fastapi import FastAPI

from speaches_service import (
    deferred_reexports,
    diarization,
    espeak_data,
    hub_cache,
    invalid_requests,
    kokoro_stream,
    kokoro_voices,
    language_model,
    memory,
    model_aliases,
    model_fetching,
    openapi_document,
    piper_stream,
    providers,
    shared_phonemizers,
    speech,
    system_proxies,
    telemetry,
    unexpected_errors,
    unused_modules,
    upload_limit,
    user_interface,
    whisper_device,
    whisper_files,
)
from speaches_service.deferred_imports import modules_replaced
from speaches_service.event_log import log_event
from speaches_service.exit_codes import ExitCode, ServiceFailure, unavailable_component
from speaches_service.realtime import routers as realtime_routers
from speaches_service.rebinding import imported
from speaches_service.settings import Settings
from speaches_service.sockets import connect_address, url_of
from speaches_service.state import State
from speaches_service.transcription import decoding, events, pipeline, requests, subtitles
from speaches_service.whispercpp import installation as whispercpp


def build_application(settings: Settings, port: int, state: State) -> FastAPI:
    """Import speaches and make its application; the working directory must be the runtime's `app/`.

    Raises:
        ServiceFailure: UNAVAILABLE if a component is missing, CANNOT_WORK if upstream rejects its environment.
    """
    system_proxies.export()
    try:
        main = import_upstream()
        _rebind(settings, state)
    except Exception as error:
        raise unavailable_component(error) from error
    whispercpp.install(settings, state.record_computation)
    configuration = _read_configuration()
    configuration.port = port  # the setting may be 0
    if configuration.loopback_host_url is None:
        # The address at which speaches calls itself. Without it, realtime sessions call a router outside of the
        # application, which fails (`fastapi_middleware_astack not found`), and the page calls the address in the
        # browser, which may not exist on this machine.
        configuration.loopback_host_url = url_of(connect_address(settings.host[0]), port)
    configuration.enable_ui = False  # importing gradio now would double the time of the start
    _make_model_cache()
    try:
        application: FastAPI = main.create_app()
    except (ImportError, OSError, RuntimeError) as error:
        raise unavailable_component(error) from error
    diarization.install_refusal(application)
    decoding.install(application)
    unexpected_errors.install(application)
    invalid_requests.install(application)
    openapi_document.install(application)
    language_model.install(application, getattr(configuration, "chat_completion_base_url", None))
    if settings.ui:
        user_interface.mount(application, configuration, settings)
    whispercpp.watch_clients(application, settings)
    application.add_middleware(upload_limit.UploadLimit, max_bytes=settings.upload_limit << 20)
    return application


def import_upstream() -> ModuleType:
    """Import speaches without the packages that only diarization, telemetry and chats use."""
    deferred_reexports.defer("openai")
    unused = unused_modules.placeholders()
    # ctranslate2 tries to import torch for its converters, which the service never runs.
    with modules_replaced({**unused, "torch": None}), contextlib.suppress(ImportError):
        importlib.import_module("ctranslate2")
    with modules_replaced({**unused, **diarization.placeholders(), **telemetry.placeholders()}):
        main = importlib.import_module("speaches.main")
    # The types of answers, imported now so that no request has to wait for them.
    answers = imported("openai.types.audio")
    if answers is not None:
        deferred_reexports.resolve(answers)
    return main


def _rebind(settings: Settings, state: State) -> None:
    diarization.rebind()
    speech.rebind(settings.normalize)
    whisper_files.rebind()
    whisper_device.rebind(settings, state.record_computation)
    providers.Providers(settings, state.record_computation).rebind()
    pipeline.rebind()
    requests.rebind()
    events.rebind()
    subtitles.rebind()
    realtime_routers.rebind(settings)
    espeak_data.rebind(settings.state_dir)
    kokoro_stream.rebind()
    kokoro_voices.rebind()
    piper_stream.rebind()
    model_fetching.rebind()
    model_aliases.rebind(settings)
    shared_phonemizers.rebind()
    memory.rebind()


def _read_configuration() -> Any:
    """The one instance of upstream's `Config`, which all of upstream shares."""
    try:
        return importlib.import_module("speaches.dependencies").get_config()
    except ValueError as error:  # pydantic's ValidationError and SettingsError
        # N.B. str(error) would show the values, some of which are secrets.
        details = getattr(error, "errors", None)
        message = (
            "; ".join(f"{'__'.join(map(str, detail['loc'])).upper()}: {detail['msg']}" for detail in details())
            if details
            else str(error)
        )
        raise ServiceFailure(
            ExitCode.CANNOT_WORK, f"speaches rejects these environment variables: {message}"
        ) from error


def _make_model_cache() -> None:
    """Create the directory for models: without it, upstream answers 500 to every request about models."""
    directory = hub_cache.directory()
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        log_event(f"cannot create the model cache `{directory}`: {error.strerror or error}", "warning")
