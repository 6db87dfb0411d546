import sys
import unittest
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from speaches_service import fallback, whisper_device

from . import example

MODULE = "speaches.executors.whisper"


class Refused(Exception):
    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(detail)
        self.status_code, self.detail = status_code, detail


class WhisperDeviceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.loads: list[tuple[str, str, int]] = []
        self.used: list[tuple[str, str, str, str | None]] = []
        self.works = False
        self.has_faster_whisper = True
        self.module = ModuleType(MODULE)
        vars(self.module)["WhisperModel"] = self.load
        fastapi = ModuleType("fastapi")
        vars(fastapi)["HTTPException"] = Refused
        self.logged = mock.Mock()
        modules = {MODULE: self.module, "fastapi": fastapi}
        for patch in (
            mock.patch.dict(sys.modules, modules),
            mock.patch.object(fallback, "log_event", self.logged),
            mock.patch.object(whisper_device, "find_spec", lambda name: name if self.has_faster_whisper else None),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def load(self, model: str, device: str, compute_type: str, device_index: int) -> Any:
        self.assertEqual(model, "a/b")
        self.loads.append((device, compute_type, device_index))
        if device == "cuda" and not self.works:
            raise RuntimeError("CUDA failed with error\nin some line")
        return SimpleNamespace(model=SimpleNamespace(compute_type=f"{compute_type} as loaded"))

    def transcribe(self, device: str = "cuda", *, forced: bool = False, **environment: str) -> Any:
        """Load a model as upstream's executor does."""
        transcription = example.transcription(device=device, forced=forced)
        settings = example.settings(transcription=transcription)
        whisper_device.rebind(settings, lambda *use: self.used.append(use), environment)
        return vars(self.module)["WhisperModel"]("a/b", device=device, compute_type="float16", device_index=1)

    def test_a_runtime_without_faster_whisper_is_left_alone(self) -> None:
        self.has_faster_whisper = False
        whisper_device.rebind(example.settings(), mock.Mock(), {})
        self.assertEqual(vars(self.module)["WhisperModel"], self.load)
        del vars(self.module)["WhisperModel"]
        whisper_device.rebind(example.settings(), mock.Mock(), {})

    def test_another_upstream_is_an_error(self) -> None:
        del vars(self.module)["WhisperModel"]
        with self.assertRaises(AttributeError):
            self.transcribe()

    def test_a_gpu_that_works_is_used(self) -> None:
        self.works = True
        self.transcribe()
        self.assertEqual(self.loads, [("cuda", "float16", 1)])
        self.assertEqual(self.used, [("a/b", "faster-whisper", "cuda", "float16 as loaded")])
        self.logged.assert_not_called()

    def test_a_gpu_that_fails_is_one_line_and_the_cpu(self) -> None:
        self.transcribe()
        self.assertEqual(self.loads, [("cuda", "float16", 1), ("cpu", "int8", 0)])
        self.assertEqual(self.used, [("a/b", "faster-whisper", "cpu", "int8 as loaded")])
        self.logged.assert_called_once()
        self.assertIn(
            "`a/b` computes on the CPU because cuda cannot be used: CUDA failed", self.logged.call_args.args[0]
        )

    def test_a_requested_gpu_that_fails_is_an_error(self) -> None:
        with self.assertRaises(Refused) as caught:
            self.transcribe(forced=True)
        self.assertEqual(caught.exception.status_code, 503)
        self.assertEqual(self.loads, [("cuda", "float16", 1)])

    def test_on_the_cpu_it_is_int8_unless_the_user_says_otherwise(self) -> None:
        self.transcribe("cpu")
        vars(self.module)["WhisperModel"] = self.load
        self.transcribe("cpu", WHISPER__COMPUTE_TYPE="")
        self.assertEqual(self.loads, [("cpu", "int8", 1)] * 2)
        self.loads.clear()
        vars(self.module)["WhisperModel"] = self.load
        self.transcribe(device="cpu", whisper__compute_type="float16")
        self.assertEqual(self.loads, [("cpu", "float16", 1)])

    def test_a_long_reason_is_shortened_to_its_end(self) -> None:
        fallback.fall_back("a/b", "cuda", "x" * 1000 + " no driver\nmore")
        message = self.logged.call_args.args[0]
        self.assertTrue(message.endswith(" no driver") and len(message) < 400, message)


if __name__ == "__main__":
    unittest.main()
