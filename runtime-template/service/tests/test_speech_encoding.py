import io
import math
import sys
import unittest
import wave
from collections.abc import Generator, Iterable, Iterator
from typing import Any

try:
    import av
    import numpy as np

    from speaches_service import speech_encoding
except ImportError as error:
    print(f"skipping test_speech_encoding, which needs numpy and av: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy and av: {error}") from error


class Audio:
    def __init__(self, data: Any, sample_rate: int) -> None:
        self.data = data
        self.sample_rate = sample_rate

    def resample(self, target_sample_rate: int) -> None:
        self.sample_rate = target_sample_rate

    def as_bytes(self) -> bytes:
        encoded: bytes = (self.data * 32767).astype(np.int16).tobytes()
        return encoded


def tone(seconds: float, sample_rate: int = 24000, hertz: float = 440.0) -> Audio:
    at = np.arange(int(seconds * sample_rate)) / sample_rate
    return Audio((0.5 * np.sin(2 * math.pi * hertz * at)).astype(np.float32), sample_rate)


def decode(encoded: bytes) -> tuple[Any, int]:
    container: Any = av.open(io.BytesIO(encoded))
    resampler = av.AudioResampler(format="s16", layout="mono")
    frames = [resampled for frame in container.decode(audio=0) for resampled in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]) / 32767, frames[0].sample_rate


def stream(audios: Iterable[Audio], audio_format: Any, sample_rate: int | None = None) -> Generator[bytes, None, None]:
    return speech_encoding.encode(((audio, False) for audio in audios), audio_format, sample_rate)


class SpeechEncodingTest(unittest.TestCase):
    def encode(self, audio_format: Any, audios: list[Audio], sample_rate: int | None = None) -> bytes:
        return b"".join(stream(audios, audio_format, sample_rate))

    def test_every_format_keeps_duration_and_pitch(self) -> None:
        for audio_format in speech_encoding.ENCODINGS:
            for sample_rate in (None, 8000, 16000, 44100, 48000):
                with self.subTest(audio_format=audio_format, sample_rate=sample_rate):
                    samples, rate = decode(self.encode(audio_format, [tone(1.3), tone(0.7)], sample_rate))
                    # Lossy codecs add their delay; at 8 kHz one mp3 frame alone is 72 ms.
                    self.assertAlmostEqual(len(samples) / rate, 2.0, delta=0.2)
                    self.assertGreaterEqual(len(samples) / rate, 2.0 - 1e-3)
                    middle = samples[int(0.2 * rate) : int(1.2 * rate)]
                    loudest = int(np.argmax(np.abs(np.fft.rfft(middle)))) * rate / len(middle)
                    self.assertAlmostEqual(loudest, 440, delta=3)
                    self.assertAlmostEqual(float(np.max(np.abs(middle))), 0.5, delta=0.1)
                    if audio_format != "opus":  # opus is always 48 kHz
                        self.assertEqual(rate, sample_rate or 24000)

    def test_lossless_formats_give_back_the_samples(self) -> None:
        audio = tone(1.5)
        for audio_format in ("wav", "flac"):
            samples, _ = decode(self.encode(audio_format, [audio]))
            np.testing.assert_allclose(samples, audio.data, atol=2 / 32767)

    def test_pcm_equals_upstreams(self) -> None:
        audio = tone(0.1)
        self.assertEqual(self.encode("pcm", [audio]), audio.as_bytes())

    def test_too_loud_audio_is_clipped_and_not_wrapped(self) -> None:
        samples, _ = decode(self.encode("wav", [Audio(np.array([2.0, -2.0], dtype=np.float32), 24000)]))
        self.assertGreater(samples[0], 0.99)
        self.assertLess(samples[1], -0.99)

    def test_bytes_are_sent_while_audio_is_computed(self) -> None:
        for audio_format in (*speech_encoding.ENCODINGS, "pcm"):
            with self.subTest(audio_format=audio_format):
                made: list[int] = []

                def make(made: list[int] = made) -> Iterator[Audio]:
                    for second in range(5):
                        made.append(second)
                        yield tone(1.0)

                encoded = stream(make(), audio_format)
                next(encoded)
                self.assertLessEqual(len(made), 2)

    def test_a_complete_wav_states_its_length(self) -> None:
        (whole,) = speech_encoding.encode(((audio, True) for audio in [tone(0.5)]), "wav", 16000)
        with wave.open(io.BytesIO(whole)) as file:
            self.assertEqual((file.getnframes(), file.getframerate(), file.getnchannels()), (12000, 16000, 1))
        self.assertEqual(len(whole), 44 + 2 * 12000)
        # The header of a stream states the maximum length.
        streamed = b"".join(speech_encoding.encode(((audio, False) for audio in [tone(0.5)]), "wav"))
        self.assertEqual(streamed[streamed.index(b"data") + 4 :][:4], b"\xff" * 4)

    def test_each_piece_is_sent_as_one_part(self) -> None:
        for audio_format in ("pcm", "wav", "flac", "mp3"):
            pieces = ((audio, False) for audio in [tone(2.5), tone(3.5)])
            parts = list(speech_encoding.encode(pieces, audio_format))
            self.assertIn(len(parts), (2, 3), audio_format)

    def test_errors_of_the_generator_arrive(self) -> None:
        def make() -> Iterator[Audio]:
            yield tone(0.5)
            raise ValueError("no more breath")

        for audio_format in (*speech_encoding.ENCODINGS, "pcm"):
            with self.assertRaisesRegex(ValueError, "no more breath"):
                b"".join(stream(make(), audio_format))

    def test_a_changing_sample_rate_is_an_error(self) -> None:
        with self.assertRaisesRegex(ValueError, "Inconsistent sample rate"):
            self.encode("wav", [tone(0.1), tone(0.1, sample_rate=8000)])

    def test_no_audio_gives_no_bytes(self) -> None:
        for audio_format in (*speech_encoding.ENCODINGS, "pcm"):
            self.assertEqual(self.encode(audio_format, []), b"")
            self.encode(audio_format, [Audio(np.zeros(0, dtype=np.float32), 24000)])

    def test_a_stream_can_be_closed_early(self) -> None:
        for audio_format in speech_encoding.ENCODINGS:
            encoded: Any = stream([tone(1), tone(1)], audio_format)
            next(encoded)
            encoded.close()


if __name__ == "__main__":
    unittest.main()
