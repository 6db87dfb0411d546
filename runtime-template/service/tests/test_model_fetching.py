import unittest
from types import SimpleNamespace
from typing import Any

from speaches_service.model_fetching import is_there


def executor(name: str, *models: str, missing: type[Exception] | None = None) -> Any:
    def get_model_files(_model: str) -> None:
        if missing is not None:
            raise missing

    registry = SimpleNamespace(
        list_local_models=lambda: [SimpleNamespace(id=model) for model in models], get_model_files=get_model_files
    )
    return SimpleNamespace(name=name, model_registry=registry)


class ModelFetchingTest(unittest.TestCase):
    def test_a_model_is_there_when_its_executor_finds_all_files(self) -> None:
        executors = [executor("piper"), executor("kokoro", "a/voice")]
        self.assertTrue(is_there(executors, "a/voice"))
        self.assertFalse(is_there(executors, "a/other"))

    def test_a_model_with_a_file_missing_is_not_there(self) -> None:
        for missing in (StopIteration, FileNotFoundError, KeyError):
            self.assertFalse(is_there([executor("kokoro", "a/voice", missing=missing)], "a/voice"))


if __name__ == "__main__":
    unittest.main()
