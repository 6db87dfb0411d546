"""Speech as mp3, wav, flac, opus, aac or pcm, encoded in this process by libav (PyAV): no ffmpeg is needed.

Everything streams: bytes leave as soon as the encoder has them.
"""

import contextlib
import io
import itertools
import wave
from collections.abc import Generator, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Format = Literal["aac", "pcm", "opus", "mp3", "flac", "wav"]


class Audio(Protocol):
    """What is needed of `speaches.audio.Audio`."""

    data: NDArray[np.float32]
    """Mono samples from -1.0 to 1.0."""
    sample_rate: int
    """In Hz."""

    def resample(self, target_sample_rate: int) -> Any:
        """Change `data` and `sample_rate`, in Hz."""

    def as_bytes(self) -> bytes:
        """The samples as 16-bit little-endian integers."""


class Encoding(NamedTuple):
    """How libav makes a format. Bit rates are libav's defaults, as upstream's."""

    container: str
    codec: str
    container_options: Mapping[str, str] = MappingProxyType({})
    codec_options: Mapping[str, str] = MappingProxyType({})
    sample_rates: tuple[int, ...] = ()
    """What the codec can do, in Hz, ascending; empty means any."""


ENCODINGS: dict[str, Encoding] = {
    # PyAV's lame takes twice the time of ffmpeg's for the same sound, hence a faster level than the default.
    "mp3": Encoding(
        "mp3",
        "libmp3lame",
        codec_options={"compression_level": "7"},
        sample_rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    # Of a stream: its length is not known at the start, so the header says 0xFFFFFFFF, as ffmpeg's does on a pipe.
    "wav": Encoding("wav", "pcm_s16le"),
    "flac": Encoding("flac", "flac"),
    # An ogg page would otherwise hold back a second of sound. Duration in microseconds.
    "opus": Encoding(
        "ogg", "libopus", container_options={"page_duration": "200000"}, sample_rates=(8000, 12000, 16000, 24000, 48000)
    ),
    "aac": Encoding(
        "adts",
        "aac",
        sample_rates=(7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
    ),
}


def encode(
    pieces: Generator[tuple[Audio, bool], None, None], audio_format: Format, sample_rate: int | None = None
) -> Generator[bytes, None, None]:
    """Encode audio while it is made; each piece says whether it is known to be the last one.

    There is one part for each piece, and one more where an encoder holds something back.

    Args:
        pieces: mono audio, all at the same sample rate.
        audio_format: the name that the API knows it by; opus comes in ogg, aac in ADTS, pcm is 16-bit little-endian.
        sample_rate: of the result in Hz, default is that of the audio. A rate that the codec does not know becomes
            the next higher one that it does.

    Raises:
        ValueError: the sample rate of the audio changes on the way.
        Exception: whatever the generator raises.
    """
    with contextlib.closing(pieces):
        if audio_format == "pcm":
            for audio, _ in pieces:
                if sample_rate is not None:
                    audio.resample(sample_rate)
                yield audio.as_bytes()
            return
        first, is_complete = next(pieces, (None, True))
        if first is None:
            return
        if audio_format == "wav" and is_complete:
            if sample_rate is not None:
                first.resample(sample_rate)
            yield _wav(first)
            return
        rest = (audio for audio, _ in pieces)
        yield from _encode(first, rest, ENCODINGS[audio_format], sample_rate or first.sample_rate)


def _wav(audio: Audio) -> bytes:
    """A whole file: its header states the length."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(audio.sample_rate)
        writer.writeframes(_samples(audio).astype("<i2").tobytes())
    return file.getvalue()


def _samples(audio: Audio) -> NDArray[np.int16]:
    return np.clip(np.asarray(audio.data, dtype=np.float32) * 32767, -32768, 32767).astype(np.int16)


def _encode(first: Audio, rest: Iterator[Audio], encoding: Encoding, sample_rate: int) -> Iterator[bytes]:
    import av

    output = _Output()
    options = {"flush_packets": "1", **encoding.container_options}
    with av.open(output, "w", format=encoding.container, options=options) as container:
        stream: Any = container.add_stream(
            encoding.codec,
            rate=_choose_rate(encoding.sample_rates, sample_rate),
            layout="mono",
            options=dict(encoding.codec_options),
        )
        for frames in _make_frames(first, rest):
            for frame in frames:
                # N.B. The codec's context resamples to its own rate, sample format and frame size.
                container.mux(stream.encode(frame))
            if output.encoded:
                yield output.take()
        container.mux(stream.encode(None))
    if output.encoded:
        yield output.take()


def _make_frames(first: Audio, rest: Iterator[Audio]) -> Iterator[list[Any]]:
    """The frames of each piece, of at most one second each."""
    import av

    rate = first.sample_rate
    position = 0
    for audio in itertools.chain((first,), rest):
        if audio.sample_rate != rate:
            raise ValueError(f"Inconsistent sample rate: expected {rate}, got {audio.sample_rate}")
        samples = _samples(audio)
        frames = []
        for at in range(0, len(samples), rate):
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + rate], format="s16", layout="mono")
            frame.sample_rate = rate
            frame.time_base = Fraction(1, rate)
            frame.pts = position
            position += frame.samples
            frames.append(frame)
        yield frames


def _choose_rate(known: tuple[int, ...], wanted: int) -> int:
    if not known:
        return wanted
    return next((rate for rate in known if rate >= wanted), known[-1])


class _Output:
    """A file that libav can only write to, so it never goes back to complete a header."""

    def __init__(self) -> None:
        self.encoded = bytearray()

    def write(self, data: bytes) -> int:
        self.encoded += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self.encoded)
        self.encoded.clear()
        return taken
