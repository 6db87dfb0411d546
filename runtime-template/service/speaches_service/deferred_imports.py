"""Imports deferred to their first use, which saves most of the time and of the memory at the start."""

import contextlib
import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection during imports, and exclude all objects alive afterwards from later collections.

    faster_whisper runs a full collection for every upload; over the objects of all imports it takes up to half a
    second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def modules_replaced(replacements: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Let `import` find these modules, or raise ImportError for None. At the end, `sys.modules` is as it was before."""
    before = {name: sys.modules.get(name) for name in replacements}
    sys.modules.update(replacements)  # type: ignore[arg-type] # None is documented, typeshed does not know
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def placeholder(name: str, **attributes: object) -> ModuleType:
    """A module with only these attributes."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, loader=None)
    vars(module).update(attributes)
    return module


class DeferredModule(ModuleType):
    """Replaces a module in a global variable of another module, and imports it when a caller reads an attribute."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self.__name__), attribute)


def is_installed(module: str) -> bool:
    """Whether `import module` would find the module. Imports at most the packages around it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
