"""Tests of the service manager; `python -m unittest discover` in the directory above runs them."""
