import asyncio
import inspect
import json
import sys
import unittest
from types import ModuleType
from types import SimpleNamespace as Namespace
from typing import Annotated, Any, Literal
from unittest import mock

try:
    from fastapi import Form, HTTPException
    from fastapi.responses import StreamingResponse
    from pydantic import TypeAdapter, ValidationError
    from starlette.datastructures import FormData

    from speaches_service.transcription import decoding, events, form_fields, languages, requests
except ImportError as error:
    print(f"skipping test_transcription_requests, which needs fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi and numpy: {error}") from error


class Event:
    def __init__(self, **content: Any) -> None:
        self._content = content

    def model_dump(self, mode: str) -> dict[str, Any]:
        assert mode == "json"
        return self._content


def delta(text: str) -> Event:
    return Event(type="transcript.text.delta", delta=text, logprobs=None)


DONE = Event(type="transcript.text.done", text="", logprobs=None)


class RequestsTest(unittest.TestCase):
    def setUp(self) -> None:
        tokenizer = ModuleType("faster_whisper.tokenizer")
        vars(tokenizer)["_LANGUAGE_CODES"] = ("en", "de")
        patch = mock.patch.dict(sys.modules, {"faster_whisper.tokenizer": tokenizer})
        patch.start()
        self.addCleanup(patch.stop)
        languages._names.cache_clear()
        self.addCleanup(languages._names.cache_clear)

    def refused(self, **fields: Any) -> str:
        with self.assertRaises(HTTPException) as caught:
            requests.read(fields)
        self.assertEqual(caught.exception.status_code, 422)
        return str(caught.exception.detail)

    def test_the_language_is_converted_and_an_unknown_one_rejected(self) -> None:
        self.assertEqual(requests.read({"language": "en-US", "model": "m"}), {"language": "en", "model": "m"})
        self.assertEqual(requests.read({"language": ""}), {"language": None})
        self.assertNotIn("language", requests.read({"model": "a translation has none"}))
        self.assertIn("does not know the language `xx`", self.refused(language="xx"))

    def test_a_temperature_must_be_a_number(self) -> None:
        for temperature in (0.0, 1.0, 1.5):
            self.assertEqual(requests.read({"temperature": temperature})["temperature"], temperature)
        for temperature in (-0.1, float("nan"), float("inf")):
            self.assertIn("`temperature` is", self.refused(temperature=temperature))

    def test_subtitles_come_from_the_times_of_words(self) -> None:
        for answer, expected in (("srt", ["segment", "word"]), ("vtt", ["segment", "word"]), ("json", ["segment"])):
            fields = {"response_format": answer, "timestamp_granularities": ["segment"]}
            self.assertEqual(requests.read(fields)["timestamp_granularities"], expected)

    def test_granularities_are_read_under_both_names(self) -> None:
        def read(*items: tuple[str, str]) -> list[str]:
            async def form() -> FormData:
                return FormData(list(items))

            request: Any = Namespace(form=form)
            return asyncio.run(requests.timestamp_granularities(request))

        name = "timestamp_granularities"
        self.assertEqual(read(), ["segment"])
        self.assertEqual(read((f"{name}[]", "")), ["segment"])
        self.assertEqual(read((f"{name}[]", "word")), ["word"])
        self.assertEqual(read((name, "word"), (f"{name}[]", "segment"), (name, "word")), ["segment", "word"])
        with self.assertRaises(HTTPException) as caught:
            read((name, "line"))
        self.assertEqual(caught.exception.status_code, 422)

    def test_a_request_can_transcribe_the_whole_recording(self) -> None:
        fields = {"speech_segments": [], "audio": Namespace(data=range(70 * 16000))}
        module: Any = ModuleType("speaches.executors.silero_vad_v5")
        module.SpeechTimestamp = lambda start, end: (start // 16000, end // 16000)
        read = form_fields.extended(lambda: requests.read(fields)["speech_segments"])
        with mock.patch.dict(sys.modules, {module.__name__: module}):
            self.assertEqual(read(vad_filter=False), [(0, 30), (30, 60), (60, 70)])
            self.assertEqual(read(vad_filter=True), [])
            self.assertEqual(requests.read(fields)["speech_segments"], [])

    def test_an_empty_granularity_is_ignored(self) -> None:
        def endpoint(
            timestamp_granularities: Annotated[
                list[Literal["segment", "word"]], Form(alias="timestamp_granularities[]")
            ] = ["segment"],  # noqa: B006 - upstream's default
        ) -> Any:
            return timestamp_granularities

        taking = form_fields.extended(endpoint)
        annotation: Any = inspect.signature(taking).parameters["timestamp_granularities"].annotation
        values: TypeAdapter[Any] = TypeAdapter(annotation)
        self.assertEqual(values.validate_python(["", "word"]), ["word"])
        self.assertEqual(values.validate_python([""]), [])
        with self.assertRaises(ValidationError):
            values.validate_python(["", "line"])
        self.assertEqual(taking(["word"]), ["word"])

    def test_the_form_has_the_field_for_the_detector(self) -> None:
        def endpoint(model: str, response_format: str = "json") -> str:
            return model + response_format

        extended = form_fields.extended(endpoint)
        self.assertEqual(list(inspect.signature(extended).parameters), ["model", "response_format", "vad_filter"])
        self.assertEqual(extended(model="a", vad_filter=False), "ajson")


class EventsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(decoding.set_current, None)

    def stream(self, content: Any) -> list[dict[str, Any]]:
        async def body() -> list[Any]:
            answer = events.answer(content)
            assert isinstance(answer, StreamingResponse)
            return [part async for part in answer.body_iterator]

        lines = asyncio.run(body())
        self.assertTrue(all(line.startswith("data: ") and line.endswith("\n\n") for line in lines))
        return [json.loads(line.removeprefix("data: ")) for line in lines]

    def test_the_last_event_has_the_whole_text(self) -> None:
        told = self.stream(iter([delta(" One,"), delta(" two."), DONE]))
        self.assertEqual([event.get("delta") for event in told[:2]], [" One,", " two."])
        self.assertEqual(told[2], {"type": "transcript.text.done", "text": "One, two.", "logprobs": None})

    def test_an_error_is_a_status_before_the_first_event_and_an_event_after_it(self) -> None:
        def failing(*before: Event) -> Any:
            yield from before
            raise HTTPException(422, "no")

        with self.assertRaises(HTTPException):
            events.answer(failing())
        with mock.patch.object(events, "_logger"):
            told = self.stream(failing(delta("One")))
        self.assertEqual([event["type"] for event in told], ["transcript.text.delta", "error"])

    def test_damage_in_the_file_is_in_the_verbose_answer(self) -> None:
        decoding.set_current(Namespace(warnings=["damaged at 1.0 s"]))
        verbose = events.answer(Event(text="é", segments=[]))
        self.assertEqual(
            json.loads(bytes(verbose.body)),
            {"text": "é", "segments": [], "task": "transcribe", "warnings": ["damaged at 1.0 s"]},
        )
        self.assertEqual(json.loads(bytes(events.answer(Event(text="é")).body)), {"text": "é"})
        decoding.set_current(Namespace())
        self.assertNotIn("warnings", json.loads(bytes(events.answer(Event(text="", segments=[])).body)))
        self.assertEqual(events.answer(("one", "text/plain")).body, b"one")


if __name__ == "__main__":
    unittest.main()
