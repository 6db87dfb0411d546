"""Chooses faster-whisper's device, GPU or CPU, and its number format.

On the CPU it computes in int8 unless the user chooses another format. int8 takes 0.70 of float32's CPU time for Whisper
base and 0.63 for tiny.en, without more wrong words (docs/transcription.md). The driver may offer a GPU that CTranslate2
cannot use: too old, out of memory, or used exclusively by another program. Then the CPU replaces it.
"""

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from speaches_service import fallback
from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.settings import Settings

_MODULE = "speaches.executors.whisper"
_NAME = "WhisperModel"
_VARIABLE = "WHISPER__COMPUTE_TYPE"
_ON_CPU = "int8"


def rebind(
    settings: Settings,
    on_use: Callable[[str, str, str, str | None], None],
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Replace upstream's loading of faster_whisper's models."""
    transcription = settings.transcription
    module = imported(_MODULE)
    # The sample that recognizes only its own tones lacks that package.
    if module is None or find_spec("faster_whisper") is None:
        return
    # In any case of letters, and unset if it is empty, as upstream reads it.
    is_chosen = any(value for name, value in environment.items() if name.upper() == _VARIABLE)

    def on_cpu(model: str, compute_type: str, options: dict[str, Any]) -> Any:
        loaded = original(model, device="cpu", compute_type=compute_type if is_chosen else _ON_CPU, **options)
        on_use(model, "faster-whisper", "cpu", loaded.model.compute_type)
        return loaded

    def load(model: str, *, device: str, compute_type: str, **options: Any) -> Any:
        if transcription.device != "cuda":
            return on_cpu(model, compute_type, options)
        try:
            loaded = original(model, device=device, compute_type=compute_type, **options)
        except (ValueError, RuntimeError) as error:  # CTranslate2's errors derive from either
            if transcription.forced:
                fallback.refuse(model, device, error)
            fallback.fall_back(model, device, error)
        else:
            on_use(model, transcription.backend, device, loaded.model.compute_type)
            return loaded
        # The CPU may not support the GPU's number format, such as float16.
        return on_cpu(model, "default", {**options, "device_index": 0})

    original: Any = rebind_name(_MODULE, _NAME, load)
