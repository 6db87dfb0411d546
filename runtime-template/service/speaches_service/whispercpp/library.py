"""The extension of pywhispercpp: only that, since the rest of the package asks for more packages.

Its C functions are used as they are. N.B. `pywhispercpp.model` keeps parameters from one call to the next.
"""

import contextlib
import ctypes
import functools
import glob
import importlib
import os
import struct
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

MAGIC = 0x67676D6C
"""What a file with GGML weights begins with."""

_PACKAGE = "pywhispercpp"
_EXTENSION = "_pywhispercpp"
_ERROR = 4
"""The log level of errors."""
_NO_TENSORS = "no tensors loaded from model file"
"""Only a warning, for tests of whisper.cpp itself: a file that ends before its first tensor is taken for a model."""
_GPU_NAMES = ("MTL", "Metal", "CUDA", "Vulkan", "ROCm", "SYCL")
"""How ggml names backends that are GPUs; `BLAS` is none."""

# The callback for the log belongs to the whole library.
_loading = threading.Lock()


class UnusableModel(Exception):
    """A file cannot be used, for the reason in the message."""


class Loaded(NamedTuple):
    """A model in memory, and what the library said about it."""

    context: Any
    """The extension's `whisper_context`."""
    pointer: int
    """The address of the library's own `whisper_context`; 0 where it cannot be told."""
    gpu: str | None
    """The backend that computes, if it is a GPU, such as `MTL0`."""
    gpu_name: str | None
    """What the GPU is called."""


def extension() -> Any:
    """The module.

    Raises:
        ImportError: this runtime does not contain it, or this machine cannot load it.
    """
    return importlib.import_module(_EXTENSION)


def load(path: str, use_gpu: bool) -> Loaded:
    """Load a file.

    Raises:
        UnusableModel: it is missing, or something else than GGML weights, or too short, or the GPU could not take it.

    N.B. whisper.cpp does not notice that the last tensor ends early; `speaches verify` does, for what a runtime brings.
    A file that is damaged in another way may end the process at the first use: `check.py` finds that out.
    """
    library = extension()
    _check_magic(path)
    parameters = library.whisper_context_default_params()
    parameters.use_gpu = use_gpu
    lines: list[tuple[int, str]] = []
    with _loading:
        library.whisper_log_set(lambda level, text: lines.append((level, text.strip())))
        try:
            context = library.whisper_init_from_file_with_params(path, parameters)
        finally:
            # One that is still there when the interpreter ends would abort the process.
            library.whisper_log_set(None)
    pointer = _pointer(context)
    errors = blocking_errors(lines, pointer != 0)
    if errors or pointer == 0:
        if pointer != 0:
            library.whisper_free(context)
        # The binding returns an object around nothing, which would end the process at its first use.
        raise UnusableModel("; ".join(errors)[:500] or "whisper.cpp could not load it")
    if any(_NO_TENSORS in text for _, text in lines):
        library.whisper_free(context)
        raise UnusableModel("it ends before its first tensor")
    return Loaded(context, pointer, *_gpu([text for _, text in lines]))


def blocking_errors(lines: Iterable[tuple[int, str]], is_loaded: bool) -> list[str]:
    """The errors among the lines of the library's log that are in the way of using it.

    Its part for Metal says so, too, when it has tried something and does without: M5's tensors, for instance.
    """
    errors = [text for level, text in lines if level == _ERROR and text]
    return [text for text in errors if not (is_loaded and text.startswith("ggml_metal_"))]


def _gpu(lines: list[str]) -> tuple[str | None, str | None]:
    """Backend and name of the GPU that the library says it uses.

    `whisper_backend_init_gpu: using MTL0 backend`, and before it `ggml_metal_device_init: GPU name:   Apple M1`.
    """
    used = [line.partition(": using ")[2].removesuffix(" backend") for line in lines if line.endswith(" backend")]
    backend = next((name for name in used if name.startswith(_GPU_NAMES)), None)
    if backend is None:
        return None, None
    names = [line.partition("GPU name:")[2].strip() for line in lines if "GPU name:" in line]
    return backend, next(iter(names), None)


def _check_magic(path: str) -> None:
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UnusableModel(f"it cannot be read: {error.strerror or error}") from error
    if len(start) < 4 or struct.unpack("<I", start)[0] != MAGIC:
        raise UnusableModel("it is not a file with GGML weights")


def _pointer(context: Any) -> int:
    """The address inside of the extension's object.

    pybind11 keeps, behind the head of a Python object, the address of the C++ value; that one begins with the address
    of the C structure. The extension offers no way to it. The wheel is pinned, and a child process tries it first.
    """
    head = 2 * ctypes.sizeof(ctypes.c_void_p)
    value = ctypes.c_void_p.from_address(id(context) + head).value
    return 0 if value is None else ctypes.c_void_p.from_address(value).value or 0


def no_speech_probability(pointer: int, segment: int) -> float:
    """The probability that a segment of the last transcription has no speech, from 0 to 1; 0 where it is unknown.

    The extension does not offer it, and its library does.
    """
    function = _no_speech_function()
    return float(function(pointer, segment)) if function is not None and pointer else 0.0


@functools.cache
def _no_speech_function() -> Any:
    for path in _libraries():
        with contextlib.suppress(OSError, AttributeError):
            # The one that the extension has loaded: the loader knows it by its file.
            function = ctypes.CDLL(path).whisper_full_get_segment_no_speech_prob
            function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_int), ctypes.c_float
            return function
    return None


def _libraries() -> list[str]:
    """Where the wheel has libwhisper: each system's tool for wheels puts it elsewhere."""
    directory = os.path.dirname(os.path.abspath(extension().__file__))
    patterns = (f"{_PACKAGE}.libs/libwhisper-*.so*", f"{_PACKAGE}/.dylibs/libwhisper.*.dylib", "whisper-*.dll")
    return [path for pattern in patterns for path in sorted(glob.glob(os.path.join(glob.escape(directory), pattern)))]
