"""Unused imports of upstream's packages, in fake packages."""

import importlib
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from speaches_service.deferred_imports import modules_replaced
from speaches_service.unused_modules import placeholders

_PACKAGES = {
    "joblib/__init__.py": "def cpu_count(): return 3",
    "phonemizer/__init__.py": "import joblib\nfrom phonemizer.backend import BACKENDS",
    "phonemizer/backend/__init__.py": (
        "from phonemizer.backend.segments import SegmentsBackend\nBACKENDS = {b.name(): b for b in [SegmentsBackend]}"
    ),
    "phonemizer/backend/segments.py": "raise AssertionError('imported')",
    "ctranslate2/__init__.py": "from ctranslate2 import converters",
    "ctranslate2/converters/__init__.py": "raise AssertionError('imported')",
    "httpx/__init__.py": "try:\n    from ._main import main\nexcept ImportError:\n    def main(): pass",
    "httpx/_main.py": "raise AssertionError('imported')",
}
_NAMES = {name.partition("/")[0] for name in _PACKAGES}


class UnusedModules(unittest.TestCase):
    """Imports each package as the service does."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        for name, text in _PACKAGES.items():
            path = Path(directory.name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forgotten = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in _NAMES}
        for name in forgotten:
            del sys.modules[name]
        sys.path.insert(0, directory.name)
        importlib.invalidate_caches()
        self.addCleanup(self._restore, forgotten, directory.name)

    def _restore(self, forgotten: dict[str, Any], directory: str) -> None:
        sys.path.remove(directory)
        for name in [name for name in sys.modules if name.partition(".")[0] in _NAMES]:
            del sys.modules[name]
        sys.modules.update(forgotten)

    def _imported(self, name: str) -> Any:
        with modules_replaced(placeholders()):
            return importlib.import_module(name)

    def test_packages_are_imported_without_the_unused_modules(self) -> None:
        for name in ("phonemizer", "ctranslate2", "httpx"):
            with self.subTest(name):
                self._imported(name)

    def test_a_deferred_module_is_imported_at_its_use(self) -> None:
        joblib = self._imported("phonemizer").joblib
        self.assertNotIn("joblib", sys.modules)
        self.assertEqual(joblib.cpu_count(), 3)

    def test_the_skipped_backend_raises_at_its_use(self) -> None:
        backend = self._imported("phonemizer").BACKENDS["segments"]
        with self.assertRaisesRegex(RuntimeError, "segments"):
            backend("en-us")


if __name__ == "__main__":
    unittest.main()
