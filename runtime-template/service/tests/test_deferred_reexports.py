import importlib
import os
import sys
import tempfile
import textwrap
import unittest

from speaches_service import deferred_reexports
from speaches_service.deferred_reexports import Source, read_reexports

FILES = {
    "__init__.py": """
        from . import shapes
        from .client import Client
        default = Client()
    """,
    "client.py": "class Client: pass",
    "shapes/__init__.py": """
        '''Only gathers.'''
        from __future__ import annotations
        from .circle import Circle as Circle
        from .deep import Square
        from ..client import Client
        __all__ = ["Circle"]
    """,
    "shapes/circle.py": "class Circle: pass",
    "shapes/unused.py": "raise RuntimeError('nobody asked for this')",
    "shapes/deep/__init__.py": "from .square import Square as Square",
    "shapes/deep/square.py": "class Square: pass",
    "busy/__init__.py": "from ..client import Client\nready = True",
}


class DeferredReexportsTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        for name, text in FILES.items():
            path = os.path.join(scratch.name, "gathering", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(textwrap.dedent(text))
        sys.path.insert(0, scratch.name)
        self.addCleanup(sys.path.remove, scratch.name)
        before = list(sys.meta_path)
        self.addCleanup(sys.meta_path.__setitem__, slice(None), before)
        self.addCleanup(self.forget)
        deferred_reexports.defer("gathering")
        importlib.invalidate_caches()

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "gathering"]:
            del sys.modules[name]

    def test_a_name_is_imported_at_its_first_use(self) -> None:
        shapes = importlib.import_module("gathering.shapes")
        self.assertNotIn("gathering.shapes.circle", sys.modules)
        from gathering.shapes import Circle  # type: ignore[import-not-found] # made in setUp

        self.assertIs(Circle, sys.modules["gathering.shapes.circle"].Circle)
        self.assertIs(shapes.Square, importlib.import_module("gathering.shapes.deep.square").Square)
        self.assertIs(shapes.Client, importlib.import_module("gathering.client").Client)
        self.assertIs(vars(shapes)["Circle"], Circle, "it is asked for once")

    def test_an_init_with_other_code_runs_at_the_first_use_of_its_names(self) -> None:
        package = importlib.import_module("gathering")
        self.assertNotIn("gathering.client", sys.modules)
        self.assertIs(package.shapes, sys.modules["gathering.shapes"])
        self.assertNotIn("default", vars(package))
        self.assertIsInstance(package.default, package.Client)
        self.assertTrue(importlib.import_module("gathering.busy").ready, "as does that of a package below it")

    def test_only_submodules_become_attributes_of_a_package(self) -> None:
        shapes = importlib.import_module("gathering.shapes")
        self.assertIs(shapes.circle, importlib.import_module("gathering.shapes.circle"))
        with self.assertRaisesRegex(AttributeError, "no attribute 'Triangle'"):
            _ = shapes.Triangle
        self.assertFalse(hasattr(shapes, "__path_hooks__"))

    def test_all_names_can_be_imported_now(self) -> None:
        shapes = importlib.import_module("gathering.shapes")
        deferred_reexports.resolve(shapes)
        self.assertLessEqual({"Circle", "Square", "Client"}, vars(shapes).keys())
        deferred_reexports.resolve(importlib.import_module("json"))

    def test_reexports_are_read_from_the_source_of_an_init(self) -> None:
        names = read_reexports("from .a import b as c, d\nfrom .. import e\n")
        self.assertEqual(names, {"c": Source(".a", "b"), "d": Source(".a", "d"), "e": Source("..", "e")})
        for other in ("from .a import *", "import os", "x = 1", "if 1: from .a import b", "__all__ += ['x']"):
            self.assertEqual(read_reexports(other), {}, other)
