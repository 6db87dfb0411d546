"""Runs speaches as one native process: it opens the sockets first, runs upstream's app in-process and ends cleanly.

The service never changes upstream's files. It rebinds names in memory, in `upstream.py`, and every rebinding asserts
that the replaced name exists: an AttributeError or LookupError means that upstream's version is not the one that this
code was written for.
"""
