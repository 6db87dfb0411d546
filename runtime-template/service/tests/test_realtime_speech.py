import sys
import unittest
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from speaches_service import realtime_speech

RATE = 16000


class RealtimeSpeechTest(unittest.TestCase):
    def speech(self, start: int | None, end: int | None) -> tuple[int, int]:
        """The first and the last millisecond of what is cut out of ten seconds."""
        state = SimpleNamespace(audio_start_ms=start, audio_end_ms=end)
        found = realtime_speech.speech_in(SimpleNamespace(data=range(10 * RATE), vad_state=state), RATE)
        return found[0] * 1000 // RATE, (found[-1] + 1) * 1000 // RATE

    def test_it_begins_a_little_before_speech_was_detected(self) -> None:
        self.assertEqual(self.speech(2000, 5000), (1700, 5000))
        self.assertEqual(self.speech(100, 5000), (0, 5000))

    def test_without_detection_and_before_its_end_all_of_it_counts(self) -> None:
        self.assertEqual(self.speech(None, None), (0, 10000))
        self.assertEqual(self.speech(2000, None), (1700, 10000))

    def test_another_upstream_is_an_error_and_none_is_none(self) -> None:
        with mock.patch.dict(sys.modules, {realtime_speech._MODULE: None}):
            realtime_speech.rebind()
        module: Any = ModuleType(realtime_speech._MODULE)
        module.InputAudioBuffer, module.SAMPLE_RATE = type("InputAudioBuffer", (), {}), RATE
        with mock.patch.dict(sys.modules, {realtime_speech._MODULE: module}):
            with self.assertRaises(AttributeError):
                realtime_speech.rebind()
            module.InputAudioBuffer.data_w_vad_applied = None
            realtime_speech.rebind()
        buffer = module.InputAudioBuffer()
        buffer.data, buffer.vad_state = range(RATE), SimpleNamespace(audio_start_ms=500, audio_end_ms=900)
        self.assertEqual(buffer.data_w_vad_applied, range(3200, 14400))


if __name__ == "__main__":
    unittest.main()
