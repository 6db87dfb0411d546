"""All executors of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speaches.executors.kokoro import KokoroModelManager, KokoroModelRegistry, kokoro_model_registry
from speaches.executors.piper import PiperModelManager, PiperModelRegistry, piper_model_registry
from speaches.executors.shared.executor import Executor
from speaches.executors.silero_vad_v5 import SileroVADModelManager, SileroVADModelRegistry, silero_vad_model_registry
from speaches.executors.wespeaker_speaker_embedding import (
    WespeakerSpeakerEmbeddingModelManager,
    WespeakerSpeakerEmbeddingModelRegistry,
    wespeaker_speaker_embedding_model_registry,
)
from speaches.executors.whisper import WhisperModelManager, WhisperModelRegistry, whisper_model_registry

if TYPE_CHECKING:
    from speaches.config import Config


class ExecutorRegistry:
    def __init__(self, config: Config) -> None:
        self._whisper_executor = Executor[WhisperModelManager, WhisperModelRegistry](
            name="whisper",
            model_manager=WhisperModelManager(config.stt_model_ttl, config.whisper, config.unstable_ort_opts),
            model_registry=whisper_model_registry,
            task="automatic-speech-recognition",
        )
        self._piper_executor = Executor[PiperModelManager, PiperModelRegistry](
            name="piper",
            model_manager=PiperModelManager(config.tts_model_ttl, config.unstable_ort_opts),
            model_registry=piper_model_registry,
            task="text-to-speech",
        )
        self._kokoro_executor = Executor[KokoroModelManager, KokoroModelRegistry](
            name="kokoro",
            model_manager=KokoroModelManager(config.tts_model_ttl, config.unstable_ort_opts),
            model_registry=kokoro_model_registry,
            task="text-to-speech",
        )
        self._wespeaker_speaker_embedding_executor = Executor[
            WespeakerSpeakerEmbeddingModelManager, WespeakerSpeakerEmbeddingModelRegistry
        ](
            name="wespeaker-speaker-embedding",
            model_manager=WespeakerSpeakerEmbeddingModelManager(0),
            model_registry=wespeaker_speaker_embedding_model_registry,
            task="speaker-embedding",
        )
        self._vad_executor = Executor[SileroVADModelManager, SileroVADModelRegistry](
            name="vad",
            model_manager=SileroVADModelManager(config.vad_model_ttl, config.unstable_ort_opts),
            model_registry=silero_vad_model_registry,
            task="voice-activity-detection",
        )

    @property
    def transcription(self) -> tuple[Executor[WhisperModelManager, WhisperModelRegistry], ...]:
        return (self._whisper_executor,)

    @property
    def text_to_speech(self) -> tuple[Executor, ...]:
        return (self._piper_executor, self._kokoro_executor)

    @property
    def speaker_embedding(
        self,
    ) -> tuple[Executor[WespeakerSpeakerEmbeddingModelManager, WespeakerSpeakerEmbeddingModelRegistry], ...]:
        return (self._wespeaker_speaker_embedding_executor,)

    @property
    def diarization(self) -> tuple[Executor, ...]:
        return ()  # the sample has no model for it

    @property
    def vad(self) -> Executor[SileroVADModelManager, SileroVADModelRegistry]:
        return self._vad_executor

    def download_model_by_id(self, model_id: str) -> bool:
        """Whether a model was downloaded. N.B. asks the hub also for what is there, as upstream's does.

        The service manager fetches where there is `huggingface_hub`, and asks here where there is none.
        """
        raise ConnectionError(f"the sample has no hub to fetch `{model_id}` from")

    def all_executors(self) -> tuple[Executor, ...]:
        return (*self.transcription, *self.text_to_speech, *self.speaker_embedding, self.vad)
