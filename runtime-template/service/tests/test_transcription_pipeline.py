import sys
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from speaches_service.transcription import pipeline


@dataclass
class Word:
    word: str
    start: float
    end: float


@dataclass
class Segment:
    text: str
    start: float
    end: float
    compression_ratio: float = 1.0
    id: int = 1
    words: list[Word] | None = None


@dataclass
class Information:
    language: str
    duration: float
    duration_after_vad: float


class Tokenizer:
    """Each word is a token."""

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        assert not add_special_tokens
        return SimpleNamespace(ids=text.split())

    def decode(self, tokens: list[str]) -> str:
        return " ".join(tokens)


class Model:
    """Returns the given segments for a second decoding."""

    hf_tokenizer = Tokenizer()

    def __init__(self, heard: list[Segment]) -> None:
        self.heard = heard
        self.asked: list[tuple[int, dict[str, Any]]] = []

    def transcribe(self, audio: range, **options: Any) -> tuple[Iterator[Segment], None]:
        self.asked.append((len(audio), options))
        return iter(self.heard), None


class Batched:
    segments: ClassVar[list[Segment]] = []

    def __init__(self, model: Model) -> None:
        self.model = model
        self.asked: list[tuple[int, dict[str, Any]]] = []

    def transcribe(self, audio: range, **options: Any) -> tuple[Iterator[Segment], Information]:
        self.asked.append((len(audio), options))
        return iter(self.segments), Information(options.get("language") or "de", len(audio) / 16000, 1.0)


class PipelineTest(unittest.TestCase):
    def setUp(self) -> None:
        self.module = ModuleType(pipeline._MODULE)
        vars(self.module)[pipeline._NAME] = Batched
        patch = mock.patch.dict(sys.modules, {pipeline._MODULE: self.module})
        patch.start()
        self.addCleanup(patch.stop)
        pipeline.rebind()

    def hear(self, segments: list[Segment], again: list[Segment], **options: Any) -> tuple[list[Segment], Any, Any]:
        Batched.segments = segments
        made = vars(self.module)[pipeline._NAME](Model(again))
        given = {"clip_timestamps": [{"start": 0, "end": 1}], "vad_filter": False, "temperature": 0.0, **options}
        found, information = made.transcribe(range(40 * 16000), **given)
        return list(found), information, made

    def test_no_speech_gives_no_text(self) -> None:
        found, information, made = self.hear([Segment("you", 0, 5)], [], clip_timestamps=[])
        self.assertEqual(found, [])
        self.assertEqual((information.language, information.duration, information.duration_after_vad), ("en", 40, 0))
        self.assertEqual(made.asked[0][0], 16000)

    def test_a_loop_is_decoded_again_and_the_rest_stays(self) -> None:
        loop = Segment("4-4-4-4", 10, 20, 9.0, 2)
        again = [Segment(" four", 1, 2, 1.0, 1, [Word(" four", 1.5, 2)])]
        found, _, made = self.hear(
            [Segment("one", 0, 9), loop, Segment("two", 21, 30, 2.4, 3)], again, task="transcribe"
        )
        self.assertEqual(
            [(each.id, each.text, each.start) for each in found], [(1, "one", 0), (2, " four", 11), (3, "two", 21)]
        )
        self.assertEqual(found[1].words, [Word(" four", 11.5, 12)])
        length, options = made.model.asked[0]
        self.assertEqual((len(made.model.asked), length), (1, 10 * 16000))
        self.assertEqual((options["language"], options["task"], options["temperature"][0]), ("de", "transcribe", 0.2))

    def test_real_repetitions_stay(self) -> None:
        repeated = Segment("on and on and on", 0, 9, 5.0)
        found, _, _ = self.hear([repeated], [Segment("on and on and", 0, 9, 4.0)])
        self.assertEqual([each.text for each in found], ["on and on and on"])

    def test_the_temperature_of_a_client_is_used(self) -> None:
        found, _, made = self.hear([Segment("4-4-4", 0, 9, 5.0)], [], temperature=0.4)
        self.assertEqual(([each.text for each in found], made.model.asked), (["4-4-4"], []))

    def test_a_repeated_prompt_is_removed(self) -> None:
        prompt = "This is about the harbour and the boats."
        repeated = Segment(" This is about the harbour and the boats", 0, 9)
        found, _, made = self.hear([repeated], [Segment(" The train", 0, 3)], initial_prompt=prompt, hotwords="Ashby")
        self.assertEqual([each.text for each in found], [" The train"])
        _, options = made.model.asked[0]
        self.assertEqual((options["initial_prompt"], options["hotwords"], options["temperature"][0]), (None, None, 0.0))

    def test_single_words_of_the_prompt_are_not_a_repetition(self) -> None:
        for text in ("the harbour", "Yes.", "", "We saw the boats in the harbour and went home again"):
            self.assertFalse(pipeline.repeats_prompt("This is about the harbour and the boats.", text), text)

    def test_a_long_prompt_keeps_its_end_and_fits_together_with_the_hotwords(self) -> None:
        def words(name: str, count: int) -> str:
            return " ".join(f"{name}{number}" for number in range(count))

        def asked(**options: str) -> list[list[str]]:
            with self.assertLogs(pipeline._logger, "WARNING"):
                _, _, made = self.hear([], [], **options)
            return [made.asked[0][1].get(name, "").split() for name in ("initial_prompt", "hotwords")]

        prompt, _ = asked(initial_prompt=words("p", 1000))
        self.assertEqual((len(prompt), prompt[0], prompt[-1]), (223, "p777", "p999"))
        _, hot = asked(hotwords=words("h", 1000))
        self.assertEqual((len(hot), hot[0]), (223, "h0"))
        prompt, hot = asked(initial_prompt=words("p", 1000), hotwords=words("h", 1000))
        self.assertEqual((len(prompt), len(hot), prompt[-1]), (112, 111, "p999"))
        prompt, hot = asked(initial_prompt=words("p", 1000), hotwords="one two")
        self.assertEqual((len(prompt), hot), (221, ["one", "two"]))


if __name__ == "__main__":
    unittest.main()
