"""Returns memory to the system when a model is unloaded, and after each piece of speech.

The C library's allocator keeps the memory that a model has freed: 644 of 928 MB after all models were unloaded,
measured with Kokoro and Whisper base on Linux. Each system has a function that returns it.
"""

import contextlib
import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any

from speaches_service.rebinding import imported

_MODULE = "speaches.executors.shared.base_model_manager"
_CLASS = "SelfDisposingModel"
_SHRINKAGE = ("memory.enable_memory_arena_shrinkage", "cpu:0")
"""onnxruntime's option for one run: afterwards, the arena of the CPU frees its unused memory."""


def rebind() -> None:
    """Return memory to the system whenever upstream unloads a model."""
    module = imported(_MODULE)
    if module is None:
        return
    kind: Any = getattr(module, _CLASS)
    unload: Callable[[Any], None] = kind.unload

    def unload_and_release(model: Any) -> None:
        unload(model)
        # A session is part of reference cycles.
        gc.collect()
        release_free_memory()

    kind.unload = unload_and_release


class ShrinkingSession:
    """An onnxruntime session that keeps no memory between its runs; other attributes are those of the session.

    Without this, the arena keeps the memory of the longest run: 200 MB for ten seconds of Kokoro. 16 alternating runs
    showed no difference in time.
    """

    def __init__(self, session: Any, options: Any) -> None:
        """`options` are onnxruntime's `RunOptions`, for this session alone."""
        self._session = session
        self._options = options
        options.add_run_config_entry(*_SHRINKAGE)

    def run(self, names: Any, inputs: Any) -> Any:
        """The outputs with these names, or all outputs for None."""
        if self._options is not None:
            try:
                return self._session.run(names, inputs, self._options)
            except (ValueError, RuntimeError) as error:  # onnxruntime's errors derive from either
                # Not every build of onnxruntime has an arena on every system.
                if "arena" not in str(error):
                    raise
                self._options = None
        return self._session.run(names, inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def release_free_memory() -> None:
    """Return freed memory to the system, if the system has a function for it."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            ctypes.CDLL("ucrtbase")._heapmin()  # noqa: SLF001 - the function's own name
        elif sys.platform == "darwin":
            ctypes.CDLL(None).malloc_zone_pressure_relief(ctypes.c_void_p(None), ctypes.c_size_t(0))
        else:
            # Only glibc has this function; musl does not need it.
            ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
