"""The modules have no import cycles."""

from __future__ import annotations

import ast
import unittest
from graphlib import TopologicalSorter
from pathlib import Path

import speaches_service

ROOT = Path(speaches_service.__file__).parent


def _module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _imports_of(path: Path, modules: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # The name may be a module of a package or an item of a module.
            named = {f"{node.module}.{name.name}" for name in node.names}
            found |= named & modules or {node.module}
    return (found & modules) - {_module_of(path)}


class ImportsTest(unittest.TestCase):
    def test_no_two_modules_import_each_other(self) -> None:
        files = [path for path in ROOT.rglob("*.py") if "__pycache__" not in path.parts]
        modules = {_module_of(path) for path in files}
        graph = {_module_of(path): _imports_of(path, modules) for path in files}
        self.assertTrue(graph["speaches_service.command"], "imports are found")
        # CycleError names the cycle.
        self.assertEqual(len(list(TopologicalSorter(graph).static_order())), len(graph))
