"""Makes one espeak backend for each language instead of one for each sentence.

phonemizer makes a new backend for every text. Each backend loads a copy of espeak's library and of its data. This takes
longer than the work itself, and the memory is never freed: five megabytes for every request.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

_MODULE = "phonemizer.backend"
_NAME = "espeak"


def rebind() -> None:
    module = sys.modules.get(_MODULE)
    if module is not None:
        module.BACKENDS[_NAME] = SharedBackends(module.BACKENDS[_NAME])


class SharedBackends:
    """Makes one backend for each set of options."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._backends: dict[tuple[Any, ...], SerializedBackend] = {}
        self._lock = threading.Lock()

    def __call__(self, language: str, **options: Any) -> "SerializedBackend":
        # The punctuation marks may be a compiled pattern, which equals only itself, but its text is always the same.
        key = (language, *sorted((name, str(value)) for name, value in options.items() if name != "logger"))
        with self._lock:
            if key not in self._backends:
                self._backends[key] = SerializedBackend(self._make(language, **options))
            return self._backends[key]


class SerializedBackend:
    """Serializes the calls of several threads: espeak processes one text at a time."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._lock = threading.Lock()

    def phonemize(self, *arguments: Any, **options: Any) -> Any:
        with self._lock:
            return self._backend.phonemize(*arguments, **options)
