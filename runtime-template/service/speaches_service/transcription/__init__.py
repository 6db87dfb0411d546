"""Reads transcription requests as clients send them, and writes answers as clients expect them.

`requests.py` reads the fields of a request, with `languages.py` and `form_fields.py`; `decoding.py` decodes the sound;
`pipeline.py` prevents hallucinated words; `events.py` and `subtitles.py` write answers. Upstream or whisper.cpp runs
Whisper itself.
"""

PATHS = ("/v1/audio/transcriptions", "/v1/audio/translations")
GRANULARITIES = "timestamp_granularities"

SAMPLE_RATE = 16000
"""Whisper's, in samples per second."""
