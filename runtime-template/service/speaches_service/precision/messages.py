"""Declares the fields of ONNX's protocol buffers that `graph.py` reads or changes.

protobuf keeps undeclared fields, so reading and writing a file loses nothing. The package `onnx` has the whole schema,
but would add 18 MB and 12 000 files of test data to every runtime. The numbers and types of the fields are those of
`onnx.proto` (ONNX 1.20).
"""

from typing import Any

from google.protobuf import (  # type: ignore[import-untyped] # onnxruntime brings it, without its types
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
"""`TensorProto.DataType`"""
EXTERNAL = 1
"""`TensorProto.DataLocation`: the data are in another file."""

_PACKAGE = "speaches_onnx"
_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "Model": (("graph", 7, "Graph"),),
    "Graph": (
        ("node", 1, "Node*"),
        ("initializer", 5, "Tensor*"),
        ("output", 12, "ValueInfo*"),
        ("value_info", 13, "ValueInfo*"),
    ),
    "Node": (
        ("input", 1, "string*"),
        ("output", 2, "string*"),
        ("name", 3, "string"),
        ("op_type", 4, "string"),
        ("attribute", 5, "Attribute*"),
        ("domain", 7, "string"),
    ),
    "Attribute": (("name", 1, "string"), ("i", 3, "int64"), ("g", 6, "Graph"), ("graphs", 11, "Graph*")),
    "ValueInfo": (("name", 1, "string"),),
    "Tensor": (
        ("dims", 1, "int64*"),
        ("data_type", 2, "int32"),
        ("float_data", 4, "float*"),
        ("int32_data", 5, "int32*"),
        ("name", 8, "string"),
        ("raw_data", 9, "bytes"),
        ("external_data", 13, "Entry*"),
        ("data_location", 14, "int32"),
    ),
    "Entry": (("key", 1, "string"), ("value", 2, "string")),
}
"""The fields of each message: name, number and type; `*` marks repeated fields."""


def _make() -> dict[str, Any]:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            added = described.field.add(name=name, number=number)
            added.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            added.type = getattr(field, f"TYPE_{kind.rstrip('*').upper()}", field.TYPE_MESSAGE)
            if added.type == field.TYPE_MESSAGE:
                added.type_name = f".{_PACKAGE}.{kind.rstrip('*')}"
            elif added.label == field.LABEL_REPEATED and kind in ("float*", "int32*"):
                added.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _make()
Model: Any = _CLASSES["Model"]
Node: Any = _CLASSES["Node"]
Tensor: Any = _CLASSES["Tensor"]
