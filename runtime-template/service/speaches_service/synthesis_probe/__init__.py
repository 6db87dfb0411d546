"""Compares the ways in which this machine can compute speech: the original model, float32, and float32 with CoreML.

`evaluate.py` measures each candidate in a process of its own, because a provider may crash, hang or exhaust the memory.
`probe_session.py` starts this process, and `child.py` is its program. `similarity.py` compares the sounds.
`decisions.py` stores the result in a file. `provider_choice.py` applies it when a model is loaded the next time.
docs/tuning.md gives the thresholds.
"""

ARGUMENT = "measure-synthesis"
"""The service manager's argument for the measuring process."""
