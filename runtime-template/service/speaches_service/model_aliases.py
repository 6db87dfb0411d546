"""Maps OpenAI's names for models to the configured default models.

Upstream reads its aliases from a file of the runtime, which names only the bundled models.
"""

from collections.abc import Callable
from typing import Any, cast

from speaches_service.rebinding import rebind as rebind_name
from speaches_service.settings import Settings

_MODULE = "speaches.model_aliases"
_SPEECH = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
_TRANSCRIPTION = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize")


class _Aliases(dict[str, str]):
    """A dictionary that returns the default for unhashable keys: upstream looks up a name before it checks its type."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key, default) if isinstance(key, str) else default


def rebind(settings: Settings) -> None:
    """Add the configured models to the aliases that upstream reads."""
    configured = {
        **dict.fromkeys(_SPEECH, settings.tts_model),
        **dict.fromkeys(_TRANSCRIPTION, settings.stt_model),
    }

    def load() -> dict[str, str]:
        return _Aliases({**read(), **{name: model for name, model in configured.items() if model is not None}})

    read = cast("Callable[[], dict[str, str]]", rebind_name(_MODULE, "load_model_id_aliases", load))
