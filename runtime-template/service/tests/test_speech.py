import base64
import inspect
import json
import sys
import unittest
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

try:
    import av  # noqa: F401 - the encoder imports it
    import fastapi
    import numpy as np
    from pydantic import BaseModel, Field

    from speaches_service import speech
except ImportError as error:
    print(f"skipping test_speech, which needs av, fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs av, fastapi and numpy: {error}") from error


def executor_that_raises(argument: object) -> Iterator[bytes]:
    """A generator whose code belongs to one of upstream's executors."""
    source = "def handle(argument):\n    raise ValueError(argument)\n    yield b''"
    module: dict[str, object] = {"__name__": "speaches.executors.kokoro"}
    exec(source, module)
    pieces: Iterator[bytes] = module["handle"](argument)  # type: ignore[operator]
    return pieces


class Body(BaseModel):
    """The fields of upstream's body that the tests use."""

    model: str
    voice: str
    input: str
    sample_rate: int | None = Field(None, ge=8000)


def text_of(body: Body) -> str:
    return body.input


class Sound:
    """The members of upstream's `Audio` that the encoder uses."""

    def __init__(self, data: Any, sample_rate: int) -> None:
        self.data, self.sample_rate = data, sample_rate

    def as_bytes(self) -> bytes:
        return (self.data * 32767).astype("<i2").tobytes()  # type: ignore[no-any-return]


class SpeechTest(unittest.TestCase):
    def test_only_the_first_piece_is_computed_at_once(self) -> None:
        made: list[int] = []

        def make() -> Iterator[int]:
            for number in range(3):
                made.append(number)
                yield number

        pieces = speech.primed(make())
        self.assertEqual(made, [0])
        self.assertEqual(list(pieces), [0, 1, 2])

    def test_events_contain_audio_in_the_requested_format_and_an_error_is_an_event(self) -> None:
        def audio(fails: bool) -> Iterator[Any]:
            for number in range(3):
                if fails and number == 2:
                    raise RuntimeError("no memory")
                sound = SimpleNamespace(data=np.full(2400, 0.1, np.float32), sample_rate=24000)
                sound.as_bytes = lambda: b"12"
                yield sound

        def events(audio_format: str, fails: bool = False) -> list[dict[str, Any]]:
            speech._request.body = SimpleNamespace(response_format=audio_format, sample_rate=None)
            lines = list(speech._stream_events(audio(fails)))
            self.assertTrue(all(line.startswith("data: ") and line.endswith("\n\n") for line in lines))
            return [json.loads(line[6:]) for line in lines]

        for audio_format, beginning in (("pcm", b"121212"), ("wav", b"RIFF"), ("flac", b"fLaC")):
            *deltas, done = events(audio_format)
            self.assertEqual({event["type"] for event in deltas}, {"speech.audio.delta"})
            whole = b"".join(base64.b64decode(event["audio"]) for event in deltas)
            self.assertTrue(whole.startswith(beginning), whole[:10])
            self.assertEqual(done["type"], "speech.audio.done")
            self.assertEqual(done["token_usage"]["total_tokens"], 0)
        with self.assertLogs(speech._logger, "ERROR"):
            failed = events("pcm", fails=True)
        self.assertEqual([event["type"] for event in failed], [*["speech.audio.delta"] * 2, "error"])
        self.assertIn("log", failed[-1]["error"]["message"])

    def test_a_text_without_anything_to_pronounce_is_silence(self) -> None:
        audio = ModuleType("speaches.audio")
        vars(audio)["Audio"] = Sound
        with mock.patch.dict(sys.modules, {"speaches.audio": audio}), self.assertLogs(speech._logger, "INFO"):
            whole = b"".join(speech._stream_audio(iter(()), "wav"))
        self.assertEqual((whole[:4], len(whole)), (b"RIFF", 44 + 24000))
        self.assertEqual(whole[44:], bytes(24000))

    def test_no_text_at_all_is_422(self) -> None:
        with self.assertRaises(fastapi.HTTPException) as caught:
            self.ask(input="")
        self.assertEqual(caught.exception.status_code, 422)

    def ask(self, by_default: bool = True, **fields: Any) -> str:
        """The text that the endpoint receives."""
        endpoint = speech._with_normalization(text_of, by_default)
        body = inspect.signature(endpoint).parameters["body"].annotation
        self.assertEqual(body.__name__, "Body")
        return str(endpoint(body=body(**{"model": "a/kokoro", "voice": "alloy", **fields})))

    def test_an_empty_sample_rate_of_the_page_is_ignored(self) -> None:
        body = inspect.signature(speech._with_normalization(text_of, True)).parameters["body"].annotation
        for rate, expected in ((0, None), (16000, 16000), (None, None)):
            self.assertEqual(body(model="m", voice="v", input="x", sample_rate=rate).sample_rate, expected)
        with self.assertRaises(ValueError):
            body(model="m", voice="v", input="x", sample_rate=1)

    def test_english_is_normalized_unless_the_user_or_the_request_disables_it(self) -> None:
        text, read = "**5 km**", "5 kilometers"
        self.assertEqual(self.ask(input=text), read)
        self.assertEqual(self.ask(input=text, normalize=False), text)
        self.assertEqual(self.ask(False, input=text), text)
        self.assertEqual(self.ask(False, input=text, normalize=True), read)
        self.assertEqual(self.ask(input=text, model="a/piper-de_DE-x"), text)
        self.assertEqual(self.ask(input=text, model="a/piper-en_US-x"), read)
        kokoro = ModuleType(speech._KOKORO)
        voices = {"ff_siwis": "fr-fr", "af_sky": "en-us"}
        vars(kokoro)["VOICES"] = [SimpleNamespace(name=name, language=language) for name, language in voices.items()]
        with mock.patch.dict(sys.modules, {speech._KOKORO: kokoro}):
            for voice, expected in (("ff_siwis", text), ("af_sky(2)+ff_siwis", read), ("ff_siwis+af_sky", text)):
                self.assertEqual(self.ask(input=text, voice=voice), expected, voice)

    def test_no_pieces_give_no_pieces(self) -> None:
        self.assertEqual(list(speech.primed(iter(()))), [])

    def test_a_refusal_of_an_executor_is_422_with_its_message(self) -> None:
        for argument in ("Voice 'nobody' is not supported", ("Voice 'nobody' is not supported",)):
            with self.assertRaises(fastapi.HTTPException) as caught:
                speech.primed(executor_that_raises(argument))
            self.assertEqual(caught.exception.status_code, 422)
            self.assertEqual(caught.exception.detail, "Voice 'nobody' is not supported")

    def test_a_value_error_from_elsewhere_is_raised(self) -> None:
        def make() -> Iterator[int]:
            yield int("x")

        with self.assertRaises(ValueError):
            speech.primed(make())

    def test_a_lone_surrogate_and_a_rate_of_0_are_removed(self) -> None:
        self.assertEqual(
            speech._sanitized({"input": "a\ud83d b", "speed": 1, "sample_rate": 0}),
            {"input": "a b", "speed": 1, "sample_rate": None},
        )
        self.assertEqual(speech._sanitized(["a"]), ["a"])
        for number in (float("nan"), float("inf")):
            with self.assertRaisesRegex(ValueError, "`speed` is"):
                speech._sanitized({"speed": number})


if __name__ == "__main__":
    unittest.main()
