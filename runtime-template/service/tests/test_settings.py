import json
import unittest

from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.settings import (
    SCHEMA,
    SETTINGS_VARIABLE,
    BundledModel,
    Settings,
    Synthesis,
    Transcription,
    parse_settings,
    take_settings,
)

from . import example


class SettingsTest(unittest.TestCase):
    def refuse(self, raw: object) -> str:
        with self.assertRaises(ServiceFailure) as caught:
            parse_settings(raw)
        self.assertEqual(caught.exception.exit_code, ExitCode.CANNOT_WORK)
        self.assertIn("different runtimes", caught.exception.hint or "")
        return caught.exception.message

    def test_the_launchers_settings_have_every_field_and_no_other(self) -> None:
        raw = example.launcher_settings()
        settings = parse_settings(raw)
        # Converted back to JSON, which has no tuples, the settings are unchanged.
        again = {
            **settings._asdict(),
            "schema": SCHEMA,
            "bundled_models": [model._asdict() for model in settings.bundled_models],
            "transcription": settings.transcription._asdict(),
            "synthesis": settings.synthesis._asdict(),
        }
        self.assertEqual(json.loads(json.dumps(again)), raw)

    def test_lists_become_tuples_and_objects_become_records(self) -> None:
        settings = parse_settings(example.launcher_settings())
        hash(settings)
        self.assertEqual(settings.host, ("127.0.0.1", "::1"))
        self.assertIsInstance(settings.transcription, Transcription)
        self.assertEqual(settings.synthesis.candidates, ("original", "float32"))
        weights = BundledModel("org/weights", "automatic-speech-recognition", None, ("org/whisper",), "ggml.bin")
        self.assertIn(weights, settings.bundled_models)

    def test_a_key_that_is_missing_or_unknown_is_named(self) -> None:
        for kind, place in ((Settings, None), (Transcription, "transcription"), (Synthesis, "synthesis")):
            for key in kind._fields:
                with self.subTest(place=place, key=key):
                    raw = example.launcher_settings()
                    inside = raw if place is None else raw[place]
                    inside["colour"] = inside.pop(key)
                    self.assertIn(f"unknown key `colour`; missing key `{key}`", self.refuse(raw))

    def test_another_schema_is_refused(self) -> None:
        wrong: list[object] = [None, [], "x", 1, {}, {**example.launcher_settings(), "schema": SCHEMA + 1}]
        for raw in wrong:
            with self.subTest(raw=raw):
                self.assertIn(f"`schema` {SCHEMA}", self.refuse(raw))

    def test_the_variable_is_removed_from_the_environment(self) -> None:
        environment = {SETTINGS_VARIABLE: json.dumps(example.launcher_settings()), "OTHER": "1"}
        self.assertEqual(take_settings(environment).port, 34331)
        self.assertEqual(environment, {"OTHER": "1"})

    def test_a_missing_variable_is_a_usage_error_and_broken_json_malformed(self) -> None:
        cases: list[tuple[dict[str, str], ExitCode]] = [
            ({}, ExitCode.USAGE),
            ({SETTINGS_VARIABLE: "{"}, ExitCode.MALFORMED),
        ]
        for environment, exit_code in cases:
            with self.assertRaises(ServiceFailure) as caught:
                take_settings(environment)
            self.assertEqual(caught.exception.exit_code, exit_code)


if __name__ == "__main__":
    unittest.main()
