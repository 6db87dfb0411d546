import json
import os
import unittest

from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.settings import SETTINGS_VARIABLE, BundledModel, Synthesis, parse_settings, take_settings

RUNTIME = os.path.abspath("runtime")
REQUIRED = {"runtime": RUNTIME, "addresses": ["127.0.0.1"], "port": 8000}


class SettingsTest(unittest.TestCase):
    def refuse(self, raw: object) -> str:
        with self.assertRaises(ServiceFailure) as caught:
            parse_settings(raw)
        self.assertEqual(caught.exception.exit_code, ExitCode.CANNOT_WORK)
        return caught.exception.message

    def test_optional_keys_have_defaults(self) -> None:
        settings = parse_settings(REQUIRED)
        self.assertEqual(settings.addresses, ("127.0.0.1",))
        self.assertIsNone(settings.state_directory)
        self.assertEqual(settings.log_level, "info")
        self.assertTrue(settings.user_interface)
        self.assertEqual(settings.bundled_models, ())
        self.assertFalse(settings.sample)

    def test_all_keys_arrive(self) -> None:
        settings = parse_settings(
            {
                **REQUIRED,
                "state_directory": RUNTIME,
                "log_level": "debug",
                "user_interface": False,
                "bundled_models": [{"id": "a/b", "task": "text-to-speech"}],
                "sample": True,
                "synthesis": {
                    "provider": "coreml",
                    "forced": False,
                    "why": "it was measured",
                    "precision": "float32",
                    "candidates": ["original", "float32"],
                    "probe_key": None,
                },
            }
        )
        expected = Synthesis("coreml", False, "it was measured", "float32", ("original", "float32"))
        self.assertEqual(settings.synthesis, expected)
        self.assertEqual(settings.bundled_models, (BundledModel("a/b", "text-to-speech"),))
        self.assertEqual(settings.state_directory, RUNTIME)
        self.assertFalse(settings.user_interface)
        self.assertTrue(settings.sample)

    def test_an_address_counts_once(self) -> None:
        settings = parse_settings({**REQUIRED, "addresses": ["127.0.0.1", "::1", "127.0.0.1"]})
        self.assertEqual(settings.addresses, ("127.0.0.1", "::1"))

    def test_every_problem_is_named_at_once(self) -> None:
        message = self.refuse({"addresses": [], "port": True, "colour": "blue"})
        for key in ("runtime", "addresses", "port", "colour"):
            self.assertIn(f"`{key}`", message)

    def test_wrong_values_are_refused(self) -> None:
        wrong: dict[str, list[object]] = {
            "runtime": ["relative", 1],
            "addresses": ["127.0.0.1", [1], [""]],
            "port": [-1, 65536, 1.5, "80", None],
            "state_directory": ["relative", 0],
            "log_level": ["INFO", "loud", None],
            "user_interface": [1, "true"],
            "transcription": [{}, {"backend": "magic", "device": "cpu", "forced": False, "why": "x"}],
            "bundled_models": [None, [{"id": "a"}], [{"id": "a", "task": "cooking"}], [{"id": 1, "task": None}]],
            "sample": [0],
        }
        for key, values in wrong.items():
            for value in values:
                with self.subTest(key=key, value=value):
                    self.assertIn(f"`{key}`", self.refuse({**REQUIRED, key: value}))

    def test_anything_but_an_object_is_refused(self) -> None:
        wrong: list[object] = [None, [], "x", 1]
        for raw in wrong:
            with self.subTest(raw=raw):
                self.refuse(raw)

    def test_the_variable_is_taken_out_of_the_environment(self) -> None:
        environment = {SETTINGS_VARIABLE: json.dumps(REQUIRED), "OTHER": "1"}
        self.assertEqual(take_settings(environment).port, 8000)
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
