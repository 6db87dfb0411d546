"""Audio in memory, and its way to the formats clients ask for."""

from collections.abc import Generator
import subprocess
import threading
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

FFMPEG_OUTPUT = {
    "mp3": ["-f", "mp3"],
    "wav": ["-f", "wav"],
    "flac": ["-f", "flac"],
    "opus": ["-f", "opus"],
    "aac": ["-f", "adts"],
}


class Audio:
    """One channel of samples between -1 and 1."""

    def __init__(self, data: NDArray[np.float32], sample_rate: int, name: str | None = None) -> None:
        self.data = data
        self.sample_rate = sample_rate
        self.name = name

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.data) / self.sample_rate

    def as_bytes(self) -> bytes:
        """Return the samples as 16-bit integers."""
        return (np.clip(self.data, -1, 1) * 32767).astype(np.int16).tobytes()

    def resample(self, target_sample_rate: int) -> Self:
        """Change the sample rate in place, by linear interpolation."""
        if target_sample_rate != self.sample_rate:
            length = int(len(self.data) * target_sample_rate / self.sample_rate)
            positions = np.arange(length) * (self.sample_rate / target_sample_rate)
            self.data = np.interp(positions, np.arange(len(self.data)), self.data).astype(np.float32)
            self.sample_rate = target_sample_rate
        return self


def stream_audio_as_formatted_bytes(
    audio_generator: Generator[Audio],
    audio_format: Literal["aac", "pcm", "opus", "mp3", "flac", "wav"],
    sample_rate: int | None = None,
) -> Generator[bytes]:
    """Encode audio while it is made.

    All but `pcm` takes an `ffmpeg` process, as it does upstream: the service manager of a runtime replaces this function.
    """
    if audio_format == "pcm":
        for audio in audio_generator:
            yield (audio.resample(sample_rate) if sample_rate else audio).as_bytes()
        return
    first = next(audio_generator, None)
    if first is None:
        return
    source = ["-f", "s16le", "-ar", str(first.sample_rate), "-ac", "1", "-i", "pipe:0"]
    target = ["-ar", str(sample_rate or first.sample_rate), *FFMPEG_OUTPUT[audio_format], "pipe:1"]
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", *source, *target]
    failures: list[Exception] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def feed() -> None:
            # A thread of its own: ffmpeg stops reading when nobody takes what it writes.
            try:
                with stdin:
                    stdin.write(first.as_bytes())
                    for audio in audio_generator:
                        stdin.write(audio.as_bytes())
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            while chunk := stdout.read(4096):
                yield chunk
        except BaseException:
            process.kill()
            raise
        feeder.join()
    if failures:
        raise failures[0]
    if process.returncode != 0:
        raise RuntimeError(f"ffmpeg ended with {process.returncode}")
