import sys
import threading
import time
import unittest
from types import ModuleType
from typing import ClassVar
from unittest import mock

from speaches_service import shared_phonemizers


class Backend:
    made: ClassVar[list[tuple[str, bool]]] = []
    at_work = 0
    most_at_work = 0

    def __init__(self, language: str, with_stress: bool = False, logger: object = None) -> None:  # noqa: ARG002 - as phonemizer calls it
        self.made.append((language, with_stress))

    def phonemize(self, text: list[str], separator: str) -> list[str]:
        Backend.at_work += 1
        Backend.most_at_work = max(Backend.most_at_work, Backend.at_work)
        time.sleep(0.001)
        Backend.at_work -= 1
        return [word + separator for word in text]


class SharedPhonemizersTest(unittest.TestCase):
    def setUp(self) -> None:
        module = ModuleType("phonemizer.backend")
        vars(module)["BACKENDS"] = {"espeak": Backend}
        patch = mock.patch.dict(sys.modules, {"phonemizer.backend": module})
        patch.start()
        self.addCleanup(patch.stop)
        Backend.made = []
        Backend.most_at_work = 0
        shared_phonemizers.rebind()
        self.make = vars(module)["BACKENDS"]["espeak"]

    def test_the_same_options_give_the_same_backend(self) -> None:
        first = self.make("en-us", with_stress=True, logger=object())
        self.assertIs(first, self.make("en-us", with_stress=True, logger=object()))
        self.assertIsNot(first, self.make("en-us", with_stress=False))
        self.assertIsNot(first, self.make("fr-fr", with_stress=True))
        self.assertEqual(Backend.made, [("en-us", True), ("en-us", False), ("fr-fr", True)])

    def test_calls_of_several_threads_are_serialized(self) -> None:
        results: list[list[str]] = []

        def work(number: int) -> None:
            results.append(self.make("en-us").phonemize([str(number)], separator="|"))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(results), sorted([f"{number}|"] for number in range(20)))
        self.assertEqual((Backend.most_at_work, len(Backend.made)), (1, 1))

    def test_without_phonemizer_there_is_nothing_to_do(self) -> None:
        with mock.patch.dict(sys.modules):
            del sys.modules["phonemizer.backend"]
            shared_phonemizers.rebind()
