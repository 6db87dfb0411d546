"""Derives float32 speech models from dynamically quantised ones.

onnxruntime computes the integer operators of a quantised model slowly on many processors, and CoreML cannot compute
them at all. The same weights in float32 give the same sound in a fraction of the time. `graph.py` rewrites the graph,
`child.py` runs this in a process of its own, and `derived.py` keeps the result in the user's cache.
"""

ARGUMENT = "derive-float32"
"""The service manager's argument for the deriving process."""
NOT_DERIVABLE = 3
"""The exit code of that process for an unsupported model."""

QUANTISED = {"ConvInteger": "Conv", "MatMulInteger": "MatMul", "DynamicQuantizeLSTM": "LSTM"}
"""The quantised operators and their replacements."""
