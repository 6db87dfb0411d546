"""Decodes the sound of uploaded files, as much of it as possible.

Upstream's decoder stops at the first damaged frame without a message, and answers status 500 for files without sound.
This one decodes the rest too, and reports the missing parts in the log and in `verbose_json`. An unusable file is the
client's error, with the reason.
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
"""10 ms: a shorter sound cannot contain a part of a word."""
_RAW_TYPES = ("audio/pcm", "audio/raw")
"""Media types of samples without a header: 16 bits, little-endian, one channel, 16 kHz."""
_KNOWN_DURATION = ("wav", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "ogg", "aiff")
"""Formats whose header states the duration. For other formats, ffmpeg guesses it."""
_DURATION_TOLERANCE = 1.0
"""The maximum difference between the header and the sound, in seconds."""

_MIN_MIX_ENERGY = 0.002
"""The least energy of a mix, as a share of its sides'. Below it, they cancel each other. Equal sides have 0.5."""

_logger = logging.getLogger(__name__)
_current = threading.local()


class Decoded(NamedTuple):
    """Samples between -1 and 1 at 16 kHz, and messages about damage in their file."""

    samples: NDArray[np.float32]
    warnings: list[str]


def install(application: FastAPI) -> None:
    """Replace upstream's decoder in the application's routes."""
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
    """Set the sound and the task of this thread's request."""
    _current.warnings = getattr(audio, "warnings", [])
    _current.task = task


def task() -> str:
    """The task of this thread's request: `transcribe` or `translate`."""
    found: str = getattr(_current, "task", "transcribe")
    return found


def warnings() -> list[str]:
    """Messages about damage in the sound of this thread's request."""
    found: list[str] = getattr(_current, "warnings", [])
    return found


def read(file: UploadFile) -> Decoded:
    """Decode an uploaded file.

    Raises:
        HTTPException: 415 if it cannot be decoded, 422 if its sound is too short.
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
    """Decode the default track of a file, else its first one, into one channel. Supports all formats of ffmpeg.

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
        # N.B. Resamplers are in reference cycles that only a garbage collection finds.
        gc.collect()
    return decoded


def _chosen(streams: Sequence[Any]) -> Any:
    """The track that players choose, among the decodable ones.

    Raises:
        HTTPException: 415 if there is none.
    """
    from av.stream import Disposition

    # N.B. PyAV crashes the process on a track without a decoder.
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise HTTPException(415, "the file cannot be decoded: this server has no decoder for its codec")
    return next((stream for stream in decodable if stream.disposition & Disposition.default), decodable[0])


def _resampler(frame: Any) -> Any:
    import av

    # Stereo stays stereo here, because `mono` mixes its sides.
    layout = "stereo" if frame.layout.nb_channels == 2 else "mono"
    return av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)


def mono(sides: NDArray[np.int16]) -> NDArray[np.int16]:
    """Mix interleaved stereo into one channel. If the sides cancel each other, use the left one."""
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
        # The timestamps of live recordings and of cut files are unreliable.
        frame.pts = None
        if resampler is None:
            resampler = _resampler(frame)
        try:
            resampled = resampler.resample(frame)
        except ValueError:
            # The rate or the layout changes here.
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
            # The container itself is damaged, so the demuxer cannot find the rest.
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
