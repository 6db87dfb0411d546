"""Kokoro piece by piece in the thread that asks for the next piece.

kokoro_onnx has an asynchronous stream, for which upstream makes an event loop for each request and kokoro_onnx a thread
inside it. When a computation fails there, the stream never ends and its thread waits for ever; when a client goes away,
what was begun goes on. A plain generator has none of this, and its errors reach whoever asked.
"""

from collections.abc import Iterator
from typing import Any

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name

_LIBRARY = "kokoro_onnx"
_EXECUTOR = "speaches.executors.kokoro"


def rebind() -> None:
    """Replace Kokoro's stream by the generator, and upstream's way to wait for it by nothing."""
    library = imported(_LIBRARY)
    if library is None:
        return
    if not hasattr(library.Kokoro, "create_stream"):
        raise AttributeError(f"`{_LIBRARY}.Kokoro` has no `create_stream`")
    library.Kokoro.create_stream = create_pieces
    rebind_name(_EXECUTOR, "async_to_sync_generator", iter)


def create_pieces(
    kokoro: Any,
    text: str,
    voice: Any,
    speed: float = 1.0,
    lang: str = "en-us",
    is_phonemes: bool = False,
    trim: bool = True,
) -> Iterator[Any]:
    """Samples and their rate in Hz for each part of the text that the model can hold, from arguments as of `create`."""
    phonemes = text if is_phonemes else kokoro.tokenizer.phonemize(text, lang)
    for part in kokoro._split_phonemes(phonemes):  # noqa: SLF001 - the stream that this replaces is made with it
        yield kokoro.create(part, voice, speed, lang, is_phonemes=True, trim=trim)
