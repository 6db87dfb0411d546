"""Transcribes with whisper.cpp, if there is a file with GGML weights for the requested Whisper model.

Clients request the same models as before (`Systran/faster-whisper-…`). faster-whisper answers all requests that
whisper.cpp cannot serve.
"""
