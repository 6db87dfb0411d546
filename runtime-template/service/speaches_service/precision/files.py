"""The files of a derived model, with their digests."""

import hashlib
import json
import os

MODEL = "model.onnx"
WEIGHTS = "weights.bin"
"""A separate file, so that onnxruntime maps the weights into memory instead of copying them."""
CONTENTS = "contents.json"
"""The sha256 of the other two files."""

_CHUNK = 1 << 20


def digest(path: str) -> str:
    """The sha256 of a file, in hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    found = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def digests(directory: str) -> dict[str, str]:
    """The digests of both files in a directory.

    Raises:
        OSError: a file cannot be read.
    """
    return {name: digest(os.path.join(directory, name)) for name in (MODEL, WEIGHTS)}


def are_intact(directory: str) -> bool:
    """Whether both files have their recorded digests: after a power cut they may exist and be empty."""
    try:
        with open(os.path.join(directory, CONTENTS), encoding="ascii") as file:
            return bool(json.load(file) == digests(directory))
    except (OSError, ValueError):
        return False
