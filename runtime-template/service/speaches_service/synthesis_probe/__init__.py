"""Which of onnxruntime's providers speaks right and fastest on this machine: they are compared with the CPU.

Every provider computes in a process of its own (`child.py`, watched by `measuring.py`), because it may crash, hang or
eat the memory. What it gave is judged without any I/O (`judgement.py`), kept in a file (`decisions.py`), and followed
when a model is loaded the next time (`switch.py`). docs/tuning.md says what is compared, and why.
"""
