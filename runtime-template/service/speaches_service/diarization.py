"""Diarization and speaker embedding: the first request imports torch and pyannote.audio, or gets status 501."""

import gc
import importlib
from types import ModuleType
from typing import Any, NoReturn

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from speaches_service.deferred_imports import DeferredModule, is_installed, placeholder
from speaches_service.rebinding import rebind as rebind_name

_PIPELINE_MODULE = "pyannote.audio.core.pipeline"
_OUTPUT_MODULE = "pyannote.audio.pipelines.speaker_diarization"
_ROUTER_MODULES = ("speaches.routers.diarization", "speaches.routers.speech_embedding")
_TORCH_USERS = ("speaches.routers.diarization", "speaches.executors.wespeaker_speaker_embedding")


class _DeferredDiarizeOutput(type):
    """Defers the import of pyannote's class to the first `isinstance`."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, importlib.import_module(_OUTPUT_MODULE).DiarizeOutput)


class DiarizeOutput(metaclass=_DeferredDiarizeOutput):
    """Replaces pyannote's class of this name while upstream is imported."""


class NotBundled(Exception):
    """The runtime was provisioned without torch and pyannote.audio."""


def placeholders() -> dict[str, ModuleType]:
    """The modules that upstream imports for the types in its annotations."""
    return {
        "torch": placeholder("torch", Tensor=object),
        _PIPELINE_MODULE: placeholder(_PIPELINE_MODULE, Pipeline=object),
        _OUTPUT_MODULE: placeholder(_OUTPUT_MODULE, DiarizeOutput=DiarizeOutput),
    }


def rebind() -> None:
    """Import the real torch at its first use. Without torch, let the routes answer 501."""
    for user in _TORCH_USERS:
        rebind_name(user, "torch", _Torch("torch"))
    if is_installed("torch") and is_installed("pyannote.audio"):
        return
    for module in _ROUTER_MODULES:
        for route in importlib.import_module(module).router.routes:
            # Route dependencies run after those of the application, so the check of the API key still comes first.
            route.dependencies.append(Depends(_refuse))


def install_refusal(application: FastAPI) -> None:
    application.add_exception_handler(NotBundled, _answer_not_bundled)


class _Torch(DeferredModule):
    """torch, whose objects are excluded from later garbage collections."""

    _frozen = False

    def __getattr__(self, attribute: str) -> Any:
        value = super().__getattr__(attribute)
        if not _Torch._frozen:
            _Torch._frozen = True
            gc.freeze()
        return value


async def _refuse() -> NoReturn:
    raise NotBundled


async def _answer_not_bundled(_request: Request, _error: Exception) -> JSONResponse:
    detail = (
        "Speaker diarization and speaker embedding need torch and pyannote.audio, which this runtime does not contain. "
        "Provision a runtime without the option `--without diarization`."
    )
    return JSONResponse({"detail": detail, "code": "not_bundled"}, status_code=501)
