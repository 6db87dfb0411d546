import io
import random
import struct
import sys
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

try:
    import av
    import numpy as np
    from av.stream import Disposition
    from fastapi import HTTPException, UploadFile
    from starlette.datastructures import Headers

    from speaches_service.transcription import decoding
except ImportError as error:
    print(f"skipping test_transcription_decoding, which needs av, fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs av, fastapi and numpy: {error}") from error

SECONDS = 6


def encoded(
    name: str, codec: str, seconds: float = SECONDS, rate: int = 48000, sides: tuple[float, ...] = (1.0,)
) -> bytes:
    """A stereo file with a tone of the given loudness on each side."""
    file = io.BytesIO()
    layout = "mono" if len(sides) == 1 else "stereo"
    with av.open(file, "w", format=name) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        tone = np.sin(np.arange(int(seconds * rate)) / 20) * 9000
        samples = np.outer(tone, sides).astype(np.int16)
        for first in range(0, len(samples), 960):
            packed = samples[first : first + 960].reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()


def silent_film() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            for packet in stream.encode(picture):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()


def read(content: bytes, media_type: str = "application/octet-stream") -> decoding.Decoded:
    headers = Headers({"content-type": media_type})
    with mock.patch.object(decoding, "_logger"):
        return decoding.read(UploadFile(io.BytesIO(content), filename="a.xyz", headers=headers))


class DecodingTest(unittest.TestCase):
    def refuses(self, content: bytes, status: int, reason: str, media_type: str = "audio/wav") -> None:
        with self.assertRaises(HTTPException) as caught:
            read(content, media_type)
        self.assertEqual(caught.exception.status_code, status, caught.exception.detail)
        self.assertIn(reason, caught.exception.detail)

    def test_an_intact_file_is_decoded_without_a_warning(self) -> None:
        for name, codec in (("wav", "pcm_s16le"), ("mp3", "mp3"), ("flac", "flac"), ("matroska", "libopus")):
            decoded = read(encoded(name, codec))
            self.assertEqual(decoded.warnings, [], name)
            self.assertAlmostEqual(len(decoded.samples) / 16000, SECONDS, delta=0.1, msg=name)
            self.assertGreater(float(np.abs(decoded.samples).max()), 0.15, name)

    def test_sound_after_damage_is_decoded_and_the_damage_is_reported(self) -> None:
        for name, codec in (("mp3", "mp3"), ("flac", "flac")):
            content = encoded(name, codec)
            middle = len(content) // 2
            noise = random.Random(1).randbytes(1500)
            decoded = read(content[:middle] + noise + content[middle + len(noise) :])
            self.assertGreater(len(decoded.samples) / 16000, SECONDS - 1.5, name)
            self.assertRegex(decoded.warnings[0], r"damaged at [23]\.\d s", name)

    def test_the_rate_and_the_sides_may_change_in_the_middle(self) -> None:
        joined = encoded("mp3", "mp3", rate=22050) + encoded("mp3", "mp3", rate=44100, sides=(1, 1))
        self.assertAlmostEqual(len(read(joined).samples) / 16000, 2 * SECONDS, delta=0.3)

    def test_sides_that_cancel_each_other_are_heard(self) -> None:
        for sides, loudest in (((1, 1), 0.27), ((1, -1), 0.27), ((1, 0), 0.13), ((0, 1), 0.13)):
            decoded = read(encoded("wav", "pcm_s16le", 1, sides=sides))
            self.assertAlmostEqual(float(np.abs(decoded.samples).max()), loudest, delta=0.02, msg=sides)
            self.assertAlmostEqual(len(decoded.samples) / 16000, 1, delta=0.01)

    def test_the_default_track_is_heard(self) -> None:
        other = SimpleNamespace(disposition=Disposition(0), codec_context=object())
        chosen = SimpleNamespace(disposition=Disposition.default, codec_context=object())
        broken = SimpleNamespace(disposition=Disposition.default, codec_context=None)
        self.assertIs(decoding._chosen([other, broken, chosen]), chosen)
        self.assertIs(decoding._chosen([broken, other]), other)
        self.assertIs(decoding._chosen([other, other]), other)

    def test_a_truncated_file_is_reported_if_the_header_states_the_duration(self) -> None:
        for name, codec in (("flac", "flac"), ("matroska", "libopus")):
            content = encoded(name, codec)
            decoded = read(content[: len(content) // 2])
            self.assertAlmostEqual(len(decoded.samples) / 16000, SECONDS / 2, delta=0.8)
            self.assertRegex(decoded.warnings[-1], r"ends after [23]\.\d s instead of 6\.\d s", name)

    def test_samples_without_a_header_are_recognized_by_their_type(self) -> None:
        samples = (np.sin(np.arange(16000) / 20) * 9000).astype("<i2").tobytes()
        decoded = read(samples, "audio/pcm")
        self.assertEqual((len(decoded.samples), decoded.warnings), (16000, []))
        decoded = read(samples + b"\0", "audio/raw")
        self.assertEqual(
            (len(decoded.samples), decoded.warnings), (16000, ["the last byte is half a sample and was ignored"])
        )
        self.refuses(samples, 415, "cannot be decoded", "application/octet-stream")

    def test_a_file_without_sound_is_the_clients_error_with_a_reason(self) -> None:
        wav = encoded("wav", "pcm_s16le", 0.1)
        for content in (b"", b"hello " * 1000, wav[:20], wav[:44], random.Random(1).randbytes(50000)):
            self.refuses(content, 415, "")
        for codec, bits in ((1, 0), (3, 0), (0xFFFE, 0), (0x1234, 16)):
            head = struct.pack("<HHIIHH", codec, 1, 16000, 32000, 2, bits)
            self.refuses(wav[:20] + head + wav[36:], 415, "no decoder for its codec")
        self.refuses(silent_film(), 415, "the file contains no sound")
        self.refuses(encoded("wav", "pcm_s16le", 0.005), 422, "5.0 ms of sound")
        self.refuses(b"\0", 422, "0.0 ms", "audio/pcm")


if __name__ == "__main__":
    unittest.main()
