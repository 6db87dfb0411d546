"""Replaces a name in a third-party module."""

import importlib
import sys
from types import ModuleType


def rebind(module: str, name: str, replacement: object) -> object:
    """Replace `module.name` and return what was there.

    Raises:
        AttributeError: the module lacks the name, so it is not the version that the service was written for.
    """
    target = importlib.import_module(module)
    original: object = getattr(target, name)
    setattr(target, name, replacement)
    return original


def imported(module: str) -> ModuleType | None:
    """The module if upstream has imported it; an unused library needs no replacement."""
    return sys.modules.get(module)
