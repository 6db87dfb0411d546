import sys
import unittest
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest import mock

from speaches_service import concurrency_limit, piper_stream


class Session:
    """Replaces onnxruntime's."""


@dataclass
class Voice:
    """Compares by its fields, as Piper's does, and so is not hashable."""

    session: Session = field(default_factory=Session)

    def synthesize(self, text: str, options: Any = None) -> Iterator[str]:
        for sentence in text.split(". "):
            yield f"{sentence}/{options}"


class PiperStreamTest(unittest.TestCase):
    def setUp(self) -> None:
        module = ModuleType("piper.voice")
        module.PiperVoice = type("PiperVoice", (Voice,), {})  # type: ignore[attr-defined]
        patch = mock.patch.dict(sys.modules, {"piper.voice": module})
        patch.start()
        self.addCleanup(patch.stop)
        piper_stream.rebind()
        self.voice: Any = module.PiperVoice()

    def test_it_speaks_piece_by_piece_with_the_options_of_upstream(self) -> None:
        chunks = list(self.voice.synthesize("on and on along the road " * 30, "slow"))
        self.assertGreater(len(chunks), 4)
        self.assertTrue(all(chunk.endswith("/slow") and len(chunk) < 200 for chunk in chunks))

    def test_marks_alone_are_not_spoken(self) -> None:
        for text in ("-", "…", " ", "🙂"):
            self.assertEqual(list(self.voice.synthesize(text)), [], text)

    def test_piper_pauses_at_an_ellipsis(self) -> None:
        for text, expected in (
            ("Wait... what? Well… No.", "Wait, what? Well. No."),
            ("So…Yes, hm...ok", "So. Yes, hm, ok"),
            ("“Well…” she said. “Then…” He left...", "“Well,” she said. “Then.” He left."),
            ("Он… да", "Он, да"),
            ("...so, 1...10 and 3…4, a.. b", "...so, 1...10 and 3…4, a.. b"),
        ):
            self.assertEqual(piper_stream.with_pauses(text), expected)

    def test_no_control_character_reaches_espeak(self) -> None:
        for text in ("a\0b\x9f c\x1b[0m", "[[a\0b]]"):
            self.assertNotRegex("".join(self.voice.synthesize(text)), r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")

    def test_text_with_phonemes_is_not_split(self) -> None:
        text = f"It is [[{'a' * 300}]] of course"
        self.assertEqual(list(self.voice.synthesize(text)), [f"{text}/None"])

    def test_the_last_chunk_is_known_and_a_cancelled_request_gets_no_more(self) -> None:
        progress = concurrency_limit.Progress()
        with concurrency_limit.computing_for(progress):
            known = [
                progress.is_complete for _ in self.voice.synthesize("The morning was quiet and cold. It was. " * 4)
            ]
            self.assertEqual(known, [*[False] * (len(known) - 1), True])
            progress.is_cancelled = True
            with concurrency_limit.limit_of(self.voice.session).slot(concurrency_limit.Progress(), 1):
                self.assertEqual(list(self.voice.synthesize("The morning was quiet and cold, as it often is.")), [])


if __name__ == "__main__":
    unittest.main()
