"""Runs speaches as one native process: sockets first, upstream's app in-process, a clean end.

Upstream's files are never changed. What has to differ is rebound in memory, in `upstream.py`, and every rebinding
asserts that what it replaces is there: an AttributeError or LookupError of one says that upstream's version is not the
one that this was written for.
"""
