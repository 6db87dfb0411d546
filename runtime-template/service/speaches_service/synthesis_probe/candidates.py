"""The candidates: a provider of onnxruntime and the precision of the model's file. The launcher knows their names."""

import importlib
import os
import platform
from collections.abc import Mapping, Sequence
from typing import NamedTuple

CACHE_DIRECTORY = "coreml-cache"
"""Below the machine directory: what CoreML has compiled. onnxruntime never removes anything from it."""

CPU_PROVIDER = "CPUExecutionProvider"
COREML_PROVIDER = "CoreMLExecutionProvider"


class Candidate(NamedTuple):
    """One way to compute."""

    name: str
    provider: str
    """As onnxruntime calls it."""
    options: Mapping[str, str]
    """Of the provider."""
    precision: str
    """`original`, or `float32` for the derived file where the model has one."""


ORIGINAL = Candidate("original", CPU_PROVIDER, {}, "original")
FLOAT32 = Candidate("float32", CPU_PROVIDER, {}, "float32")
COREML = "coreml"


def coreml(machine_directory: str | None, precision: str = "float32") -> Candidate:
    """CoreML; what it compiles is kept below the machine directory, which need not be there yet."""
    # The older format has fewer operators. The neural engine takes minutes to compile for, and public reports have it
    # refuse Kokoro.
    options = {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"}
    if machine_directory is not None:
        options["ModelCacheDirectory"] = cache_of(machine_directory)
    return Candidate(COREML, COREML_PROVIDER, options, precision)


def cache_of(machine_directory: str) -> str:
    """The directory of what this onnxruntime has compiled on this system.

    onnxruntime tells the models in it apart by their paths, which change with their contents.
    """
    version = importlib.import_module("onnxruntime").__version__
    return os.path.join(machine_directory, CACHE_DIRECTORY, f"{version}-{platform.release()}")


def candidates_named(names: Sequence[str], machine_directory: str | None) -> tuple[Candidate, ...]:
    """The candidates that the launcher names; other names than these are of no use here."""
    known = [candidate for candidate in (ORIGINAL, FLOAT32) if candidate.name in names]
    return (*known, coreml(machine_directory)) if COREML in names else tuple(known)
