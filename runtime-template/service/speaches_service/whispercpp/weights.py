"""Finds the file with GGML weights for a model in the Hugging Face cache."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from speaches_service import hub_cache


class Weights(NamedTuple):
    repository: str
    """On the hub."""
    file: str
    """The name in the repository."""
    serves: tuple[str, ...]
    """The models that clients request."""


def _openai(size: str) -> Weights:
    """Weights that the authors of whisper.cpp have converted."""
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
    """The known weights, some of which are in a cache."""

    def __init__(self, cache: str, bundled: Iterable[Weights] = ()) -> None:
        """`cache` is a Hugging Face cache (`…/hub`); bundled weights come before other known weights."""
        self._cache = cache
        self._weights = (*bundled, *KNOWN)

    def path(self, model: str) -> str | None:
        """The file for a model in the cache, or None."""
        for weights in self._weights:
            if model in weights.serves:
                for snapshot in hub_cache.snapshots(self._cache, weights.repository):
                    path = os.path.join(snapshot, weights.file)
                    if os.path.isfile(path):
                        return path
        return None

    def weights_for(self, model: str) -> Weights | None:
        """The weights for a model, whether they are in the cache or not."""
        return next((weights for weights in self._weights if model in weights.serves), None)
