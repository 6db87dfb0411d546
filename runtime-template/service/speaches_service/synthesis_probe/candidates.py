"""What is compared: a provider of onnxruntime with its options, under a name of ours."""

import hashlib
import os
from collections.abc import Mapping
from typing import NamedTuple

CACHE_DIRECTORY = "coreml-cache"
"""Below the machine directory: what CoreML has compiled. onnxruntime never removes anything from it."""

CPU_PROVIDER = "CPUExecutionProvider"
COREML_PROVIDER = "CoreMLExecutionProvider"

_COREML_UNITS = {"coreml-all": "ALL", "coreml-cpu-and-gpu": "CPUAndGPU"}


class Candidate(NamedTuple):
    """One way to compute."""

    name: str
    provider: str
    """As onnxruntime calls it."""
    options: Mapping[str, str]
    """Of the provider."""


CPU = Candidate("cpu", CPU_PROVIDER, {})


def coreml(machine_directory: str, key: str, model_id: str) -> tuple[Candidate, ...]:
    """CoreML, with and without the neural engine; its caches belong to this key, so another system makes new ones."""
    return tuple(coreml_with(name, cache_of(machine_directory, key), model_id) for name in _COREML_UNITS)


def coreml_with(name: str, cache: str | None, model_id: str) -> Candidate:
    """CoreML by its name; what it compiles is kept below the directory `cache`, which need not be there yet."""
    # The older format takes no tensors of 16 bits, and fewer operators.
    options = {"ModelFormat": "MLProgram", "MLComputeUnits": _COREML_UNITS[name]}
    if cache is not None:
        options["ModelCacheDirectory"] = os.path.join(cache, _file_name(model_id), name)
    return Candidate(name, COREML_PROVIDER, options)


def cache_of(machine_directory: str, key: str) -> str:
    """The directory for what was compiled under a key."""
    return os.path.join(machine_directory, CACHE_DIRECTORY, hashlib.sha256(key.encode()).hexdigest()[:16])


def _file_name(model_id: str) -> str:
    return model_id.replace("/", "--")
