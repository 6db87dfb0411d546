"""Memory goes back to the system when a model is unloaded, and after each piece of speech.

What a model has freed stays with the C library's allocator for later use: 644 of 928 MB after all models were unloaded,
as measured with Kokoro and Whisper base on Linux. Each system has a way to give it back.
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
"""onnxruntime's option for one run: the arena of the processor frees what the run leaves unused."""


def rebind() -> None:
    """Let upstream's models give memory back when they are unloaded."""
    module = imported(_MODULE)
    if module is None:
        return
    kind: Any = getattr(module, _CLASS)
    unload: Callable[[Any], None] = kind.unload

    def unload_and_release(model: Any) -> None:
        unload(model)
        # A session is part of circles of references.
        gc.collect()
        release_free_memory()

    kind.unload = unload_and_release


class ShrinkingSession:
    """An onnxruntime session that keeps no memory between its runs; the rest is that of the session itself.

    Its arena otherwise keeps what the longest run needed: 200 MB for ten seconds of Kokoro's sound. In 16 alternating
    runs no difference in time was measured.
    """

    def __init__(self, session: Any, options: Any) -> None:
        """`options` are onnxruntime's `RunOptions`, for this session alone."""
        self._session = session
        self._options = options
        options.add_run_config_entry(*_SHRINKAGE)

    def run(self, names: Any, inputs: Any) -> Any:
        """The outputs with these names, all for None."""
        if self._options is not None:
            try:
                return self._session.run(names, inputs, self._options)
            except (ValueError, RuntimeError) as error:  # onnxruntime's errors are of both kinds
                # Not every build of onnxruntime has an arena on every system.
                if "arena" not in str(error):
                    raise
                self._options = None
        return self._session.run(names, inputs)

    def __getattr__(self, name: str) -> Any:
        """Whatever else the session has."""
        return getattr(self._session, name)


def release_free_memory() -> None:
    """Let the system take freed memory back, where it has a way."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            ctypes.CDLL("ucrtbase")._heapmin()  # noqa: SLF001 - its own name
        elif sys.platform == "darwin":
            ctypes.CDLL(None).malloc_zone_pressure_relief(ctypes.c_void_p(None), ctypes.c_size_t(0))
        else:
            # glibc's. musl has no such function, and needs none.
            ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
