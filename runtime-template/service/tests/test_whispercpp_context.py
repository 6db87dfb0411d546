import contextlib
import os
import random
import sys
import tempfile
import threading
import unittest
from collections.abc import Iterator
from unittest import mock

try:
    import numpy as np
    from numpy.typing import NDArray

    from speaches_service.transcription import SAMPLE_RATE
    from speaches_service.transcription.languages import UnknownLanguage
    from speaches_service.whispercpp import library
    from speaches_service.whispercpp.context import ClipOptions, Context
    from speaches_service.whispercpp.results import Segment

    library.extension()
except ImportError as error:
    print(f"skipping test_whispercpp_context, which needs numpy and pywhispercpp: {error}", file=sys.stderr)
    raise unittest.SkipTest(str(error)) from error

from .ggml import TEXT, run_child, weights

RATE = SAMPLE_RATE
ENGLISH = ClipOptions("en")


def noise(seconds: float) -> "NDArray[np.float32]":
    return (np.random.default_rng(0).standard_normal(int(seconds * RATE)) * 0.05).astype(np.float32)


class ContextTest(unittest.TestCase):
    context: Context

    @classmethod
    def setUpClass(cls) -> None:
        cls.context = Context(library.load(weights(), use_gpu=False), 2, None)

    @classmethod
    def tearDownClass(cls) -> None:
        del cls.context

    def hear(self, wanted: ClipOptions = ENGLISH, seconds: float = 5.0, offset: float = 0.0) -> list[Segment]:
        segments, language = self.context.transcribe(noise(seconds), offset, wanted)
        self.assertEqual(language, "en")
        return segments

    def test_a_clip_is_one_segment_with_its_own_bounds(self) -> None:
        [segment] = self.hear(offset=10.0)
        self.assertEqual((segment.text, segment.start, segment.end, segment.seek), (f" {TEXT}", 10.0, 15.0, 1000))
        self.assertEqual(len(segment.tokens), len(TEXT.split()))
        self.assertLessEqual(segment.avg_logprob, 0.0)
        self.assertIsNone(segment.words)

    def test_requested_times_are_the_models(self) -> None:
        [segment] = self.hear(ClipOptions("en", timestamps=True), offset=10.0)
        self.assertEqual((segment.text, segment.start, segment.end), (f" {TEXT}", 10.0, 12.0))

    def test_words_are_in_order_inside_of_their_clip_and_make_up_the_text(self) -> None:
        [segment] = self.hear(ClipOptions("en", words=True), offset=10.0)
        words = segment.words or []
        self.assertEqual("".join(word.word for word in words), segment.text)
        self.assertEqual((segment.start, segment.end), (10.0, 15.0))
        bounds = [time for word in words for time in (word.start, word.end)]
        self.assertEqual(bounds, sorted(bounds))
        self.assertTrue(bounds[0] >= 10.0 and bounds[-1] <= 15.0, bounds)

    def test_a_prompt_affects_only_its_own_request(self) -> None:
        [prompted] = self.hear(ClipOptions("en", prompt="this is"))
        self.assertNotEqual(prompted.text, f" {TEXT}")
        [segment] = self.hear()
        self.assertEqual(segment.text, f" {TEXT}")

    def test_clips_of_any_length_are_transcribed(self) -> None:
        for seconds in (0.01, 0.15, 29.99):
            [segment] = self.hear(seconds=seconds)
            self.assertEqual(segment.text, f" {TEXT}")
            self.assertAlmostEqual(segment.end, seconds, places=2)

    def test_an_english_only_model_accepts_every_language(self) -> None:
        self.assertEqual([self.context.language(name) for name in (None, "en", "xx")], ["en"] * 3)
        with mock.patch.object(self.context, "is_multilingual", True):
            self.assertEqual(self.context.language("de"), "de")
            self.assertIsNone(self.context.language(None))
            with self.assertRaises(UnknownLanguage):
                self.context.language("xx")

    def test_threads_share_one_context_one_at_a_time(self) -> None:
        texts: list[str] = []

        def transcribe() -> None:
            texts.append(self.hear()[0].text)

        threads = [threading.Thread(target=transcribe) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(texts, [f" {TEXT}"] * 6)

    def test_the_probability_of_silence_comes_from_the_library_itself(self) -> None:
        self.assertTrue(library._no_speech_function() is not None)
        [segment] = self.hear()
        self.assertTrue(0.0 < segment.no_speech_prob < 1.0, segment.no_speech_prob)

    def test_work_is_guarded(self) -> None:
        entered: list[str] = []

        @contextlib.contextmanager
        def guard() -> Iterator[None]:
            entered.append("in")
            yield
            entered.append("out")

        context = Context(library.load(weights(), use_gpu=False), 2, guard)
        context.transcribe(noise(1), 0.0, ClipOptions("en"))
        self.assertEqual(entered, ["in", "out"])


class LoadTest(unittest.TestCase):
    def test_an_incomplete_file_is_rejected_with_the_reason(self) -> None:
        with open(weights(), "rb") as file:
            whole = file.read()
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "x.bin")
            for content, reason in (
                (b"", "not a file with GGML weights"),
                (b"GGUF" + whole[4:], "not a file with GGML weights"),
                (whole[: len(whole) // 2], "tensor"),
            ):
                with open(path, "wb") as file:
                    file.write(content)
                with self.assertRaisesRegex(library.UnusableModel, reason):
                    library.load(path, use_gpu=False)
            with self.assertRaisesRegex(library.UnusableModel, "cannot be read"):
                library.load(os.path.join(directory, "gone.bin"), use_gpu=False)

    def test_a_file_truncated_before_its_last_tensor_is_rejected(self) -> None:
        size = os.path.getsize(weights())
        source = random.Random(0)
        for length in [1000, 100_000, *(source.randrange(100, size * 9 // 10) for _ in range(8))]:
            # In a child process, because a truncated file may crash it. The service's check uses a child as well.
            ended = run_child(
                "import os, shutil\n"
                "from speaches_service.whispercpp import library\n"
                "shutil.copy(sys.argv[1], sys.argv[2])\n"
                "os.truncate(sys.argv[2], int(sys.argv[3]))\n"
                "try: library.load(sys.argv[2], use_gpu=False); print('taken')\n"
                "except library.UnusableModel: print('refused')\n"
                "finally: os.unlink(sys.argv[2])\n",
                weights(),
                os.path.join(tempfile.gettempdir(), f"cut-{os.getpid()}.bin"),
                str(length),
            )
            self.assertNotIn("taken", ended.stdout, f"cut after {length} of {size} bytes")

    def test_a_process_that_used_a_model_ends_cleanly(self) -> None:
        ended = run_child(
            "from speaches_service.whispercpp import library\n"
            "library.load(sys.argv[1], use_gpu=False)\n"
            "try: library.load(__file__ if '__file__' in globals() else sys.executable, use_gpu=False)\n"
            "except library.UnusableModel: print('refused')\n",
            weights(),
        )
        self.assertEqual((ended.returncode, ended.stdout), (0, "refused\n"), ended.stderr)

    def test_a_gpu_is_recognized_from_the_log_of_the_library(self) -> None:
        metal = [
            "whisper_init_with_params_no_state: use gpu    = 1",
            "ggml_metal_device_init: GPU name:   Apple M1",
            "whisper_backend_init_gpu: found GPU device 0: MTL0 (type: 1, cnt: 0)",
            "whisper_backend_init_gpu: using MTL0 backend",
            "whisper_backend_init: using BLAS backend",
        ]
        self.assertEqual(library._gpu(metal), ("MTL0", "Apple M1"))
        self.assertEqual(library._gpu([*metal[1:3], metal[4]]), (None, None))
        failed = "whisper_backend_init_gpu: failed to initialize MTL0 backend"
        self.assertEqual(library._gpu([*metal[:3], failed]), (None, None))


if __name__ == "__main__":
    unittest.main()
