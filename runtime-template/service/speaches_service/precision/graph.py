"""Rewrites a dynamically quantised graph into float32, with the same weights.

onnxruntime's dynamic quantisation puts integer operators between operators for quantisation and scaling:

    x ─ DynamicQuantizeLinear ─ ConvInteger or MatMulInteger ─ [Add bias] ─ Cast ─ Mul ─ y
    x ─ DynamicQuantizeLSTM ─ y

Each of these patterns becomes one `Conv`, `MatMul` or `LSTM` of x with float32 weights: (weight - zero point) * scale.
An operator in any other pattern stays unchanged. This module does no I/O.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speaches_service.precision import QUANTISED
from speaches_service.precision.messages import FLOAT, INT8, UINT8, Node

Floats = NDArray[np.float32]
_QUANTISED_TYPES = {UINT8: np.dtype(np.uint8), INT8: np.dtype(np.int8)}


class UnsupportedGraph(Exception):
    """The graph around an operator does not match a known pattern, for the reason in the message."""


class Outcome(NamedTuple):
    weights: dict[str, Floats]
    """The weights that the rewritten graph uses and lacks, by name. The caller adds them."""
    replaced: int
    """The number of replaced operators."""
    left: dict[str, int]
    """The number of operators left, by the reason."""


class _Replacement(NamedTuple):
    node: Any
    superseded: tuple[Any, ...]
    """Nodes that the new node replaces; it takes the place of the first one."""


def rewrite(graph: Any) -> Outcome:
    """Replace every quantised operator in a known pattern, in place.

    Raises:
        UnsupportedGraph: the graph has subgraphs, whose operators could use the removed values.
    """
    if any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute):
        raise UnsupportedGraph("its graph contains other graphs")
    rewriting = _Rewriting(graph)
    left: Counter[str] = Counter()
    replacements: dict[int, Any] = {}
    superseded: set[int] = set()
    for node in graph.node:
        if node.op_type not in QUANTISED:
            continue
        try:
            replacement = rewriting.replace(node)
        except UnsupportedGraph as reason:
            left[f"{node.op_type}: {reason}"] += 1
            continue
        replacements[id(replacement.superseded[0])] = replacement.node
        superseded.update(map(id, replacement.superseded))
    kept = [
        replacements.get(id(node), node)
        for node in graph.node
        if id(node) not in superseded or id(node) in replacements
    ]
    _replace_nodes(graph, _without_dead_nodes(kept, {output.name for output in graph.output}))
    _remove_unused_tensors(graph)
    # It may describe removed values, and onnxruntime infers it again.
    del graph.value_info[:]
    return Outcome(rewriting.weights, len(replacements), dict(left))


class _Rewriting:
    def __init__(self, graph: Any) -> None:
        self.weights: dict[str, Floats] = {}
        """The new weights, by name."""
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._producers = {output: node for node in graph.node for output in node.output}
        self._consumers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)
        self._outputs = {output.name for output in graph.output}

    def replace(self, node: Any) -> _Replacement:
        """Raises: UnsupportedGraph: the pattern around the operator is unknown."""
        if node.op_type == "DynamicQuantizeLSTM":
            return self._replace_lstm(node)
        return self._replace_product(node)

    def _replace_product(self, node: Any) -> _Replacement:
        """For ConvInteger(x, weight, zero point of x, zero point of weight), and MatMulInteger with the same inputs."""
        quantise = self._producer(node.input[0], "DynamicQuantizeLinear")
        _require(len(node.input) > 2 and node.input[2] == quantise.output[2], "its zero point is not that of the input")
        following = self._only_consumer(node.output[0])
        bias = None
        superseded = [node]
        if following.op_type == "Add":
            bias = _other_input(following, node.output[0])
            superseded.append(following)
            following = self._only_consumer(following.output[0])
        _require(following.op_type == "Cast" and _integer(following, "to") == FLOAT, "no cast to float32 follows it")
        multiply = self._only_consumer(following.output[0])
        _require(multiply.op_type == "Mul", "no scaling follows it")
        superseded += [following, multiply]
        scale = _other_input(multiply, following.output[0])
        weight_scale = _other_input(self._producer(scale, "Mul"), quantise.output[1])
        is_convolution = node.op_type == "ConvInteger"
        weight = self._dequantised(
            node.input[1],
            weight_scale,
            node.input[3] if len(node.input) > 3 else "",
            # The output channels are the first axis of a convolution's weight, and the last axis of a matrix.
            lambda rank: 0 if is_convolution else rank - 1,
        )
        name = self._add_weight(f"{node.input[1]} * {weight_scale}", weight)
        inputs = [quantise.input[0], name]
        if bias is not None:
            _require(is_convolution, "something is added before it is scaled")
            inputs.append(self._bias(bias, scale, channels=weight.shape[0]))
        made = Node(input=inputs, output=[multiply.output[0]], name=node.name, op_type=QUANTISED[node.op_type])
        made.attribute.extend(node.attribute)
        return _Replacement(made, tuple(superseded))

    def _bias(self, quantised: str, scale: str, channels: int) -> str:
        """The bias of a convolution. The graph computes Reshape(Cast(Floor(Div(bias, scale)))) from it at each run."""
        cast = self._producer(self._producer(quantised, "Reshape").input[0], "Cast")
        divide = self._producer(self._producer(cast.input[0], "Floor").input[0], "Div")
        _require(divide.input[1] == scale, "its bias is scaled by something else")
        bias = self._tensor(divide.input[0])
        _require(bias.data_type == FLOAT and list(bias.dims) == [channels], "its bias is not a vector of floats")
        return str(bias.name)

    def _replace_lstm(self, node: Any) -> _Replacement:
        """For DynamicQuantizeLSTM(X, W, R, B, lengths, h, c, P, scale and zero point of W, those of R)."""
        _require(len(node.input) == 12, "it has other inputs")
        inputs = list(node.input[:8])
        for place, scale, zero in ((1, 8, 9), (2, 10, 11)):
            quantised, scaled_by = node.input[place], node.input[scale]
            # Its weights are [directions, inputs, 4 * hidden], and an LSTM's are [directions, 4 * hidden, inputs].
            # Each direction has a scale, or each direction and gate.
            weight = self._dequantised(quantised, scaled_by, node.input[zero], lambda _rank: None)
            inputs[place] = self._add_weight(f"{quantised} * {scaled_by}", weight.transpose(0, 2, 1))
        while not inputs[-1]:
            inputs.pop()
        made = Node(input=inputs, output=node.output, name=node.name, op_type=QUANTISED[node.op_type])
        made.attribute.extend(node.attribute)
        return _Replacement(made, (node,))

    def _dequantised(self, weight: str, scale: str, zero_point: str, axis_of: Any) -> Floats:
        tensor = self._tensor(weight)
        _require(tensor.data_type in _QUANTISED_TYPES, "its weights are not integers of 8 bits")
        values = _array(tensor, _QUANTISED_TYPES[tensor.data_type])
        scales = _array(self._tensor(scale, FLOAT), np.dtype(np.float32))
        zeros: Any = np.zeros((), np.float32)
        if zero_point:
            zeros = _array(self._tensor(zero_point, tensor.data_type), values.dtype)
        axis = axis_of(values.ndim)
        # In place if numpy can, because these are the largest arrays.
        floats = values.astype(np.float32)
        floats -= _aligned(zeros, values.shape, axis).astype(np.float32)
        floats *= _aligned(scales, values.shape, axis)
        return floats

    def _add_weight(self, name: str, weight: Floats) -> str:
        _require(name not in self._tensors and name not in self._producers, f"`{name}` is taken")
        self.weights[name] = weight
        return name

    def _producer(self, value: str, operator: str) -> Any:
        node = self._producers.get(value)
        _require(node is not None and node.op_type == operator, f"there is no {operator} where one is expected")
        return node

    def _only_consumer(self, value: str) -> Any:
        users = self._consumers.get(value, [])
        _require(len(users) == 1 and value not in self._outputs, "its result is used in several places")
        return users[0]

    def _tensor(self, name: str, data_type: int | None = None) -> Any:
        tensor = self._tensors.get(name)
        _require(tensor is not None, "a weight, scale or zero point is not a constant")
        assert tensor is not None  # noqa: S101 - for the type checker
        _require(tensor.data_location == 0, "its weights are in another file")
        _require(data_type in (None, tensor.data_type), "a scale or zero point has another type")
        return tensor


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise UnsupportedGraph(otherwise)


def _other_input(node: Any, one: str) -> str:
    _require(len(node.input) == 2 and one in node.input, f"{node.op_type} has other inputs")
    return str(node.input[1] if node.input[0] == one else node.input[0])


def _integer(node: Any, attribute: str) -> int | None:
    return next((found.i for found in node.attribute if found.name == attribute), None)


def _array(tensor: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    if tensor.HasField("raw_data"):
        flat = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<"))
    else:
        flat = np.asarray(tensor.float_data if dtype == np.float32 else tensor.int32_data, dtype)
    shape = tuple(tensor.dims)
    _require(flat.size == int(np.prod(shape)), f"`{tensor.name}` is damaged")
    return flat.reshape(shape)


def _aligned(values: NDArray[Any], shape: tuple[int, ...], axis: int | None) -> NDArray[Any]:
    """Reshape scales or zero points so that numpy broadcasts them over the weights.

    One number applies to all weights. A vector lies along `axis`, or along the first axis if `axis` is None. A matrix
    lies along the first and the last axis.
    """
    if values.size == 1:
        return values.reshape(())
    wanted = [1] * len(shape)
    along = (axis or 0,) if values.ndim == 1 else (0, len(shape) - 1)
    _require(values.shape == tuple(shape[each] for each in along), "its scales do not fit its weights")
    for each in along:
        wanted[each] = shape[each]
    return values.reshape(wanted)


def _without_dead_nodes(nodes: list[Any], outputs: set[str]) -> list[Any]:
    """The nodes that an output needs. Nodes are in topological order, so one pass from the end finds them."""
    needed = set(outputs)
    alive = []
    for node in reversed(nodes):
        if any(output in needed for output in node.output):
            needed.update(node.input)
            alive.append(node)
    return alive[::-1]


def _replace_nodes(graph: Any, nodes: Iterable[Any]) -> None:
    # Copied, because deleting the old nodes would clear the kept ones as well.
    copies = [Node.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _remove_unused_tensors(graph: Any) -> None:
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in used:
            del graph.initializer[index]
