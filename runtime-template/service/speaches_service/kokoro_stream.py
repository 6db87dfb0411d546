"""Computes Kokoro's speech piece by piece, in the thread that requests the next piece.

kokoro_onnx has an asynchronous stream. For each request, upstream makes an event loop, and kokoro_onnx makes a thread
inside of it. The stream splits phonemes after every 510, so the first sound waits until half a minute of speech is
computed. It fails on text without punctuation, and it never ends after a failed computation. A plain generator of
pieces avoids all of this.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import HTTPException

from speaches_service import concurrency_limit, kokoro_voices, speech_text
from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.speech_text import Boundary

_LIBRARY = "kokoro_onnx"
_EXECUTOR = "speaches.executors.kokoro"

MAX_PHONEMES = 509
"""The model's limit: its voices have a style for each number of phonemes below 510."""

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff々〆]+")
_ESPEAK_NAMES = {"zh": "cmn"}
"""espeak's names for languages of upstream's voices, if they differ."""

PAUSE_SECONDS = {
    Boundary.LINE: 0.5,
    Boundary.SENTENCE: 0.5,
    Boundary.CLAUSE: 0.35,
    Boundary.WORD: 0.08,
    Boundary.ANYWHERE: 0.0,
}
"""The pause after a piece at speed 1, as long as the pauses measured inside of pieces (docs/serving.md)."""
_TRIMMED_SILENCE_SECONDS = 0.1
"""The silence that trimming leaves at the end of a piece and at the beginning of the next one, together."""


def rebind() -> None:
    """Replace Kokoro's stream with the generator, and upstream's adapter for asynchronous streams with `iter`."""
    library = imported(_LIBRARY)
    if library is None:
        return
    for name in ("create_stream", "_create_audio"):
        if not hasattr(library.Kokoro, name):
            raise AttributeError(f"`{_LIBRARY}.Kokoro` has no `{name}`")
    library.Kokoro.create_stream = create_pieces
    rebind_name(_EXECUTOR, "async_to_sync_generator", iter)


def create_pieces(
    kokoro: Any, text: str, voice: str, speed: float = 1.0, lang: str = "en-us"
) -> Iterator[tuple[Any, int]]:
    """The samples of each piece of a text and their rate in Hz; the arguments are those of `Kokoro.create_stream`.

    Raises:
        HTTPException: 422 for Japanese text with kanji.
    """
    from kokoro_onnx.trim import trim  # type: ignore[import-not-found] # only installed in a runtime

    if lang == "ja" and (sign := _HAN.search(text)):
        raise HTTPException(422, f"cannot speak `{sign.group()}`: Kokoro reads Japanese in kana only")
    style = kokoro_voices.style_of(kokoro, voice)
    progress, limit = concurrency_limit.current_progress(), concurrency_limit.limit_of(kokoro)
    cut = _phonemized(kokoro, text, lang)
    following = next(cut, None)
    while following is not None:
        (piece, phonemes), following = following, next(cut, None)
        try:
            with limit.slot(progress, speech_text.weight(piece.text)):
                samples, rate = kokoro._create_audio(phonemes, style, speed)  # noqa: SLF001 - its stream is made with it
        except concurrency_limit.Cancelled:
            return
        _, (begin, end) = trim(samples)
        if following is not None:
            pause = max(0.0, PAUSE_SECONDS[piece.end] - _TRIMMED_SILENCE_SECONDS)
            end += int(pause / speed * rate)
        progress.is_complete = following is None
        yield _slice_with_silence(samples, int(begin), int(end)), rate


def _phonemized(kokoro: Any, text: str, language: str) -> Iterator[tuple[speech_text.Piece, str]]:
    """The pieces of a text that have phonemes, with these. Lazy, because espeak is slow."""
    known: dict[str, str] = {}
    language = _ESPEAK_NAMES.get(language, language)

    def phonemes_of(part: str) -> str:
        if part not in known:
            known.clear()
            known[part] = kokoro.tokenizer.phonemize(part, language)
        return known[part]

    for piece in speech_text.split_text(text, lambda part: len(phonemes_of(part)) <= MAX_PHONEMES):
        # A single character can exceed the limit, if espeak reads the name of a sign in another script.
        phonemes = phonemes_of(piece.text)[:MAX_PHONEMES]
        if any(phoneme.isalpha() for phoneme in phonemes):
            yield piece, phonemes


def _slice_with_silence(samples: Any, begin: int, end: int) -> Any:
    """The samples from begin to end, padded with silence if needed. The model's output ends with a long silence."""
    missing = end - len(samples)
    if missing <= 0:
        return samples[begin:end]
    import numpy as np

    return np.concatenate([samples[begin:], np.zeros(missing, samples.dtype)])
