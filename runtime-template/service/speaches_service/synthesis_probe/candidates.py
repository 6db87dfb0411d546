"""The candidates, each a provider of onnxruntime and a precision. The launcher selects them by name."""

import importlib
import os
import platform
from collections.abc import Mapping, Sequence
from typing import NamedTuple

CACHE_DIRECTORY = "coreml-cache"
"""CoreML's compiled models, below the machine directory. onnxruntime never removes any."""

CPU_PROVIDER = "CPUExecutionProvider"
COREML_PROVIDER = "CoreMLExecutionProvider"


class Candidate(NamedTuple):
    name: str
    provider: str
    """onnxruntime's name."""
    options: Mapping[str, str]
    precision: str
    """`original`, or `float32` for the derived file if the model has one."""


ORIGINAL = Candidate("original", CPU_PROVIDER, {}, "original")
FLOAT32 = Candidate("float32", CPU_PROVIDER, {}, "float32")
COREML = "coreml"


def coreml(machine_directory: str | None, precision: str = "float32") -> Candidate:
    """CoreML, with its compiled models below the machine directory, which may not exist yet."""
    # The older format supports fewer operators. Compiling for the neural engine takes minutes, and according to public
    # reports it rejects Kokoro.
    options = {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"}
    if machine_directory is not None:
        options["ModelCacheDirectory"] = cache_of(machine_directory)
    return Candidate(COREML, COREML_PROVIDER, options, precision)


def cache_of(machine_directory: str) -> str:
    """The directory of compiled models for this version of onnxruntime and of the system.

    Inside of it, onnxruntime distinguishes models by their paths, which change with their contents.
    """
    version = importlib.import_module("onnxruntime").__version__
    return os.path.join(machine_directory, CACHE_DIRECTORY, f"{version}-{platform.release()}")


def candidates_named(names: Sequence[str], machine_directory: str | None) -> tuple[Candidate, ...]:
    """The candidates with these names, in a fixed order; unknown names are ignored."""
    known = [candidate for candidate in (ORIGINAL, FLOAT32) if candidate.name in names]
    return (*known, coreml(machine_directory)) if COREML in names else tuple(known)
