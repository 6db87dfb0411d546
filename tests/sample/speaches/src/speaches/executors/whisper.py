"""Speech-to-text: Whisper with faster-whisper, as upstream runs it, and the sample's own model for its tones.

Without the package `faster_whisper` no model is one of Whisper's.
"""

from collections.abc import Sequence
import logging
from pathlib import Path
import time
from typing import Any, override

from onnxruntime import InferenceSession
from pydantic import BaseModel

from speaches import installed
from speaches.api_types import Model, Transcription, TranscriptionSegment, TranscriptionVerbose, TranscriptionWord
from speaches.config import OrtOptions, WhisperConfig
from speaches.executors.shared.base_model_manager import BaseModelManager, get_ort_providers_with_options
from speaches.executors.shared.handler_protocol import NonStreamingTranscriptionResponse, TranscriptionRequest
from speaches.executors.silero_vad_v5 import merge_segments
from speaches.executors.tone_listener import ToneListener
from speaches.hf_utils import HfModelFilter, ModelCardData, find_model_file, get_cached_model_repo_info
from speaches.model_registry import ModelRegistry
from speaches.text_utils import format_as_srt, format_as_vtt
from speaches.tracing import traced

if installed.FASTER_WHISPER:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

logger = logging.getLogger(__name__)

TASK_NAME_TAG = "automatic-speech-recognition"
# What Whisper tells of a segment beside its text and its time.
DETAILS = ("seek", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob")
# What faster-whisper reads, and the card.
WHISPER_FILES = [
    "config.json",
    "preprocessor_config.json",
    "model.bin",
    "tokenizer.json",
    "vocabulary.*",
    "README.md",
]

tone_model_filter = HfModelFilter(library_name="onnx", task=TASK_NAME_TAG, tags={"speaches", "sample"})


class WhisperModelFilter(HfModelFilter):
    """Takes Whisper's models where faster-whisper is installed, and those for tones everywhere."""

    @override
    def passes_filter(self, model_id: str, model_card_data: ModelCardData) -> bool:
        is_whisper = installed.FASTER_WHISPER and super().passes_filter(model_id, model_card_data)
        return is_whisper or tone_model_filter.passes_filter(model_id, model_card_data)


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
        name = "model.onnx" if is_for_tones(model_id) else "model.bin"
        return WhisperModelFiles(model=find_model_file(model_id, name))

    @override
    def download_model_files(self, model_id: str) -> None:
        import huggingface_hub

        huggingface_hub.snapshot_download(model_id, allow_patterns=WHISPER_FILES)


hf_model_filter = WhisperModelFilter(library_name="ctranslate2", task=TASK_NAME_TAG)
whisper_model_registry = WhisperModelRegistry(hf_model_filter)


def is_for_tones(model_id: str) -> bool:
    """Whether a model of the cache is the sample's own."""
    info = get_cached_model_repo_info(model_id)
    return info is not None and info.card is not None and tone_model_filter.passes_filter(model_id, info.card)


class WhisperModelManager(BaseModelManager["WhisperModel | ToneListener"]):
    def __init__(self, ttl: int, whisper_config: WhisperConfig, ort_opts: OrtOptions) -> None:
        super().__init__(ttl)
        self.whisper_config = whisper_config
        self.ort_opts = ort_opts

    @override
    def _load_fn(self, model_id: str) -> "WhisperModel | ToneListener":
        if is_for_tones(model_id):
            files = whisper_model_registry.get_model_files(model_id)
            providers = get_ort_providers_with_options(self.ort_opts)
            return ToneListener(InferenceSession(files.model, providers=providers))
        return WhisperModel(
            model_id,
            device=self.whisper_config.inference_device,
            device_index=self.whisper_config.device_index,
            compute_type=self.whisper_config.compute_type,
            cpu_threads=self.whisper_config.cpu_threads,
            num_workers=self.whisper_config.num_workers,
        )

    @traced()
    def handle_transcription_request(
        self, request: TranscriptionRequest, **_kwargs: object
    ) -> NonStreamingTranscriptionResponse:
        """Transcribe the audio, which must be at 16 kHz."""
        start = time.perf_counter()
        with self.load_model(request.model) as model:
            # N.B. not whether it is a `WhisperModel`: the service manager has a function under that name.
            listener = model if isinstance(model, ToneListener) else BatchedInferencePipeline(model=model)
            segments, information = listener.transcribe(
                request.audio.data,
                task="transcribe",
                language=request.language,
                initial_prompt=request.prompt,
                word_timestamps="word" in request.timestamp_granularities,
                temperature=request.temperature,
                vad_filter=False,
                clip_timestamps=merge_segments(request.speech_segments, request.vad_options),
                hotwords=request.hotwords,
                without_timestamps=request.without_timestamps,
            )
            # Whisper computes while they are taken.
            found = list(segments)
        logger.info(f"Transcribed {request.audio.duration:.1f} s of audio in {time.perf_counter() - start:.3f} s")
        return segments_to_transcription_response(found, information, request.response_format)


def segments_to_transcription_response(
    segments: Sequence[Any], information: Any, response_format: str
) -> NonStreamingTranscriptionResponse:
    """Answer with segments of faster-whisper, of whisper.cpp or of tones."""
    text = " ".join(segment.text.strip() for segment in segments)
    match response_format:
        case "text":
            return text, "text/plain"
        case "verbose_json":
            words = [
                TranscriptionWord(word=word.word, start=word.start, end=word.end)
                for segment in segments
                for word in segment.words or []
            ]
            return TranscriptionVerbose(
                text=text,
                language=information.language,
                duration=information.duration,
                segments=[_shown(segment) for segment in segments],
                words=words or None,
            )
        case "srt":
            lines = (format_as_srt(each.text, each.start, each.end, number) for number, each in enumerate(segments))
            return "".join(lines), "text/plain"
        case "vtt":
            lines = (format_as_vtt(each.text, each.start, each.end) for each in segments)
            return "WEBVTT\n\n" + "".join(lines), "text/vtt"
        case _:
            return Transcription(text=text)


def _shown(segment: Any) -> TranscriptionSegment:
    details = {name: getattr(segment, name, None) for name in DETAILS}
    return TranscriptionSegment(id=segment.id, start=segment.start, end=segment.end, text=segment.text, **details)
