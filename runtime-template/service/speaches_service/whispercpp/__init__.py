"""Speech-to-text through whisper.cpp, for the Whisper models of which there is a file with GGML weights.

Clients go on asking for the model that they know (`Systran/faster-whisper-…`). faster-whisper stays behind it, for all
that whisper.cpp cannot serve.
"""
