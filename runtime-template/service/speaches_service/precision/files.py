"""The files of a derived model, and whether they are what was written."""

import hashlib
import json
import os

MODEL = "model.onnx"
WEIGHTS = "weights.bin"
"""Beside the model, so that onnxruntime maps the weights into memory instead of reading and copying them."""
CONTENTS = "contents.json"
"""The sha256 of the others."""

_CHUNK = 1 << 20


def digest(path: str) -> str:
    """The sha256 of a file, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    found = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def digests(directory: str) -> dict[str, str]:
    """The digests of both files in a directory.

    Raises:
        OSError: one cannot be read.
    """
    return {name: digest(os.path.join(directory, name)) for name in (MODEL, WEIGHTS)}


def are_intact(directory: str) -> bool:
    """Whether both files are those that were written: a power cut may leave them visible and empty."""
    try:
        with open(os.path.join(directory, CONTENTS), encoding="ascii") as file:
            return bool(json.load(file) == digests(directory))
    except (OSError, ValueError):
        return False
