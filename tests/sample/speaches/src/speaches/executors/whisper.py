"""Speech-to-text, where upstream runs Whisper: recognises the tones of the sample's text-to-speech and nothing else."""

import asyncio
import logging
from pathlib import Path
from typing import NamedTuple, override

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from pydantic import BaseModel

from speaches.api_types import Model, Transcription, TranscriptionSegment, TranscriptionVerbose
from speaches.config import OrtOptions
from speaches.executors.shared.base_model_manager import BaseModelManager, get_ort_providers_with_options
from speaches.executors.shared.handler_protocol import NonStreamingTranscriptionResponse, TranscriptionRequest
from speaches.executors.tones import FRAME, HOP, find_utterances
from speaches.hf_utils import HfModelFilter, find_model_file
from speaches.model_registry import ModelRegistry
from speaches.tracing import traced

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16000
TASK_NAME_TAG = "automatic-speech-recognition"
# Frames analysed at a time: 30 seconds.
WINDOW = 30 * SAMPLE_RATE // HOP


class WhisperModelFiles(BaseModel):
    model: Path


class WhisperModelRegistry(ModelRegistry[Model, WhisperModelFiles]):
    @override
    def get_model(self, model_id: str, created: int, language: list[str]) -> Model:
        return Model(
            id=model_id,
            created=created,
            owned_by=model_id.partition("/")[0],
            language=language,
            task=TASK_NAME_TAG,
        )

    @override
    def get_model_files(self, model_id: str) -> WhisperModelFiles:
        return WhisperModelFiles(model=find_model_file(model_id, "model.onnx"))


hf_model_filter = HfModelFilter(library_name="onnx", task=TASK_NAME_TAG, tags={"speaches", "sample"})
whisper_model_registry = WhisperModelRegistry(hf_model_filter)


class TranscriptionInformation(NamedTuple):
    """What holds for all of the audio; `duration` is in seconds."""

    language: str
    duration: float


async def _analyse(
    session: InferenceSession, samples: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each frame's shares of the tones and its energy, over windows that are analysed side by side."""
    # A frame of silence on both sides, so that the first and the last chord stand in the middle of a frame as well.
    padded = np.pad(samples, FRAME)
    overlap = FRAME - HOP
    starts = range(0, len(padded) - overlap, WINDOW * HOP)
    windows = [padded[None, start : start + WINDOW * HOP + overlap] for start in starts]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(asyncio.to_thread(session.run, ["tones", "energy"], {"audio": window}))
            for window in windows
            if window.shape[1] >= FRAME
        ]
    tones, energies = zip(*(task.result() for task in tasks), strict=True)
    return np.concatenate(tones), np.concatenate(energies)


class WhisperModelManager(BaseModelManager[InferenceSession]):
    def __init__(self, ttl: int, ort_opts: OrtOptions) -> None:
        super().__init__(ttl)
        self.ort_opts = ort_opts

    @override
    def _load_fn(self, model_id: str) -> InferenceSession:
        files = whisper_model_registry.get_model_files(model_id)
        return InferenceSession(files.model, providers=get_ort_providers_with_options(self.ort_opts))

    @traced()
    def handle_transcription_request(
        self, request: TranscriptionRequest, **_kwargs: object
    ) -> NonStreamingTranscriptionResponse:
        """Recognise the texts in the audio, which must be at 16 kHz. Audio without the sample's tones gives no text."""
        with self.load_model(request.model) as session:
            tones, energy = asyncio.run(_analyse(session, request.audio.data))
        utterances = list(find_utterances(tones, energy))
        if not utterances:
            logger.warning(
                f"Nothing recognised in {request.audio.duration:.1f} s of audio: "
                "this is the sample, which recognises only the tones of its own /v1/audio/speech."
            )
        segments = [
            TranscriptionSegment(id=number, start=utterance.start, end=utterance.end, text=utterance.text)
            for number, utterance in enumerate(utterances)
        ]
        information = TranscriptionInformation(request.language or "und", request.audio.duration)
        return segments_to_transcription_response(segments, information, request.response_format)


def segments_to_transcription_response(
    segments: list[TranscriptionSegment], information: TranscriptionInformation, response_format: str
) -> NonStreamingTranscriptionResponse:
    text = " ".join(segment.text.strip() for segment in segments)
    match response_format:
        case "text":
            return text, "text/plain"
        case "verbose_json":
            shown = [
                TranscriptionSegment(id=segment.id, start=segment.start, end=segment.end, text=segment.text)
                for segment in segments
            ]
            return TranscriptionVerbose(
                text=text, language=information.language, duration=information.duration, segments=shown
            )
        case _:
            return Transcription(text=text)
