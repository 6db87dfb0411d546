import sys
import unittest
from collections.abc import Iterator

try:
    import fastapi

    from speaches_service import speech
except ImportError as error:
    print(f"skipping test_speech, which needs fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi and numpy: {error}") from error


def executor_that_raises(argument: object) -> Iterator[bytes]:
    """A generator whose code belongs to one of upstream's executors."""
    source = "def handle(argument):\n    raise ValueError(argument)\n    yield b''"
    module: dict[str, object] = {"__name__": "speaches.executors.kokoro"}
    exec(source, module)
    pieces: Iterator[bytes] = module["handle"](argument)  # type: ignore[operator]
    return pieces


class SpeechTest(unittest.TestCase):
    def test_the_first_piece_is_made_at_once_and_no_other(self) -> None:
        made: list[int] = []

        def make() -> Iterator[int]:
            for number in range(3):
                made.append(number)
                yield number

        pieces = speech.start(make())
        self.assertEqual(made, [0])
        self.assertEqual(list(pieces), [0, 1, 2])

    def test_nothing_stays_nothing(self) -> None:
        self.assertEqual(list(speech.start(iter(()))), [])

    def test_a_refusal_of_an_executor_is_422_with_its_words(self) -> None:
        for argument in ("Voice 'nobody' is not supported", ("Voice 'nobody' is not supported",)):
            with self.assertRaises(fastapi.HTTPException) as caught:
                speech.start(executor_that_raises(argument))
            self.assertEqual(caught.exception.status_code, 422)
            self.assertEqual(caught.exception.detail, "Voice 'nobody' is not supported")

    def test_a_value_error_from_elsewhere_is_a_bug_and_stays_one(self) -> None:
        def make() -> Iterator[int]:
            yield int("x")

        with self.assertRaises(ValueError):
            speech.start(make())


if __name__ == "__main__":
    unittest.main()
