"""Skips modules that upstream's packages import and that the service never uses.

Without them, the service starts about 8 % sooner. If some code does use a deferred module, the module is imported then.
"""

from types import ModuleType
from typing import NoReturn

from speaches_service.deferred_imports import DeferredModule, placeholder

_SEGMENTS = "phonemizer.backend.segments"
_DEFERRED = (
    "ctranslate2.converters",  # ctranslate2's converters of models, which import yaml
    "joblib",  # phonemizer's library for several processes
)


class SegmentsBackend:
    """Replaces phonemizer's class of this name, which imports csvw, rdflib and babel."""

    @staticmethod
    def name() -> str:
        """The key in phonemizer's table of backends."""
        return "segments"

    def __init__(self, *_arguments: object, **_options: object) -> NoReturn:
        raise RuntimeError("phonemizer's `segments` backend is not loaded in this service")


def placeholders() -> dict[str, ModuleType | None]:
    """The modules that those packages find while they are imported."""
    return {
        _SEGMENTS: placeholder(_SEGMENTS, SegmentsBackend=SegmentsBackend),
        # httpx's command line, which imports rich and pygments. httpx handles its absence.
        "httpx._main": None,
        **{name: DeferredModule(name) for name in _DEFERRED},
    }
