"""The alphabet of tones: text to bytes, and frames of recognised tones back to text. `make_models.py` describes it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from unicodedata import category

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

STX = 0x02
ETX = 0x03

# Samples of a frame and from one frame to the next, at 16 kHz.
FRAME = 400
HOP = 80

CLOCK = slice(0, 3)
LOW = slice(3, 19)
HIGH = slice(19, 35)

# Where two chords meet each has a quarter of the energy left, and an encoder at a low bit rate takes half of that.
MIN_SHARE_OF_CHORD = 0.4
MIN_SHARE_OF_TONE = 0.02
# Encoders let a chord ring into the silence around it, 20 dB below.
MIN_LEVEL = 0.1
# Fewer frames in a row are the passage from one chord to the next: at double speed a chord has seven.
MIN_FRAMES = 3
# A chord that pauses for less was interrupted, not repeated.
MAX_GAP = 5


@dataclass
class Chord:
    """One byte as it was heard; `start` and `end` are frames."""

    clock: int
    byte: int
    start: int
    end: int


@dataclass
class Utterance:
    """A text as it was heard; `start` and `end` are seconds."""

    text: str
    start: float
    end: float


def spell(text: str) -> bytes:
    """Return the bytes to play for a text. Control characters are left out, since two of them frame a text."""
    spoken = "".join(character for character in text if character in "\t\n" or category(character) not in ("Cc", "Cs"))
    return bytes([STX]) + spoken.encode() + bytes([ETX])


def find_utterances(tones: NDArray[np.float32], energy: NDArray[np.float32]) -> Iterator[Utterance]:
    """Read the texts that were played, each between STX and ETX; whatever else there is to hear is no text."""
    start: int | None = None
    clock = 0
    spelled = bytearray()
    for chord in _chords(tones, energy):
        if chord.byte == STX:
            start, clock = chord.start, chord.clock
            spelled.clear()
        elif start is not None:
            # The clock turns by one with every byte: where it turned by more, a byte was lost, and the text shows it.
            spelled += "\ufffd".encode() * ((chord.clock - clock - 1) % 3)
            clock = chord.clock
            if chord.byte == ETX:
                yield Utterance(spelled.decode(errors="replace"), _seconds(start), _seconds(chord.end))
                start = None
            else:
                spelled.append(chord.byte)


def _seconds(frame: int) -> float:
    """Return the time in the middle of a frame; the first frame ends where the audio begins."""
    return round((frame * HOP - FRAME / 2) / 16000, 3)


def _chords(tones: NDArray[np.float32], energy: NDArray[np.float32]) -> Iterable[Chord]:
    """Find runs of frames with one clock tone, and read each run's byte from the sum of its frames."""
    strongest = np.stack([tones[:, band].max(axis=1) for band in (CLOCK, LOW, HIGH)])
    sounds = (strongest.sum(axis=0) > MIN_SHARE_OF_CHORD) & (strongest.min(axis=0) > MIN_SHARE_OF_TONE)
    if not sounds.any():
        return []
    sounds &= energy > MIN_LEVEL**2 * np.quantile(energy[sounds], 0.9)
    clocks = np.where(sounds, tones[:, CLOCK].argmax(axis=1), -1)
    edges = [0, *(np.flatnonzero(np.diff(clocks)) + 1).tolist(), len(clocks)]
    chords: list[Chord] = []
    for start, end in pairwise(edges):
        clock = int(clocks[start])
        if clock < 0 or end - start < MIN_FRAMES:
            continue
        if chords and chords[-1].clock == clock and start - chords[-1].end <= MAX_GAP:
            start = chords.pop().start  # noqa: PLW2901
        heard = tones[start:end].sum(axis=0)
        chords.append(Chord(clock, int(heard[LOW].argmax() << 4 | heard[HIGH].argmax()), start, end))
    return chords
