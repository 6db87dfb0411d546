"""Uses the extension of pywhispercpp directly, because the rest of the package requires more packages.

N.B. `pywhispercpp.model` keeps parameters from one call to the next.
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
"""The first bytes of a file with GGML weights."""

_PACKAGE = "pywhispercpp"
_EXTENSION = "_pywhispercpp"
_ERROR = 4
"""The log level of errors."""
_NO_TENSORS = "no tensors loaded from model file"
"""Only a warning, for whisper.cpp's own tests: it accepts a file that ends before its first tensor."""
_GPU_NAMES = ("MTL", "Metal", "CUDA", "Vulkan", "ROCm", "SYCL")
"""The prefixes of ggml's names for GPU backends; `BLAS` is not one."""

# The library has only one callback for its log.
_loading = threading.Lock()


class UnusableModel(Exception):
    """A file is unusable, for the reason in the message."""


class Loaded(NamedTuple):
    """A model in memory, with facts from the library's log."""

    context: Any
    """The extension's `whisper_context`."""
    pointer: int
    """The address of the library's own `whisper_context`; 0 if it is unknown."""
    gpu: str | None
    """The backend, such as `MTL0`, if it is a GPU."""
    gpu_name: str | None
    """The name of the GPU."""


def extension() -> Any:
    """Raises: ImportError: this runtime does not contain the module, or this machine cannot load it."""
    return importlib.import_module(_EXTENSION)


def load(path: str, use_gpu: bool) -> Loaded:
    """Raises: UnusableModel: the file is missing, truncated or not GGML weights, or the GPU failed to load it.

    N.B. whisper.cpp does not notice a truncated last tensor; `speaches verify` does, for the files of a runtime.
    Other damage in a file may crash the process at the first use, which `check.py` finds out.
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
            # A callback that still exists at the interpreter's end would abort the process.
            library.whisper_log_set(None)
    pointer = _pointer(context)
    errors = blocking_errors(lines, pointer != 0)
    if errors or pointer == 0:
        if pointer != 0:
            library.whisper_free(context)
        # The binding returns an object around a null pointer, which would crash the process at its first use.
        raise UnusableModel("; ".join(errors)[:500] or "whisper.cpp could not load it")
    if any(_NO_TENSORS in text for _, text in lines):
        library.whisper_free(context)
        raise UnusableModel("it ends before its first tensor")
    return Loaded(context, pointer, *_gpu([text for _, text in lines]))


def blocking_errors(lines: Iterable[tuple[int, str]], is_loaded: bool) -> list[str]:
    """The errors in the library's log that prevent the use of a model.

    The backend for Metal also logs errors for optional features, such as M5's tensors, without which it continues.
    """
    errors = [text for level, text in lines if level == _ERROR and text]
    return [text for text in errors if not (is_loaded and text.startswith("ggml_metal_"))]


def _gpu(lines: list[str]) -> tuple[str | None, str | None]:
    """The backend and the name of the GPU, from the library's log.

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
    """The address of the C structure inside of the extension's object.

    The extension does not expose this address. pybind11 stores the address of the C++ value behind the header of the
    Python object, and the C++ value begins with the address of the C structure. The wheel is pinned, and a child
    process tries this first.
    """
    head = 2 * ctypes.sizeof(ctypes.c_void_p)
    value = ctypes.c_void_p.from_address(id(context) + head).value
    return 0 if value is None else ctypes.c_void_p.from_address(value).value or 0


def no_speech_probability(pointer: int, segment: int) -> float:
    """The probability that a segment of the last transcription has no speech, from 0 to 1; 0 if it is unknown.

    The library has this function, but the extension does not expose it.
    """
    function = _no_speech_function()
    return float(function(pointer, segment)) if function is not None and pointer else 0.0


@functools.cache
def _no_speech_function() -> Any:
    for path in _libraries():
        with contextlib.suppress(OSError, AttributeError):
            # This does not load a second copy: the loader knows the extension's library by its file.
            function = ctypes.CDLL(path).whisper_full_get_segment_no_speech_prob
            function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_int), ctypes.c_float
            return function
    return None


def _libraries() -> list[str]:
    """The paths of libwhisper in the wheel: each system's tool for wheels puts it elsewhere."""
    directory = os.path.dirname(os.path.abspath(extension().__file__))
    patterns = (f"{_PACKAGE}.libs/libwhisper-*.so*", f"{_PACKAGE}/.dylibs/libwhisper.*.dylib", "whisper-*.dll")
    return [path for pattern in patterns for path in sorted(glob.glob(os.path.join(glob.escape(directory), pattern)))]
