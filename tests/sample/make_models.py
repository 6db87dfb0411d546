#!/usr/bin/env python3
"""Make the two models of the miniature of the tests: `sample/tone-speech` and `sample/tone-transcription`.

    python -m pip install numpy onnx && python make_models.py

They are no speech models. The first plays every byte of a text as a chord of three tones, the second finds those chords
again, so that a request can go from text to sound and back through the whole real product with models of a few kilobytes.

The chord of a byte, all tones on one comb of 80 Hz (`COMB`):

    clock    240, 320 or 400 Hz   turns by one with every byte, so that `aa` are two bytes at any speed
    low      480 ... 1680 Hz      high four bits of the byte
    high    1760 ... 2960 Hz      low four bits of the byte

A chord lasts 75 ms at speed 1. Everything is below 3 kHz so that it survives the telephone quality of an 8 kHz MP3.
The analysis window is a Hann window of 25 ms: its spectrum is zero at every multiple of 80 Hz around a tone, so no tone
is mistaken for another, and no timing has to be agreed on. A text travels between the bytes STX and ETX.

The output is a Hugging Face cache of plain files. The same inputs give the same bytes (made with onnx 1.23.2, numpy 2.2.6).
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
import shutil

import numpy as np
import onnx
from onnx import numpy_helper, parser

HUB = Path(__file__).parent / "hub"
COMB = np.arange(240, 2961, 80, dtype=np.float32)

# What the numbers of a style mean; the other 251 are zero (the shape is the one of Kokoro's styles).
STYLE = ("hum in Hz", "level of clock", "level of low", "level of high", "level of hum")
VOICES: dict[str, tuple[float, float, float, float, float]] = {
    "tone_plain": (160, 0.22, 0.24, 0.24, 0.00),
    "tone_deep": (80, 0.22, 0.28, 0.16, 0.14),
    "tone_bright": (160, 0.18, 0.18, 0.30, 0.04),
    "tone_soft": (160, 0.07, 0.08, 0.08, 0.03),
}

# tokens: one per byte; 1800 samples per token at 24 kHz are 75 ms. 30 ms of silence on both sides keep chunks apart.
SPEECH = """
<ir_version: 8, opset_import: ["": 17], producer_name: "make_models.py">
tone_speech (int64[1, tokens_length] tokens, float[1, 256] style, float[1] speed) => (float[audio_length] audio)
{
    first = Constant <value = int64[1] {0}> ()
    second = Constant <value = int64[1] {1}> ()
    end = Constant <value = int64[1] {-1}> ()
    zero = Constant <value = int64 {0}> ()
    one = Constant <value = int64 {1}> ()
    three = Constant <value = int64 {3}> ()
    sixteen = Constant <value = int64 {16}> ()

    bytes = Squeeze (tokens, first)
    count = Size (bytes)
    position = Range (zero, count, one)
    clock_step = Mod (position, three)
    low_step = Div (bytes, sixteen)
    high_step = Mod (bytes, sixteen)

    clock_base = Constant <value = int64 {3}> ()
    low_base = Constant <value = int64 {6}> ()
    high_base = Constant <value = int64 {22}> ()
    clock_tooth = Add (clock_step, clock_base)
    low_tooth = Add (low_step, low_base)
    high_tooth = Add (high_step, high_base)
    clock_column = Unsqueeze (clock_tooth, second)
    low_column = Unsqueeze (low_tooth, second)
    high_column = Unsqueeze (high_tooth, second)
    teeth = Concat <axis = 1> (clock_column, low_column, high_column)
    teeth_float = Cast <to = 1> (teeth)
    spacing = Constant <value = float {80.0}> ()
    tones = Mul (teeth_float, spacing)

    hum_end = Constant <value = int64[1] {1}> ()
    hum = Slice (style, first, hum_end, second)
    count_row = Unsqueeze (count, first)
    hum_shape = Concat <axis = 0> (count_row, second)
    hum_column = Expand (hum, hum_shape)
    chord = Concat <axis = 1> (tones, hum_column)
    levels_end = Constant <value = int64[1] {5}> ()
    levels_row = Slice (style, second, levels_end, second)
    levels = Unsqueeze (levels_row, end)

    length_at_one = Constant <value = float {1800.0}> ()
    pace = Squeeze (speed, first)
    length_exact = Div (length_at_one, pace)
    length_float = Floor (length_exact)
    length = Cast <to = 7> (length_float)
    sample = Range (zero, length, one)
    sample_float = Cast <to = 1> (sample)
    turn = Constant <value = float {0.000261799387}> ()
    angle_step = Mul (chord, turn)
    angle_column = Unsqueeze (angle_step, end)
    angle = Mul (angle_column, sample_float)
    wave = Sin (angle)
    voiced = Mul (wave, levels)
    mixed = ReduceSum <keepdims = 0> (voiced, second)

    half = Constant <value = float {0.5}> ()
    pi = Constant <value = float {3.14159265}> ()
    steepness = Constant <value = float {4.0}> ()
    unity = Constant <value = float {1.0}> ()
    middle = Add (sample_float, half)
    share = Div (middle, length_float)
    arc_angle = Mul (share, pi)
    arc = Sin (arc_angle)
    steep = Mul (arc, steepness)
    ramp = Min (steep, unity)
    quarter = Mul (half, pi)
    ramp_angle = Mul (ramp, quarter)
    ramp_sine = Sin (ramp_angle)
    envelope = Mul (ramp_sine, ramp_sine)

    shaped = Mul (mixed, envelope)
    flat = Reshape (shaped, end)
    silence = Constant <value = int64[2] {720, 720}> ()
    audio = Pad (flat, silence)
}
"""

# audio: 16 kHz. A frame is 400 samples (25 ms), one every 80 (5 ms). `tones` is each tone's share of the frame's energy:
# a tone alone has 1, noise and silence have nearly 0 everywhere, whatever the volume.
TRANSCRIPTION = """
<ir_version: 8, opset_import: ["": 17], producer_name: "make_models.py">
tone_transcription (float[1, audio_length] audio) => (float[frames, 35] tones, float[frames] energy)
{
    first = Constant <value = int64[1] {0}> ()
    second = Constant <value = int64[1] {1}> ()
    zero = Constant <value = float {0.0}> ()
    one = Constant <value = float {1.0}> ()
    width = Constant <value = float {400.0}> ()
    half = Constant <value = float {0.5}> ()
    window_turn = Constant <value = float {0.0157079633}> ()
    sample_turn = Constant <value = float {0.000392699082}> ()

    sample = Range (zero, width, one)
    window_angle = Mul (sample, window_turn)
    window_cosine = Cos (window_angle)
    window_fall = Mul (window_cosine, half)
    window = Sub (half, window_fall)

    comb_step = Mul (comb, sample_turn)
    comb_column = Unsqueeze (comb_step, second)
    angle = Mul (comb_column, sample)
    cosine = Cos (angle)
    sine = Sin (angle)
    both = Concat <axis = 0> (cosine, sine)
    windowed = Mul (both, window)
    filters = Unsqueeze (windowed, second)

    signal = Unsqueeze (audio, first)
    response = Conv <strides = [80]> (signal, filters)
    response_energy = Mul (response, response)
    parts = Constant <value = int64[2] {35, 35}> ()
    cosine_energy, sine_energy = Split <axis = 1> (response_energy, parts)
    tone_energy = Add (cosine_energy, sine_energy)

    square = Mul (signal, signal)
    window_square = Mul (window, window)
    window_row = Unsqueeze (window_square, first)
    window_filter = Unsqueeze (window_row, first)
    total = Conv <strides = [80]> (square, window_filter)

    of_one_tone = Constant <value = float {133.3333}> ()
    inaudible = Constant <value = float {0.001}> ()
    scaled = Mul (total, of_one_tone)
    whole = Add (scaled, inaudible)
    shares = Div (tone_energy, whole)
    rows = Transpose <perm = [0, 2, 1]> (shares)
    tones = Squeeze (rows, first)
    outer = Constant <value = int64[2] {0, 1}> ()
    energy = Squeeze (total, outer)
}
"""

SPEECH_CARD = """\
---
language:
- mul
library_name: onnx
license: mit
pipeline_tag: text-to-speech
tags:
- speaches
- kokoro
- sample
---
# sample/tone-speech: a sample, not a speech model

Plays every byte of a text as a short chord of three tones. It exists so that `cargo xtask provision --sample` can show
the whole product at work without a download. Only `sample/tone-transcription` understands it.

Voices: {voices}. Made by `make_models.py`, which also describes the tones.
"""

TRANSCRIPTION_CARD = """\
---
language:
- mul
library_name: onnx
license: mit
pipeline_tag: automatic-speech-recognition
tags:
- speaches
- sample
---
# sample/tone-transcription: a sample, not a speech model

Recognises the tones of `sample/tone-speech` and nothing else: the transcription of a human voice is empty.
It exists so that `cargo xtask provision --sample` can show the whole product at work without a download.

Made by `make_models.py`, which also describes the tones.
"""


def build(text: str, tables: dict[str, np.ndarray] | None = None) -> bytes:
    """Return the bytes of the ONNX model that `text` describes, checked, with `tables` as its constants."""
    model = parser.parse_model(text)
    for name, table in (tables or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(table, name))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def voices() -> bytes:
    """Return the styles as an uncompressed `.npz`, since what a compressor writes depends on its version."""
    styles = {}
    for name, numbers in VOICES.items():
        styles[name] = np.zeros((1, 256), np.float32)
        styles[name][0, : len(numbers)] = numbers
    archive = io.BytesIO()
    np.savez(archive, **styles)
    return archive.getvalue()


def write(repository: str, files: dict[str, bytes]) -> None:
    """Write one model repository in cache layout; its revision is a digest of its files, so it changes when they do."""
    digest = hashlib.sha1(usedforsecurity=False)
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\0".encode() + files[name])
    revision = digest.hexdigest()
    root = HUB / f"models--{repository.replace('/', '--')}"
    shutil.rmtree(root, ignore_errors=True)
    snapshot = root / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_bytes(revision.encode())  # N.B. no newline: the hub's clients compare the bytes
    for name, content in files.items():
        (snapshot / name).write_bytes(content)
        print(f"{len(content):>7}  {repository}/{name}")


def main() -> None:
    card = SPEECH_CARD.format(voices=", ".join(f"`{name}`" for name in VOICES))
    write("sample/tone-speech", {"README.md": card.encode(), "model.onnx": build(SPEECH), "voices.bin": voices()})
    write(
        "sample/tone-transcription",
        {"README.md": TRANSCRIPTION_CARD.encode(), "model.onnx": build(TRANSCRIPTION, {"comb": COMB})},
    )


if __name__ == "__main__":
    main()
