"""Recognises the tones of the sample's text-to-speech and nothing else, in the shape of faster-whisper's model."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from speaches.executors.tones import FRAME, HOP, find_utterances

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16000
# Frames analysed at a time: 30 seconds.
WINDOW = 30 * SAMPLE_RATE // HOP


@dataclass
class ToneSegment:
    """A text that was heard; `start` and `end` are seconds."""

    id: int
    start: float
    end: float
    text: str
    # Tones have letters, but no words.
    words: None = None


class ToneInformation(NamedTuple):
    """What holds for all of the audio; `duration` is in seconds."""

    language: str
    duration: float


class ToneListener:
    """The loaded model."""

    def __init__(self, session: InferenceSession) -> None:
        self.session = session

    def transcribe(
        self, audio: NDArray[np.float32], *, language: str | None = None, **_options: object
    ) -> tuple[Iterator[ToneSegment], ToneInformation]:
        """Find the texts in samples at 16 kHz. Audio without the sample's tones has none."""
        information = ToneInformation(language or "und", len(audio) / SAMPLE_RATE)
        tones, energy = asyncio.run(self._analyse(audio))
        utterances = list(find_utterances(tones, energy))
        if not utterances:
            logger.warning(
                f"Nothing recognised in {information.duration:.1f} s of audio: "
                "this model of the sample recognises only the tones of the sample's own /v1/audio/speech."
            )
        segments = (
            ToneSegment(id=number, start=utterance.start, end=utterance.end, text=utterance.text)
            for number, utterance in enumerate(utterances)
        )
        return segments, information

    async def _analyse(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return each frame's shares of the tones and its energy, over windows that are analysed side by side."""
        # A frame of silence on both sides, so that the first and the last chord stand in the middle of a frame as well.
        padded = np.pad(samples, FRAME)
        overlap = FRAME - HOP
        starts = range(0, len(padded) - overlap, WINDOW * HOP)
        windows = [padded[None, start : start + WINDOW * HOP + overlap] for start in starts]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(asyncio.to_thread(self.session.run, ["tones", "energy"], {"audio": window}))
                for window in windows
                if window.shape[1] >= FRAME
            ]
        tones, energies = zip(*(task.result() for task in tasks), strict=True)
        return np.concatenate(tones), np.concatenate(energies)
