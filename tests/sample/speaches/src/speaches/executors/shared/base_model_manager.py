"""Models in memory: loaded at first use, kept while used, dropped some time after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
import gc
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Callable

    from speaches.config import OrtOptions

logger = logging.getLogger(__name__)


def get_ort_providers_with_options(ort_opts: OrtOptions) -> list[tuple[str, dict[str, Any]]]:
    """Return the execution providers to try, the preferred one first."""
    providers = [name for name in onnxruntime.get_available_providers() if name not in ort_opts.exclude_providers]
    providers.sort(key=lambda name: -ort_opts.provider_priority.get(name, 0))
    return [(name, ort_opts.provider_opts.get(name, {})) for name in providers]


class SelfDisposingModel[T]:
    """A model as a context manager: entering loads it, and `ttl` seconds after the last user left it is dropped.

    A `ttl` of 0 drops it at once, -1 never.
    """

    def __init__(
        self,
        model_id: str,
        load_fn: Callable[[], T],
        ttl: int,
        model_unloaded_callback: Callable[[str], None] | None = None,
    ) -> None:
        self.model_id = model_id
        self.load_fn = load_fn
        self.ttl = ttl
        self.model_unloaded_callback = model_unloaded_callback
        self.model: T | None = None
        self.ref_count = 0
        self.rlock = threading.RLock()
        self.expire_timer: threading.Timer | None = None

    def __enter__(self) -> T:
        with self.rlock:
            self._cancel_timer()
            if self.model is None:
                start = time.perf_counter()
                self.model = self.load_fn()
                logger.info(f"Model {self.model_id} loaded in {time.perf_counter() - start:.2f} s")
            self.ref_count += 1
            return self.model

    def __exit__(self, *_error: object) -> None:
        with self.rlock:
            self.ref_count -= 1
            if self.ref_count > 0 or self.ttl < 0:
                return
            if self.ttl == 0:
                self.unload()
            else:
                self.expire_timer = threading.Timer(self.ttl, self._expire)
                self.expire_timer.daemon = True
                self.expire_timer.start()

    def unload(self) -> None:
        """Drop the model; ValueError if it is in use or not loaded."""
        with self.rlock:
            if self.model is None:
                raise ValueError(f"Model {self.model_id} is not loaded.")
            if self.ref_count > 0:
                raise ValueError(f"Model {self.model_id} is still in use.")
            self._cancel_timer()
            self.model = None
        gc.collect()
        logger.info(f"Model {self.model_id} unloaded")
        if self.model_unloaded_callback is not None:
            self.model_unloaded_callback(self.model_id)

    def _expire(self) -> None:
        with self.rlock:
            # A request may have come between the timer's ring and this line.
            if self.model is not None and self.ref_count == 0:
                self.unload()

    def _cancel_timer(self) -> None:
        if self.expire_timer is not None:
            self.expire_timer.cancel()
            self.expire_timer = None


class BaseModelManager[T](ABC):
    """The loaded models of one executor."""

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self.loaded_models: OrderedDict[str, SelfDisposingModel[T]] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def _load_fn(self, model_id: str) -> T:
        """Load a model from the cache."""

    def load_model(self, model_id: str) -> SelfDisposingModel[T]:
        """Return the model, to be entered with `with`, which is what loads it."""
        with self._lock:
            if model_id not in self.loaded_models:
                self.loaded_models[model_id] = SelfDisposingModel[T](
                    model_id, lambda: self._load_fn(model_id), self.ttl, self._forget
                )
            return self.loaded_models[model_id]

    def unload_model(self, model_id: str) -> None:
        """Drop a model; KeyError if it is not loaded, ValueError if it is in use."""
        with self._lock:
            model = self.loaded_models[model_id]
        model.unload()

    def _forget(self, model_id: str) -> None:
        with self._lock:
            self.loaded_models.pop(model_id, None)
