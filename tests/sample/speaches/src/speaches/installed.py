"""Which of the libraries that speak and listen are installed.

The sample has two uses: with them it speaks and listens as upstream does, without them it plays tones and recognises
those. Every executor is there in both, and lists only the models that it can run.
"""

from importlib.util import find_spec

PIPER = find_spec("piper") is not None
FASTER_WHISPER = find_spec("faster_whisper") is not None

SAMPLE_NOTICE = (
    "This is the SAMPLE of speaches: a miniature with one English voice (Piper) and Whisper tiny.en, to try things out."
    if PIPER and FASTER_WHISPER
    else "This is the SAMPLE of speaches, not a speech server: it plays tones and recognises only those tones."
)
