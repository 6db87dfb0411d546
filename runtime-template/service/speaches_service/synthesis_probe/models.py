"""The Kokoro models of a Hugging Face cache."""

import os
from typing import NamedTuple

_MODEL_FILE = "model.onnx"
_VOICES_FILE = "voices.bin"
_PREFIX = "models--"


class SpeechModel(NamedTuple):
    """A model and its files."""

    id: str
    model: str
    """Path of the ONNX file."""
    voices: str
    """Path of the file with voices."""


def models_in(cache: str) -> list[SpeechModel]:
    """All of them, by id; a cache that is not there has none."""
    try:
        names = sorted(os.listdir(cache))
    except OSError:
        return []
    found = [_model_in(cache, name) for name in names if name.startswith(_PREFIX) and name.count("--") >= 2]
    return [model for model in found if model is not None]


def _model_in(cache: str, name: str) -> SpeechModel | None:
    snapshots = os.path.join(cache, name, "snapshots")
    try:
        with open(os.path.join(cache, name, "refs", "main"), encoding="ascii") as file:
            revisions = [file.read().strip()]
    except (OSError, ValueError):
        revisions = []
    try:
        revisions += sorted(os.listdir(snapshots))
    except OSError:
        return None
    for revision in revisions:
        files = [os.path.join(snapshots, revision, file) for file in (_MODEL_FILE, _VOICES_FILE)]
        if revision and all(os.path.isfile(file) for file in files):
            return SpeechModel(name.removeprefix(_PREFIX).replace("--", "/"), *files)
    return None
