"""Encodes speech as mp3, wav, flac, opus, aac or pcm with libav (PyAV) in this process, without ffmpeg.

All formats stream: the service sends bytes as soon as the encoder returns them.
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
    """The members of `speaches.audio.Audio` that the encoder uses."""

    data: NDArray[np.float32]
    """Mono samples from -1.0 to 1.0."""
    sample_rate: int
    """In Hz."""

    def resample(self, target_sample_rate: int) -> Any:
        """Change `data` and `sample_rate`, in Hz."""

    def as_bytes(self) -> bytes:
        """The samples as 16-bit little-endian integers."""


class Encoding(NamedTuple):
    """libav's names and options for a format. Bit rates are libav's defaults, as upstream's are."""

    container: str
    codec: str
    container_options: Mapping[str, str] = MappingProxyType({})
    codec_options: Mapping[str, str] = MappingProxyType({})
    sample_rates: tuple[int, ...] = ()
    """The rates that the codec supports, in Hz, ascending; empty means all."""


ENCODINGS: dict[str, Encoding] = {
    # PyAV's lame takes twice as long as ffmpeg's for the same sound, so it gets a faster level than the default.
    "mp3": Encoding(
        "mp3",
        "libmp3lame",
        codec_options={"compression_level": "7"},
        sample_rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    # The length of a stream is unknown at its start, so the header says 0xFFFFFFFF, as ffmpeg's does on a pipe.
    "wav": Encoding("wav", "pcm_s16le"),
    "flac": Encoding("flac", "flac"),
    # By default, an ogg page holds back a second of sound. The duration is in microseconds.
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
    """Encode audio piece by piece. The flag of a piece is true if it is known to be the last one.

    Each piece gives one part; an encoder that holds data back gives one more.

    Args:
        pieces: mono audio, all at the same sample rate.
        audio_format: the API's name; opus comes in ogg, aac in ADTS, pcm is 16-bit little-endian.
        sample_rate: of the result in Hz, by default that of the audio. If the codec does not support it, the result
            has the next higher supported rate.

    Raises:
        ValueError: the sample rate of the audio changes.
        Exception: every exception of the generator.
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
    """A complete file, whose header states the length."""
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
                # N.B. The codec's context converts to its own rate, sample format and frame size.
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
    """A file without `seek`, so that libav never goes back to complete a header."""

    def __init__(self) -> None:
        self.encoded = bytearray()

    def write(self, data: bytes) -> int:
        self.encoded += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self.encoded)
        self.encoded.clear()
        return taken
