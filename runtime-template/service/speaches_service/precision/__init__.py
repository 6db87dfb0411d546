"""Speech models in float32, derived from models that were quantised dynamically.

onnxruntime computes the integer operators of such a model slowly on many processors, and CoreML cannot compute them at
all. The same weights in float32 give the same sound in a fraction of the time. `graph.py` rewrites the graph,
`child.py` does it in a process of its own, `derived.py` keeps the result in the user's cache.
"""

ARGUMENT = "derive-float32"
"""The argument of the service manager that makes it the process that derives."""
NOT_DERIVABLE = 3
"""Its exit code for a model that is not rewritten."""

QUANTISED = {"ConvInteger": "Conv", "MatMulInteger": "MatMul", "DynamicQuantizeLSTM": "LSTM"}
"""The operators that are replaced, and by what."""
