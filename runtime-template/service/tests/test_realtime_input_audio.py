import base64
import sys
import unittest
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

try:
    import numpy as np

    from speaches_service.realtime import input_audio
except ImportError as error:
    print(f"skipping test_realtime_input_audio, which needs numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy: {error}") from error

RATE = 16000


class Buffer:
    """Replaces upstream's."""

    def __init__(self, _pubsub: Any = None) -> None:
        self.id = f"item{id(self)}"
        self.samples: list[float] = []

    def append(self, samples: Any) -> None:
        self.samples += list(samples)


class InputAudioTest(unittest.TestCase):
    def setUp(self) -> None:
        self.published: list[Any] = []
        self.found: list[Any] = []
        first = Buffer()
        self.context: Any = SimpleNamespace(
            input_audio_buffers=OrderedDict({first.id: first}),
            session=SimpleNamespace(turn_detection=object()),
            pubsub=SimpleNamespace(publish_nowait=self.published.append),
            conversation=SimpleNamespace(items={"before": None}),
        )
        self.upstream: Any = SimpleNamespace(
            InputAudioBuffer=Buffer,
            resample_audio_data=lambda samples, _from, _to: samples,
            vad_detection_flow=lambda *_: self.found.pop(0) if self.found else None,
            InputAudioBufferCommittedEvent=lambda **fields: SimpleNamespace(**fields),
        )

    def append(self, content: bytes) -> None:
        event = SimpleNamespace(audio=base64.b64encode(content).decode())
        input_audio.append(self.context, event, self.upstream, RATE)

    def buffers(self) -> list[list[float]]:
        return [buffer.samples for buffer in self.context.input_audio_buffers.values()]

    def cut_out(self, start: int | None, end: int | None) -> tuple[int, int]:
        """The first and the last millisecond of the speech in a buffer of ten seconds."""
        state = SimpleNamespace(audio_start_ms=start, audio_end_ms=end)
        found = input_audio.speech_in(SimpleNamespace(data=range(10 * RATE), vad_state=state), RATE)
        return found[0] * 1000 // RATE, (found[-1] + 1) * 1000 // RATE

    def test_a_turn_begins_a_little_before_the_detected_speech(self) -> None:
        self.assertEqual(self.cut_out(2000, 5000), (1700, 5000))
        self.assertEqual(self.cut_out(100, 5000), (0, 5000))

    def test_all_sound_counts_without_detection_and_before_its_end(self) -> None:
        self.assertEqual(self.cut_out(None, None), (0, 10000))
        self.assertEqual(self.cut_out(2000, None), (1700, 10000))

    def test_an_event_may_end_within_a_sample(self) -> None:
        sound = np.arange(-300, 300, 7, dtype="<i2").tobytes()
        for at in range(0, len(sound), 5):
            self.append(sound[at : at + 5])
        self.assertEqual(self.buffers(), [list(np.frombuffer(sound, "<i2").astype(np.float32) / 32768)])

    def test_half_a_sample_stays_in_its_stream(self) -> None:
        self.found = [SimpleNamespace(type="input_audio_buffer.speech_stopped")]
        self.append(b"\0\1\0")
        self.append(b"\2\0")
        self.assertEqual(self.buffers(), [[256 / 32768], [512 / 32768]])
        # Upstream does this after a commit and for a clear.
        self.context.input_audio_buffers["next"] = Buffer()
        self.append(b"\0\3")
        self.assertEqual(self.buffers()[-1], [768 / 32768])

    def test_invalid_base64_is_an_error_and_changes_nothing(self) -> None:
        for audio in ("%%%", "AAA"):
            with self.assertRaises(ValueError):
                input_audio.append(self.context, SimpleNamespace(audio=audio), self.upstream, RATE)
        input_audio.append(self.context, SimpleNamespace(audio=""), self.upstream, RATE)
        self.assertEqual(self.buffers(), [[]])

    def test_a_turn_ends_once_and_later_sound_belongs_to_the_next_turn(self) -> None:
        started = SimpleNamespace(type="input_audio_buffer.speech_started")
        stopped = SimpleNamespace(type="input_audio_buffer.speech_stopped", item_id="said")
        self.found = [started, None, stopped]
        for sample in (b"\0\1", b"\0\2", b"\0\3", b"\0\4"):
            self.append(sample)
        self.assertEqual([len(samples) for samples in self.buffers()], [3, 1])
        self.assertEqual(self.published, [started, stopped])
        input_audio.commit(self.context, stopped, self.upstream)
        self.assertEqual(vars(self.published[2]), {"previous_item_id": "before", "item_id": "said"})

    def test_the_buffer_of_a_transcribed_turn_is_dropped_unless_it_is_the_last(self) -> None:
        first = next(iter(self.context.input_audio_buffers))
        input_audio.drop_buffer(self.context, first)
        self.assertIn(first, self.context.input_audio_buffers)
        self.context.input_audio_buffers["next"] = Buffer()
        input_audio.drop_buffer(self.context, first)
        self.assertEqual(list(self.context.input_audio_buffers), ["next"])


if __name__ == "__main__":
    unittest.main()
