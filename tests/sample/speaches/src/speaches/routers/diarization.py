"""Who speaks when. The sample has no model for it; what matters here is that it imports torch as upstream does."""

from typing import Annotated

from fastapi import APIRouter, Form
from pyannote.audio.core.pipeline import Pipeline
from pyannote.audio.pipelines.speaker_diarization import DiarizeOutput
from pydantic import BaseModel
import torch

from speaches.dependencies import AudioFileDependency, ExecutorRegistryDependency
from speaches.model_aliases import ModelId
from speaches.routers.utils import find_executor_for_model_or_raise, get_model_card_data_or_raise

router = APIRouter()


class DiarizationSegment(BaseModel):
    start: float
    """Seconds from the start of the audio."""
    end: float
    speaker: str


class DiarizationResponse(BaseModel):
    duration: float
    """Length of the audio in seconds."""
    segments: list[DiarizationSegment]


# N.B. evaluated when the module is imported, so even a placeholder for torch needs a `Tensor`.
def _segments(pipeline: Pipeline, waveform: torch.Tensor, sample_rate: int) -> list[DiarizationSegment]:
    output = pipeline({"waveform": waveform, "sample_rate": sample_rate})
    assert isinstance(output, DiarizeOutput), f"Expected DiarizeOutput, got {type(output)}"
    return [
        DiarizationSegment(start=turn.start, end=turn.end, speaker=str(speaker))
        for turn, _, speaker in output.speaker_diarization.itertracks(yield_label=True)
    ]


@router.post("/v1/audio/diarization")
def diarize_audio(
    executor_registry: ExecutorRegistryDependency,
    audio: AudioFileDependency,
    model: Annotated[ModelId, Form()],
) -> DiarizationResponse:
    card = get_model_card_data_or_raise(model)
    executor = find_executor_for_model_or_raise(model, card, executor_registry.diarization)
    with executor.model_manager.load_model(model) as pipeline:
        waveform = torch.from_numpy(audio.data).unsqueeze(0)
        return DiarizationResponse(duration=audio.duration, segments=_segments(pipeline, waveform, audio.sample_rate))
