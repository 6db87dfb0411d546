"""Modules that upstream's packages import and that the service never uses.

Without them the service starts about 8 % sooner. If some code does use one, a deferred module is imported then.
"""

from types import ModuleType
from typing import NoReturn

from speaches_service.deferred_imports import DeferredModule, placeholder

_SEGMENTS = "phonemizer.backend.segments"
_DEFERRED = (
    "ctranslate2.converters",  # of ctranslate2: they make models, and bring yaml
    "joblib",  # of phonemizer: for phonemes in several processes
)


class SegmentsBackend:
    """Stands in for phonemizer's class of this name, which brings csvw, rdflib and babel."""

    @staticmethod
    def name() -> str:
        """The key in phonemizer's table of backends."""
        return "segments"

    def __init__(self, *_arguments: object, **_options: object) -> NoReturn:
        raise RuntimeError("phonemizer's `segments` backend is not loaded in this service")


def placeholders() -> dict[str, ModuleType | None]:
    """What those packages have to find while they are imported."""
    return {
        _SEGMENTS: placeholder(_SEGMENTS, SegmentsBackend=SegmentsBackend),
        # httpx's command line, which brings rich and pygments; httpx does without it by itself.
        "httpx._main": None,
        **{name: DeferredModule(name) for name in _DEFERRED},
    }
