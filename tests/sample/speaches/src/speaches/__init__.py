"""Sample of speaches: upstream's module paths, and tones instead of speech. See `make_models.py` beside this tree."""
