import sys
import unittest
from types import ModuleType
from typing import Any
from unittest import mock

from speaches_service import model_aliases

from . import example


class ModelAliasesTest(unittest.TestCase):
    def load(self) -> Any:
        module: Any = ModuleType("speaches.model_aliases")
        module.load_model_id_aliases = lambda: {"tts-1": "bundled", "own": "other"}
        settings = example.settings(tts_model="configured")
        with mock.patch.dict(sys.modules, {"speaches.model_aliases": module}):
            model_aliases.rebind(settings)
        return module.load_model_id_aliases()

    def test_configured_models_have_the_names_of_openai(self) -> None:
        aliases = self.load()
        self.assertEqual(
            [aliases.get(name) for name in ("tts-1", "gpt-4o-mini-tts", "own")], ["configured"] * 2 + ["other"]
        )
        self.assertEqual(aliases.get("whisper-1", "whisper-1"), "whisper-1")

    def test_a_model_that_is_not_text_is_left_to_the_check_of_the_request(self) -> None:
        unusable: list[Any] = [{}, ["tts-1"], None, 1]
        for model in unusable:
            self.assertEqual(self.load().get(model, model), model)
