"""The process that derives a float32 model: `speaches_service_manager.py derive-float32 ORIGINAL DIRECTORY`.

Deriving takes half a gigabyte for two seconds; the end of the process frees it. The process writes the directory's
files, and one line of JSON to standard output. The parent makes the directory visible.
"""

import json
import os
import sys
from typing import IO, Any

from speaches_service import child_process
from speaches_service.precision import NOT_DERIVABLE, graph, messages
from speaches_service.precision.files import CONTENTS, MODEL, WEIGHTS, digests

_ALIGNMENT = 1 << 16
"""Of each weight in its file, in bytes: onnxruntime maps it into memory, and every system can map from 64 KiB."""
_EMBEDDED = 1 << 10
"""Tensors with fewer bytes stay in the model's own file."""


def main(original: str, directory: str) -> int:
    """Write the float32 model of `original` into an empty directory. Returns the exit code."""
    child_process.end_with_parent()
    with open(original, "rb") as file:
        model = messages.Model.FromString(file.read())
    try:
        outcome = graph.rewrite(model.graph)
    except graph.UnsupportedGraph as reason:
        return _refuse(str(reason))
    if not outcome.replaced:
        return _refuse("; ".join(outcome.left) or "it has no quantised operators")
    _write(model, outcome, directory)
    sys.stdout.write(json.dumps({"replaced": outcome.replaced, "left": outcome.left}) + "\n")
    return 0


def _refuse(reason: str) -> int:
    sys.stdout.write(json.dumps({"reason": reason}) + "\n")
    return NOT_DERIVABLE


def _write(model: Any, outcome: graph.Outcome, directory: str) -> None:
    with open(os.path.join(directory, WEIGHTS), "wb") as file:
        for name, weight in outcome.weights.items():
            tensor = model.graph.initializer.add(dims=weight.shape, data_type=messages.FLOAT, name=name)
            data = weight.astype("<f4").tobytes()
            if len(data) < _EMBEDDED:
                tensor.raw_data = data
            else:
                _write_tensor(tensor, data, file)
    with open(os.path.join(directory, MODEL), "wb") as file:
        file.write(model.SerializeToString())
    with open(os.path.join(directory, CONTENTS), "w", encoding="ascii") as text:
        json.dump(digests(directory), text)


def _write_tensor(tensor: Any, data: bytes, file: IO[bytes]) -> None:
    file.write(bytes(-file.tell() % _ALIGNMENT))
    tensor.data_location = messages.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", file.tell()), ("length", len(data))):
        tensor.external_data.add(key=key, value=str(value))
    file.write(data)
