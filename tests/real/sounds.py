"""Sound as the servers send it: PCM of 16 bits, one channel, 24 000 samples a second from Kokoro."""

import array
import io
import math
import struct
import sys
import wave
from dataclasses import dataclass

RATE = 24_000  # samples a second


def seconds(pcm: bytes, rate: int = RATE) -> float:
    """How long it sounds."""
    return len(pcm) / 2 / rate


def wav(pcm: bytes, rate: int = RATE) -> bytes:
    """A file whose header states its length."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return written.getvalue()


def loudness(pcm: bytes) -> float:
    """The root of the mean square, where 1 is full scale."""
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples))) / 32768


@dataclass(frozen=True)
class Header:
    """What the head of a wav says, in bytes."""

    riff: int
    data: int
    start: int
    rate: int


def header(body: bytes) -> Header | None:
    """The head of a wav, or nothing if it is none."""
    if body[:4] != b"RIFF" or body[8:12] != b"WAVE":
        return None
    position, rate = 12, 0
    while position + 8 <= len(body):
        name, size = body[position : position + 4], struct.unpack_from("<I", body, position + 4)[0]
        if name == b"fmt ":
            rate = struct.unpack_from("<I", body, position + 12)[0]
        if name == b"data":
            return Header(struct.unpack_from("<I", body, 4)[0], size, position + 8, rate)
        position += 8 + size + size % 2
    return None


def dry(arrivals: list[tuple[float, int]], rate: int = RATE) -> float:
    """Seconds for which a player is silent that starts with the first byte and plays on as PCM comes."""
    silent = 0.0
    if not arrivals:
        return silent
    played_until = arrivals[0][0]
    for at, size in arrivals:
        if at > played_until:
            silent += at - played_until
            played_until = at
        played_until += size / 2 / rate
    return silent
