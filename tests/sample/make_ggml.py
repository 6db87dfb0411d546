#!/usr/bin/env python3
"""Make a file with GGML weights that whisper.cpp loads, of 8 MB, which transcribes everything as one known text.

    python -m pip install numpy && python make_ggml.py OUT.bin [--text "what it hears"] [--size 64]

It is no speech model. Every weight is a random number (always the same ones), but for the table of positions of the
decoder: the row of position p is the embedding of the p-th token of the text, so long that it outweighs all that the
layers add to it. So a request goes the whole real way (spectrogram, encoder, cross attention, sampling), and the answer
is known. A prompt takes positions, so that a text begins later the longer the prompt is. With time stamps every window
is one segment of two seconds.

The format is what `whisper_model_load` of whisper.cpp reads: a magic number and eleven parameters, the filters of the
spectrogram, the vocabulary, and the tensors, each with its shape from the fastest axis on, its type and its name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x67676D6C
FLOAT32, FLOAT16 = 0, 1

# Of Whisper for English: the vocabulary, and in it the tokens that are no text.
VOCABULARY, END_OF_TEXT, FIRST_TIME = 51864, 50256, 50363
TEXT_CONTEXT, AUDIO_CONTEXT, BANDS = 448, 1500, 80
HEAD = 64
ENCODER_LAYERS, DECODER_LAYERS = 4, 1

TEXT = "this is a smoke test of the bundled speech server"


def filters(samples: int = 400, rate: int = 16000) -> NDArray[np.float32]:
    """Triangles on the mel scale, each with the same area: linear up to 1 kHz, logarithmic above."""
    steps = np.linspace(0, 15 + 27 * np.log(rate / 2 / 1000) / np.log(6.4), BANDS + 2)
    edges = np.where(steps < 15, steps * 200 / 3, 1000 * 6.4 ** ((steps - 15) / 27))
    distances = edges[:, None] - np.linspace(0, rate / 2, samples // 2 + 1)
    widths = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-distances[:-2] / widths[:-1], distances[2:] / widths[1:]))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def vocabulary(words: list[str]) -> list[bytes]:
    """Every byte, then the words with a blank before them, then numbers."""
    entries = [bytes([byte]) for byte in range(256)]
    entries += [f" {word}".encode() for word in dict.fromkeys(words)]
    return entries + [f" {number}".encode() for number in range(END_OF_TEXT - len(entries))]


def tensors(text: list[int], size: int) -> dict[str, NDArray[np.generic]]:
    """All weights by name, in the order of axes that PyTorch has."""
    source = np.random.default_rng(1)
    found: dict[str, NDArray[np.generic]] = {}

    def noise(*shape: int) -> NDArray[np.float32]:
        return (source.standard_normal(shape) * 0.02).astype(np.float32)

    def norm(name: str, scale: float = 1) -> None:
        found[f"{name}.weight"] = np.full(size, scale, np.float32)
        found[f"{name}.bias"] = np.zeros(size, np.float32)

    def linear(name: str, rows: int, columns: int, bias: bool = True) -> None:
        found[f"{name}.weight"] = noise(rows, columns).astype(np.float16)
        if bias:
            found[f"{name}.bias"] = np.zeros(rows, np.float32)

    def layer(name: str, attentions: tuple[str, ...]) -> None:
        for attention in attentions:
            norm(f"{name}.{attention}_ln")
            for part in ("query", "key", "value", "out"):
                linear(f"{name}.{attention}.{part}", size, size, bias=part != "key")
        norm(f"{name}.mlp_ln")
        linear(f"{name}.mlp.0", 4 * size, size)
        linear(f"{name}.mlp.2", size, 4 * size)

    found["encoder.positional_embedding"] = noise(AUDIO_CONTEXT, size)
    for name, channels in (("conv1", BANDS), ("conv2", size)):
        found[f"encoder.{name}.weight"] = noise(size, channels, 3).astype(np.float16)
        found[f"encoder.{name}.bias"] = np.zeros((size, 1), np.float32)
    norm("encoder.ln_post")
    for index in range(ENCODER_LAYERS):
        layer(f"encoder.blocks.{index}", ("attn",))

    embedding = source.standard_normal((VOCABULARY, size)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    # What is at position p predicts the token after it. A request for times begins at position 0, another one at 1.
    positions = np.tile(20 * embedding[END_OF_TEXT], (TEXT_CONTEXT, 1))
    for index, token in enumerate(text):
        positions[index + 1] = 20 * embedding[token]
    positions[0] = 20 * embedding[FIRST_TIME]
    # Two seconds later, or the second best where there are no times.
    positions[len(text) + 1] = 20 * embedding[FIRST_TIME + 100] + 16 * embedding[END_OF_TEXT]
    found["decoder.positional_embedding"] = positions.astype(np.float32)
    found["decoder.token_embedding.weight"] = embedding.astype(np.float16)
    norm("decoder.ln", 5)
    for index in range(DECODER_LAYERS):
        layer(f"decoder.blocks.{index}", ("attn", "cross_attn"))
    return found


def write(file: BinaryIO, text: str, size: int) -> None:
    """Write the whole file."""
    entries = vocabulary(text.split())
    tokens = [entries.index(f" {word}".encode()) for word in text.split()]
    heads = size // HEAD
    parameters = (VOCABULARY, AUDIO_CONTEXT, size, heads, ENCODER_LAYERS)
    parameters += (TEXT_CONTEXT, size, heads, DECODER_LAYERS, BANDS, FLOAT16)
    file.write(struct.pack("<I11i", MAGIC, *parameters))
    bank = filters()
    file.write(struct.pack("<2i", *bank.shape) + bank.tobytes())
    file.write(struct.pack("<i", len(entries)))
    for entry in entries:
        file.write(struct.pack("<I", len(entry)) + entry)
    for name, values in tensors(tokens, size).items():
        kind = FLOAT16 if values.dtype == np.float16 else FLOAT32
        file.write(struct.pack("<3i", values.ndim, len(name), kind))
        file.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)) + name.encode())
        file.write(np.ascontiguousarray(values).tobytes())


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description="Make a file with GGML weights that whisper.cpp loads.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--text", default=TEXT, help="what it hears")
    parser.add_argument("--size", type=int, default=HEAD, help="of its layers, a multiple of 64")
    arguments = parser.parse_args()
    with arguments.out.open("wb") as file:
        write(file, arguments.text, arguments.size)


if __name__ == "__main__":
    main()
