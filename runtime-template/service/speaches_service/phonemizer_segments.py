"""phonemizer without its `segments` backend, which Kokoro never uses and which imports csvw, rdflib and babel."""

from types import ModuleType
from typing import NoReturn

from speaches_service.deferred_imports import placeholder

_MODULE = "phonemizer.backend.segments"


class SegmentsBackend:
    """Stands in for phonemizer's class of this name."""

    @staticmethod
    def name() -> str:
        """The key in phonemizer's table of backends."""
        return "segments"

    def __init__(self, *_arguments: object, **_options: object) -> NoReturn:
        raise RuntimeError("phonemizer's `segments` backend is not loaded in this service")


def placeholders() -> dict[str, ModuleType]:
    """What phonemizer has to find while it is imported."""
    return {_MODULE: placeholder(_MODULE, SegmentsBackend=SegmentsBackend)}
