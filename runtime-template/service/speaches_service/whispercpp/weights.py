"""Which file with GGML weights serves which model, and where it is in the Hugging Face cache."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from speaches_service import hub_cache


class Weights(NamedTuple):
    """One file with weights."""

    repository: str
    """On the hub."""
    file: str
    """Its name there."""
    serves: tuple[str, ...]
    """The models that clients ask for."""


def _openai(size: str) -> Weights:
    """The weights that the makers of whisper.cpp have converted."""
    return Weights("ggerganov/whisper.cpp", f"ggml-{size}.bin", (f"Systran/faster-whisper-{size}",))


# The entries of `manifests/models.toml` that serve another model; a test compares them.
KNOWN = (
    Weights("distil-whisper/distil-small.en", "ggml-distil-small.en.bin", ("Systran/faster-distil-whisper-small.en",)),
    *map(_openai, ("tiny", "tiny.en", "base", "base.en", "small", "small.en", "large-v3")),
    Weights(
        "ggerganov/whisper.cpp",
        "ggml-large-v3-turbo.bin",
        ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", "deepdml/faster-whisper-large-v3-turbo-ct2"),
    ),
)


class Catalog:
    """The weights that may be in a cache."""

    def __init__(self, cache: str, bundled: Iterable[Weights] = ()) -> None:
        """`cache` is a Hugging Face cache (`…/hub`); what is bundled goes before what is known."""
        self._cache = cache
        self._weights = (*bundled, *KNOWN)

    def path(self, model: str) -> str | None:
        """The file that serves a model, or None when there is none."""
        for weights in self._weights:
            if model in weights.serves:
                for snapshot in hub_cache.snapshots(self._cache, weights.repository):
                    path = os.path.join(snapshot, weights.file)
                    if os.path.isfile(path):
                        return path
        return None

    def wanted(self, model: str) -> Weights | None:
        """The file that would serve a model, whether it is there or not."""
        return next((weights for weights in self._weights if model in weights.serves), None)
