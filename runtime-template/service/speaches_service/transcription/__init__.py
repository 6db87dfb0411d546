"""Transcription requests as clients send them, and answers as they expect them.

`requests.py` reads what upstream's routes were asked for, with `languages.py`; `decoding.py` reads the sound;
`pipeline.py` keeps Whisper from making up words; `events.py` and `subtitles.py` write answers. Whisper itself is
upstream's, or whisper.cpp's.
"""

SAMPLE_RATE = 16000
"""Of what Whisper hears, in samples per second."""
