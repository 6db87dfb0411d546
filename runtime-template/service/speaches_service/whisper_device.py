"""Whisper on a GPU of NVIDIA's, or on the CPU when the GPU fails at loading.

The driver may offer a GPU that CTranslate2 cannot use: too old, out of memory, in use by somebody else alone.
"""

from collections.abc import Callable
from typing import Any

from speaches_service import fallback
from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.settings import Settings

_MODULE = "speaches.executors.whisper"
_NAME = "WhisperModel"


def rebind(settings: Settings, on_use: Callable[[str, str, str], None]) -> None:
    """Replace faster_whisper's model where upstream loads it, if it is to load on a GPU.

    Raises:
        AttributeError: upstream loads it elsewhere, so this is not the version that this was written for.
    """
    transcription = settings.transcription
    module = imported(_MODULE)
    # The sample transcribes with onnxruntime.
    if transcription.device != "cuda" or module is None or (settings.sample and not hasattr(module, _NAME)):
        return

    def load(model: str, *, device: str, compute_type: str, **options: Any) -> Any:
        try:
            loaded = original(model, device=device, compute_type=compute_type, **options)
        except (ValueError, RuntimeError) as error:  # CTranslate2's errors are of both kinds
            if transcription.forced:
                fallback.refuse(model, device, error)
            fallback.fall_back(model, device, error)
        else:
            on_use(model, transcription.backend, device)
            return loaded
        # What it was to compute with there, such as float16, is not possible here.
        loaded = original(model, device="cpu", compute_type="default", **{**options, "device_index": 0})
        on_use(model, transcription.backend, "cpu")
        return loaded

    original: Any = rebind_name(_MODULE, _NAME, load)
