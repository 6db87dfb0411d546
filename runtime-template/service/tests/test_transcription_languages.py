import sys
import types
import unittest
from unittest import mock

from speaches_service.transcription import languages
from speaches_service.transcription.languages import UnknownLanguage, whisper_language

CODES = ("en", "de", "zh", "pt", "jw", "he", "no", "tl", "yue", "fr")


class LanguagesTest(unittest.TestCase):
    def setUp(self) -> None:
        tokenizer = types.ModuleType("faster_whisper.tokenizer")
        vars(tokenizer)["_LANGUAGE_CODES"] = CODES
        core = types.ModuleType("babel.core")

        class Locale:
            def __init__(self, code: str) -> None:
                if code == "jw":
                    raise LookupError(code)
                self.languages = {"en": "English", "de": "German", "zh": "Chinese", "fr": "French"}
                self.language_name = {"de": "Deutsch", "zh": "中文", "fr": "français"}.get(code, "")

        attributes = {"Locale": Locale, "UnknownLocaleError": LookupError}
        vars(core).update(attributes, get_global=lambda _name: {"eng": "en", "deu": "de"})
        modules = {"faster_whisper.tokenizer": tokenizer, "babel.core": core}
        patch = mock.patch.dict(sys.modules, modules)
        patch.start()
        self.addCleanup(patch.stop)
        languages._names.cache_clear()
        self.addCleanup(languages._names.cache_clear)

    def test_codes_regions_and_names_are_understood(self) -> None:
        cases = {
            "en": ("en", "EN", " en ", "en-US", "en_GB", "eng", "English", "english"),
            "de": ("de", "de-AT", "Deutsch", "german", "deu"),
            "zh": ("zh", "zh-Hans-CN", "mandarin", "Chinese", "中文"),
            "fr": ("fr-CA", "Français"),
            "pt": ("pt-BR",),
            "no": ("nb", "nb-NO"),
            "he": ("iw",),
            "jw": ("jv", "jw"),
            "yue": ("yue",),
        }
        for code, names in cases.items():
            for name in names:
                self.assertEqual(whisper_language(name), code, name)

    def test_an_empty_language_is_left_to_whisper(self) -> None:
        for name in (None, "", " ", "auto", "None", "und"):
            self.assertIsNone(whisper_language(name))

    def test_an_unknown_language_is_rejected_with_the_list(self) -> None:
        for name in ("xx", "klingon", "e", "en1", "🇩🇪", "x" * 10000):
            with self.assertRaisesRegex(UnknownLanguage, "de, en, fr"):
                whisper_language(name)

    def test_without_whisper_every_language_is_accepted(self) -> None:
        with mock.patch.dict(sys.modules, {"faster_whisper.tokenizer": None}):
            self.assertEqual(whisper_language("XX"), "xx")


if __name__ == "__main__":
    unittest.main()
