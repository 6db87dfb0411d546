"""Sound in which upstream's detector finds no speech: an empty text.

Whisper makes up words for silence and noise of less than half a minute, and faster_whisper raises for more.
"""

from dataclasses import replace
from typing import Any

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name

_MODULE = "speaches.executors.whisper"
_NAME = "BatchedInferencePipeline"
_SAMPLE_RATE = 16000
"""Of what Whisper hears, in samples per second."""


def rebind() -> None:
    """Replace the class with one that knows silence."""
    module = imported(_MODULE)
    if module is None or not hasattr(module, _NAME):
        return

    class Pipeline(getattr(module, _NAME)):  # type: ignore[misc] # it is known at run time only
        """faster_whisper's pipeline for audio of which the speech was found before."""

        def transcribe(self, audio: Any, *arguments: Any, **options: Any) -> Any:
            """Segments and information, as faster_whisper returns them."""
            has_no_speech = "clip_timestamps" in options and not options["clip_timestamps"]
            if not has_no_speech or options.get("vad_filter", True):
                return super().transcribe(audio, *arguments, **options)
            # Of a moment of it, for the information. Nothing tells the language, and finding one takes a while.
            options["language"] = options.get("language") or "en"
            _, information = super().transcribe(audio[:_SAMPLE_RATE], *arguments, **options)
            return iter(()), replace(information, duration=len(audio) / _SAMPLE_RATE, duration_after_vad=0.0)

    rebind_name(_MODULE, _NAME, Pipeline)
