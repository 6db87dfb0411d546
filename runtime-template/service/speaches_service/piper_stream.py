"""Computes Piper's speech piece by piece. Piper itself computes whole sentences, however long they are."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from speaches_service import concurrency_limit, speech_text
from speaches_service.rebinding import imported

_MODULE = "piper.voice"
_PHONEMES = "[["
"""Begins phonemes in a text for Piper. A text with phonemes is not split."""
_ELLIPSIS = re.compile(r"""(?<=\w)(?:\.{3,}|…+)(?=(\w?)["'\u201d\u2019»)\]]*\s*(\w?))""")
"""Piper does not pause at an ellipsis."""


def rebind() -> None:
    """Make Piper's synthesis split the text, and respect the concurrency limit."""
    module = imported(_MODULE)
    if module is None:
        return
    synthesize = module.PiperVoice.synthesize
    module.PiperVoice.synthesize = lambda voice, text, options=None: _synthesize(synthesize, voice, text, options)


def _synthesize(synthesize: Callable[..., Iterator[Any]], voice: Any, text: str, options: Any) -> Iterator[Any]:
    progress, limit = concurrency_limit.current_progress(), concurrency_limit.limit_of(voice.session)
    text = text.translate(speech_text.UNSPOKEN_CHARACTERS)
    pieces = [text] if _PHONEMES in text else [piece.text for piece in speech_text.split_text(with_pauses(text))]
    pieces = [piece for piece in pieces if speech_text.is_pronounceable(piece)]
    for number, piece in enumerate(pieces, start=1):
        try:
            with limit.slot(progress, speech_text.weight(piece)):
                chunks = list(synthesize(voice, piece, options))
        except concurrency_limit.Cancelled:
            return
        for index, chunk in enumerate(chunks, start=1):
            progress.is_complete = number == len(pieces) and index == len(chunks)
            yield chunk


def with_pauses(text: str) -> str:
    """Replace each ellipsis with a mark at which Piper pauses: a comma inside a sentence, else a full stop."""

    def mark(ellipsis: "re.Match[str]") -> str:
        joined, following = ellipsis.groups()
        if joined.isdigit():
            return ellipsis.group()
        return ("," if (joined or following).islower() else ".") + (" " if joined else "")

    return _ELLIPSIS.sub(mark, text)
