"""The Kokoro models of a Hugging Face cache."""

import os
from typing import NamedTuple

from speaches_service import hub_cache

_MODEL_FILE = "model.onnx"
_VOICES_FILE = "voices.bin"


class SpeechModel(NamedTuple):
    id: str
    model: str
    """Path of the ONNX file."""
    voices: str
    """Path of the file with voices."""


def models_in(cache: str) -> list[SpeechModel]:
    """The models by id; none if the cache does not exist."""
    found = []
    for repository in hub_cache.repositories(cache):
        for snapshot in hub_cache.snapshots(cache, repository):
            files = [os.path.join(snapshot, file) for file in (_MODEL_FILE, _VOICES_FILE)]
            if all(map(os.path.isfile, files)):
                found.append(SpeechModel(repository, *files))
                break
    return found
