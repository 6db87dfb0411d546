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
    return tuple(
        Candidate(
            name,
            COREML_PROVIDER,
            {
                # The older format takes no tensors of 16 bits, and fewer operators.
                "ModelFormat": "MLProgram",
                "MLComputeUnits": units,
                "ModelCacheDirectory": os.path.join(cache_of(machine_directory, key), _file_name(model_id), name),
            },
        )
        for name, units in _COREML_UNITS.items()
    )


def cache_of(machine_directory: str, key: str) -> str:
    """The directory for what was compiled under a key."""
    return os.path.join(machine_directory, CACHE_DIRECTORY, hashlib.sha256(key.encode()).hexdigest()[:16])


def _file_name(model_id: str) -> str:
    return model_id.replace("/", "--")
