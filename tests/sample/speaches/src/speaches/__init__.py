"""Sample of speaches: upstream's module paths, with Piper and Whisper or, where those are missing, with tones.

`make_models.py` beside this tree makes the models for tones.
"""
