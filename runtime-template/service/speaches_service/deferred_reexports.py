"""Lazy re-exports: if a package's `__init__` only re-exports names of its modules, import each name at its first use.

`import openai` defines a thousand pydantic classes, of which speaches uses some thirty; it takes a third of the time to
start. If a caller reads a name that the package's `__init__` does not import from its own package, the `__init__` runs
after all.
"""

import ast
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple


class Source(NamedTuple):
    """The origin of a re-exported name."""

    module: str
    """Relative to the package, with the leading dots; only dots if the name is itself a module."""
    name: str


def defer(package: str) -> None:
    """From now on, import the names of a package and of its subpackages at their first use."""
    sys.meta_path.insert(0, _Finder(package))


def resolve(package: ModuleType) -> None:
    """Import every name of a deferred package now. Another package has its names already."""
    loader = getattr(package.__spec__, "loader", None)
    if isinstance(loader, _Deferred):
        loader.resolve(package)


def read_reexports(source: str) -> dict[str, Source]:
    """The names that an `__init__` imports from its own package."""
    return {
        alias.asname or alias.name: Source("." * statement.level + (statement.module or ""), alias.name)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.ImportFrom) and statement.level > 0
        for alias in statement.names
        if alias.name != "*"
    }


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._package and not fullname.startswith(self._package + "."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.submodule_search_locations is None or spec.loader is None or spec.origin is None:
            return spec
        with open(spec.origin, encoding="utf-8") as file:
            spec.loader = _Deferred(spec.loader, read_reexports(file.read()))
        return spec


class _Deferred(Loader):
    """Loads a package without running its `__init__`."""

    def __init__(self, original: Loader, names: dict[str, Source]) -> None:
        self._original = original
        self._names = names
        self._is_whole = False

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._original.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def get(name: str) -> Any:
            return self._get(module, name)

        # PEP 562: "The __getattr__ function at the module level should accept one argument which is the name of an
        # attribute and return the computed value or raise an AttributeError".
        vars(module)["__getattr__"] = get

    def resolve(self, module: ModuleType) -> None:
        for name in self._names:
            getattr(module, name)

    def _get(self, module: ModuleType, name: str) -> Any:
        source = self._names.get(name)
        if source is not None and source.module.strip("."):
            value = getattr(importlib.import_module(source.module, module.__name__), source.name)
        elif source is not None:
            value = importlib.import_module(source.module + source.name, module.__name__)
        elif not name.startswith("__") and find_spec(f"{module.__name__}.{name}") is not None:
            # The `__init__` would have imported this submodule as a side effect.
            value = importlib.import_module(f"{module.__name__}.{name}")
        elif not self._is_whole and not name.startswith("__"):
            self._is_whole = True
            self._original.exec_module(module)
            value = vars(module).get(name, self)
        else:
            value = self
        if value is self:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name, obj=module)
        setattr(module, name, value)
        return value
