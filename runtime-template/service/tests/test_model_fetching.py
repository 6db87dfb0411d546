import os
import sys
import tempfile
import unittest
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from speaches_service.model_fetching import is_cached


def executor(name: str, *models: str, missing: type[Exception] | None = None) -> Any:
    def get_model_files(_model: str) -> None:
        if missing is not None:
            raise missing

    registry = SimpleNamespace(
        list_local_models=lambda: [SimpleNamespace(id=model) for model in models], get_model_files=get_model_files
    )
    return SimpleNamespace(name=name, model_registry=registry)


class ModelFetchingTest(unittest.TestCase):
    def test_a_model_is_cached_if_its_executor_finds_all_files(self) -> None:
        executors = [executor("piper"), executor("kokoro", "a/voice")]
        self.assertTrue(is_cached(executors, "a/voice"))
        self.assertFalse(is_cached(executors, "a/other"))

    def test_a_whisper_model_is_cached_if_it_has_all_required_files(self) -> None:
        with tempfile.TemporaryDirectory() as snapshot:
            files = [os.path.join(snapshot, name) for name in ("config.json", "model.bin", "tokenizer.json")]
            stand_in: Any = ModuleType("speaches.hf_utils")
            stand_in.list_model_files = lambda _model: files
            with mock.patch.dict(sys.modules, {"speaches.hf_utils": stand_in}):
                for file in files:
                    self.assertFalse(is_cached([executor("whisper", "a/ears", missing=RuntimeError)], "a/ears"))
                    with open(file, "w", encoding="utf-8"):
                        pass
                self.assertTrue(is_cached([executor("whisper", "a/ears", missing=RuntimeError)], "a/ears"))

    def test_a_model_with_a_missing_file_is_not_cached(self) -> None:
        for missing in (StopIteration, FileNotFoundError, KeyError):
            self.assertFalse(is_cached([executor("kokoro", "a/voice", missing=missing)], "a/voice"))


if __name__ == "__main__":
    unittest.main()
