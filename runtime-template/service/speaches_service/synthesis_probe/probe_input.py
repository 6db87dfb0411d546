"""The input of a measurement: fixed tokens, so that it needs no phonemizer and every provider gets the same work."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 24000
"""Kokoro's, in Hz."""

LENGTHS = {"short": 20, "long": 250}
"""The tokens of a greeting and of a long sentence: providers differ most in their handling of a changed length."""

# "The quick brown fox jumps over the lazy dog, while five boxing wizards jump quickly: is anyone here? Thank you!"
# as kokoro-onnx phonemizes it, in the numbers of Kokoro's vocabulary.
_TOKENS = (
    *(81, 83, 16, 53, 65, 156, 102, 53, 16, 44, 123, 156, 43, 135, 56, 16, 48, 156, 69, 158, 53, 61, 16, 46, 147, 156),
    *(138, 55, 58, 61, 16, 157, 57, 135, 64, 85, 16, 81, 83, 16, 54, 156, 47, 102, 68, 51, 16, 46, 156, 76, 92, 3, 16),
    *(65, 157, 43, 102, 54, 16, 48, 156, 43, 102, 64, 16, 44, 156, 69, 53, 61, 102, 112, 16, 65, 156, 102, 68, 85, 46),
    *(68, 16, 46, 147, 156, 138, 55, 58, 16, 53, 65, 156, 102, 53, 54, 51, 1, 16, 102, 68, 16, 156, 86, 56, 51, 65),
    *(157, 138, 56, 16, 50, 156, 102, 123, 6, 16, 119, 156, 72, 112, 53, 16, 52, 63, 158, 5, 16),
)
_PADDING = 0

_TYPES = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


def tokens_of(length: str) -> list[int]:
    """Kokoro's tokens for one of `LENGTHS`, with the padding that the model requires around them."""
    count = LENGTHS[length]
    repeated = _TOKENS * (count // len(_TOKENS) + 1)
    return [_PADDING, *repeated[:count], _PADDING]


def inputs_of(
    described: Sequence[Any], voices: Mapping[str, NDArray[np.float32]], length: str
) -> dict[str, NDArray[Any]]:
    """The inputs for one of `LENGTHS`, with the names and types in which the exports of Kokoro differ.

    Raises:
        LookupError: the model has other inputs than Kokoro, or there is no voice.
    """
    values = {
        "tokens": [tokens_of(length)],
        "input_ids": [tokens_of(length)],
        "style": _style(voices, LENGTHS[length]),
        "speed": [1],
    }
    return {item.name: np.asarray(values[item.name], _TYPES[item.type]) for item in described}


def _style(voices: Mapping[str, NDArray[np.float32]], count: int) -> NDArray[np.float32]:
    """The first voice's style for this number of tokens."""
    voice = voices[min(voices)]
    # Kokoro's voices have a style for every number of tokens; other voices have only one.
    return voice[min(count, len(voice) - 1)] if voice.ndim == 3 else voice
