"""Comparing the ways in which this machine can compute speech: the original model, float32, and float32 with CoreML.

`evaluate.py` measures each candidate in a process of its own, because a provider may crash, hang or eat the memory
(`probe_session.py` starts it, `child.py` is it), and compares the sounds (`similarity.py`). `decisions.py` keeps the result
in a file, and `provider_choice.py` follows it when a model is loaded the next time. docs/tuning.md gives the thresholds.
"""

ARGUMENT = "measure-synthesis"
"""The argument of the service manager that makes it the process that measures."""
