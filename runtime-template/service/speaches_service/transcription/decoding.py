"""Sound out of uploaded files, as far as it can be decoded.

Upstream's decoder stops at the first damaged frame without a word, and what is no sound at all ends in status 500. Here
the rest is decoded too, the log and `verbose_json` say what is missing, and a file that cannot be used is the client's
error, with the reason.
"""

import gc
import importlib
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

import numpy as np
from fastapi import FastAPI, Form, HTTPException, UploadFile
from numpy.typing import NDArray

from speaches_service.transcription import SAMPLE_RATE

_MODULE = "speaches.dependencies"
_MIN_SAMPLES = SAMPLE_RATE // 100
"""Samples of the shortest sound that may hold a part of a word: 10 ms."""
_RAW_TYPES = ("audio/pcm", "audio/raw")
"""Types of samples without a header: 16 bits, little-endian, one channel, 16 kHz."""
_KNOWN_DURATION = ("wav", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "ogg", "aiff")
"""Formats whose header says how long the sound is. Of others ffmpeg guesses it."""
_DURATION_TOLERANCE = 1.0
"""Seconds by which the header and the sound may differ."""

_MIN_MIX_ENERGY = 0.002
"""The energy of a mix, as a share of that of its sides, below which they cancel each other. Equal sides have 0.5."""

_logger = logging.getLogger(__name__)
_current = threading.local()


class Decoded(NamedTuple):
    """Samples between -1 and 1 at 16 kHz, and what was wrong with their file, for people."""

    samples: NDArray[np.float32]
    warnings: list[str]


def install(application: FastAPI) -> None:
    """Let the application's routes take uploaded sound from here."""
    dependencies = importlib.import_module(_MODULE)
    audio = dependencies.Audio

    def audio_file(file: Annotated[UploadFile, Form()]) -> Any:
        decoded = read(file)
        name = Path(file.filename).stem if file.filename else None
        made = audio(decoded.samples, SAMPLE_RATE, name)
        made.warnings = decoded.warnings
        return made

    application.dependency_overrides[dependencies.audio_file_dependency] = audio_file


def set_current(audio: Any, task: str = "transcribe") -> None:
    """The sound that this thread answers for from now on, and what is done with it."""
    _current.warnings = getattr(audio, "warnings", [])
    _current.task = task


def task() -> str:
    """`transcribe` or `translate`."""
    found: str = getattr(_current, "task", "transcribe")
    return found


def warnings() -> list[str]:
    """What was wrong with it."""
    found: list[str] = getattr(_current, "warnings", [])
    return found


def read(file: UploadFile) -> Decoded:
    """The sound of an uploaded file.

    Raises:
        HTTPException: 415 when it cannot be decoded, 422 when there is nothing in it.
    """
    if (file.content_type or "").partition(";")[0].strip().lower() in _RAW_TYPES and ";" not in (
        file.content_type or ""
    ):
        content = file.file.read()
        whole = len(content) // 2 * 2
        samples: NDArray[np.int16] = np.frombuffer(content[:whole], "<i2")
        warnings = [] if whole == len(content) else ["the last byte is half a sample and was ignored"]
        decoded = Decoded(_scaled(samples), warnings)
    else:
        decoded = decode(file.file)
    if len(decoded.samples) < _MIN_SAMPLES:
        milliseconds = len(decoded.samples) / SAMPLE_RATE * 1000
        raise HTTPException(422, f"`{file.filename}` has only {milliseconds:.1f} ms of sound; 10 ms are the minimum")
    for warning in decoded.warnings:
        _logger.warning("`%s`: %s", file.filename, warning)
    return decoded


def decode(file: IO[bytes]) -> Decoded:
    """The default sound of a file of any format that ffmpeg knows, else its first one, in one channel.

    Raises:
        HTTPException: 415, with the reason.
    """
    import av
    from av.error import FFmpegError

    try:
        with av.open(file, mode="r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise HTTPException(415, "the file contains no sound")
            decoded = _decode(container, _chosen(container.streams.audio))
    except (FFmpegError, EOFError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise HTTPException(415, f"the file cannot be decoded: {reason}") from error
    finally:
        # N.B. resamplers are in circles of references that only a collection finds.
        gc.collect()
    return decoded


def _chosen(streams: Sequence[Any]) -> Any:
    """The track that players choose, of those that can be decoded.

    Raises:
        HTTPException: 415 where none can.
    """
    from av.stream import Disposition

    # N.B. PyAV ends the process when it decodes a track without a decoder.
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise HTTPException(415, "the file cannot be decoded: this server has no decoder for its codec")
    return next((stream for stream in decodable if stream.disposition & Disposition.default), decodable[0])


def _resampler(frame: Any) -> Any:
    import av

    # Both sides of stereo are mixed here.
    layout = "stereo" if frame.layout.nb_channels == 2 else "mono"
    return av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)


def mono(sides: NDArray[np.int16]) -> NDArray[np.int16]:
    """One channel of a row of samples, or of pairs where the sound is stereo; the left one where both cancel out."""
    pairs = sides.reshape(-1, 2).astype(np.int32)
    mixed: NDArray[np.int32] = pairs.sum(axis=1) // 2
    energy = np.square(pairs, dtype=np.float64).sum()
    if np.square(mixed, dtype=np.float64).sum() < energy * _MIN_MIX_ENERGY:
        mixed = pairs[:, 0]
    return mixed.astype(np.int16)


def _decode(container: Any, stream: Any) -> Decoded:
    resampler: Any = None
    pieces: list[NDArray[np.int16]] = []
    damaged: list[float] = []

    def seconds() -> float:
        return sum(len(piece) for piece in pieces) / SAMPLE_RATE

    def keep(parts: Sequence[Any]) -> None:
        for part in parts:
            samples = part.to_ndarray()[0]
            pieces.append(mono(samples) if part.layout.nb_channels == 2 else samples)

    for frame in _frames(container, stream):
        if frame is None:
            damaged.append(seconds())
            continue
        # Times of a file that was recorded live, or cut, are no help.
        frame.pts = None
        if resampler is None:
            resampler = _resampler(frame)
        try:
            resampled = resampler.resample(frame)
        except ValueError:
            # Another rate or layout in the middle.
            keep(resampler.resample(None))
            resampler = _resampler(frame)
            resampled = resampler.resample(frame)
        keep(resampled)
    if resampler is not None:
        keep(resampler.resample(None))
    if not pieces and damaged:
        raise HTTPException(415, "the file cannot be decoded: it contains no valid sound")
    warnings = [f"the file is damaged at {damaged[0]:.1f} s; sound is missing there"] if damaged else []
    declared = container.duration / 1_000_000 if container.duration else 0.0
    if container.format.name in _KNOWN_DURATION and declared - seconds() > _DURATION_TOLERANCE:
        warnings.append(f"the file ends after {seconds():.1f} s instead of {declared:.1f} s")
    return Decoded(_scaled(np.concatenate([np.zeros(0, np.int16), *pieces])), warnings)


def _scaled(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) * np.float32(2**-15)


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of a stream, and None for each packet that cannot be decoded."""
    from av.error import EOFError as EndOfFile
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, EndOfFile):
            return
        except FFmpegError:
            # The container itself is damaged, so that the rest cannot be found.
            yield None
            return
        try:
            frames = packet.decode()
        except EndOfFile:
            return
        except FFmpegError:
            yield None
            continue
        yield from frames
