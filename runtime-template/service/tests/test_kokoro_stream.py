import sys
import unittest
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

try:
    import numpy as np
    from fastapi import HTTPException

    from speaches_service import concurrency_limit, kokoro_stream
except ImportError as error:
    print(f"skipping test_kokoro_stream, which needs fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi and numpy: {error}") from error

from speaches_service.speech_text import Boundary

RATE = 1000
QUIET = 400
"""Silent samples at both ends of the model's output."""


class Kokoro:
    """Has one sample for each phoneme, and one phoneme for each letter."""

    def __init__(self, phonemes_of: Any = lambda text: text) -> None:
        self.tokenizer = SimpleNamespace(phonemize=lambda text, _language: phonemes_of(text))
        self.spoken: list[str] = []
        self.speeds: list[float] = []

    def get_voice_style(self, name: str) -> str:
        return f"style of {name}"

    def _create_audio(self, phonemes: str, style: str, speed: float) -> tuple[Any, int]:
        assert style == "style of af"
        self.spoken.append(phonemes)
        self.speeds.append(speed)
        quiet = np.zeros(QUIET, np.float32)
        return np.concatenate([quiet, np.ones(len(phonemes), np.float32), quiet]), RATE


def trim(samples: Any) -> tuple[Any, Any]:
    loud = np.flatnonzero(samples)
    return samples[loud[0] : loud[-1] + 1], np.array([loud[0], loud[-1] + 1])


class KokoroStreamTest(unittest.TestCase):
    def setUp(self) -> None:
        library = ModuleType("kokoro_onnx.trim")
        library.trim = trim  # type: ignore[attr-defined]
        patch = mock.patch.dict(sys.modules, {"kokoro_onnx": ModuleType("kokoro_onnx"), "kokoro_onnx.trim": library})
        patch.start()
        self.addCleanup(patch.stop)

    def test_pauses_are_between_pieces_and_nowhere_else(self) -> None:
        kokoro = Kokoro()
        text = "The morning was quiet in the old harbour. " * 3
        pieces = [samples for samples, rate in kokoro_stream.create_pieces(kokoro, text, "af", speed=2.0)]
        self.assertEqual(len(pieces), 3)
        pause = int((0.5 - 0.1) / 2.0 * RATE)
        self.assertEqual([len(piece) - int(piece.sum()) for piece in pieces], [pause, pause, 0])
        self.assertEqual([piece[0] for piece in pieces], [1, 1, 1])
        self.assertEqual(kokoro.speeds, [2.0] * 3)

    def test_a_pause_longer_than_the_models_silence_is_padded(self) -> None:
        with mock.patch.dict(kokoro_stream.PAUSE_SECONDS, {Boundary.SENTENCE: 1.0}):
            text = "The morning was quiet in the old harbour. " * 2
            first, _ = kokoro_stream.create_pieces(Kokoro(), text, "af")
        self.assertEqual(len(first[0]) - int(first[0].sum()), 900)

    def test_no_piece_has_more_phonemes_than_the_model_holds(self) -> None:
        kokoro = Kokoro(lambda text: text * 20)
        list(kokoro_stream.create_pieces(kokoro, "we went on and on along the road " * 16, "af"))
        self.assertLessEqual(max(map(len, kokoro.spoken)), kokoro_stream.MAX_PHONEMES)
        self.assertGreater(sum(map(len, kokoro.spoken)), 20 * 16 * len("we went on and on along the roa"))
        named_at_length = Kokoro(lambda _text: "x" * 600)
        list(kokoro_stream.create_pieces(named_at_length, "漢", "af"))
        self.assertEqual([len(phonemes) for phonemes in named_at_length.spoken], [509])

    def test_chinese_gets_espeaks_name(self) -> None:
        kokoro = Kokoro()
        asked: list[str] = []

        def phonemize(text: str, language: str) -> str:
            asked.append(language)
            return text

        kokoro.tokenizer.phonemize = phonemize
        for language in ("zh", "en-us"):
            list(kokoro_stream.create_pieces(kokoro, "ni hao", "af", lang=language))
        self.assertEqual(sorted(set(asked)), ["cmn", "en-us"])

    def test_japanese_kana_are_spoken_and_kanji_rejected(self) -> None:
        self.assertEqual(len(list(kokoro_stream.create_pieces(Kokoro(), "こんにちは", "af", lang="ja"))), 1)
        with self.assertRaises(HTTPException) as caught:
            list(kokoro_stream.create_pieces(Kokoro(), "私の名前", "af", lang="ja"))
        self.assertEqual(caught.exception.status_code, 422)
        self.assertIn("`私`", caught.exception.detail)

    def test_marks_alone_are_not_spoken(self) -> None:
        for text in ("-", "…", "?!", "— —"):
            self.assertEqual(list(kokoro_stream.create_pieces(Kokoro(), text, "af")), [], text)

    def test_text_without_phonemes_is_not_spoken(self) -> None:
        kokoro = Kokoro(lambda text: "".join(filter(str.isalpha, text)))
        self.assertEqual(list(kokoro_stream.create_pieces(kokoro, "- - - ***", "af")), [])
        progress = concurrency_limit.Progress()
        with concurrency_limit.computing_for(progress):
            text = f"{'The morning was quiet in the old harbour.'} {'. ' * 200}"
            self.assertEqual(len(list(kokoro_stream.create_pieces(kokoro, text, "af"))), 1)
        self.assertTrue(progress.is_complete)

    def test_nothing_is_computed_for_a_disconnected_client(self) -> None:
        kokoro = Kokoro()
        progress = concurrency_limit.Progress()
        with concurrency_limit.computing_for(progress):
            pieces = kokoro_stream.create_pieces(kokoro, "The morning was quiet in the old harbour. " * 5, "af")
            next(pieces)
            self.assertFalse(progress.is_complete)
            progress.is_cancelled = True
            with concurrency_limit.limit_of(kokoro).slot(concurrency_limit.Progress(), 1):
                self.assertEqual(list(pieces), [])
        self.assertEqual(len(kokoro.spoken), 1)


if __name__ == "__main__":
    unittest.main()
