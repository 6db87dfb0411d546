import sys
import unittest
from typing import Any

try:
    import numpy as np
    import onnxruntime  # type: ignore[import-not-found] # only installed in a runtime

    from speaches_service.precision import graph, messages
except ImportError as error:
    print(f"skipping test_precision_graph, which needs numpy, protobuf and onnxruntime: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs numpy, protobuf and onnxruntime: {error}") from error

FLOATS = b"\x12\x04\x0a\x02\x08\x01"
"""`ValueInfoProto.type`: a tensor of floats, of any shape."""
RANDOM = np.random.default_rng(0)


def tensor(name: str, values: Any) -> Any:
    array = np.asarray(values)
    types = {"float32": messages.FLOAT, "int8": messages.INT8, "uint8": messages.UINT8, "int64": messages.INT64}
    return messages.Tensor(dims=array.shape, data_type=types[array.dtype.name], name=name, raw_data=array.tobytes())


def node(operator: str, inputs: str, outputs: str, domain: str = "", **attributes: int) -> Any:
    made = messages.Node(op_type=operator, input=inputs.split(","), output=outputs.split(","), domain=domain)
    for name, value in attributes.items():
        made.attribute.add(name=name, i=value).MergeFromString(b"\xa0\x01\x02")  # the type: an integer
    return made


def model_of(nodes: list[Any], tensors: list[Any]) -> Any:
    """A model from `x` to `y`."""
    model = messages.Model.FromString(b"\x08\x08\x42\x02\x10\x11\x42\x11\x0a\x0dcom.microsoft\x10\x01")
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)
    model.graph.output.add(name="y").MergeFromString(FLOATS)
    name = b"\x0a\x01x" + FLOATS
    model.graph.MergeFromString(b"\x12\x01g\x5a" + bytes([len(name)]) + name)
    return model


def matrix(*, per_channel: bool = False, **changed: Any) -> tuple[list[Any], list[Any]]:
    """A dynamically quantised product of matrices."""
    scale = RANDOM.uniform(0.01, 0.02, 5 if per_channel else ()).astype(np.float32)
    zero = np.full(scale.shape, 3, np.int8)
    parts: dict[str, Any] = {
        "quantise": node("DynamicQuantizeLinear", "x", "q,s,z"),
        "product": node("MatMulInteger", "q,w,z,wz", "i"),
        "cast": node("Cast", "i", "f", to=messages.FLOAT),
        "scale": node("Mul", "s,ws", "ss"),
        "multiply": node("Mul", "f,ss", "y"),
        **changed,
    }
    weight = RANDOM.integers(-100, 100, (7, 5)).astype(np.int8)
    return list(parts.values()), [tensor("w", weight), tensor("wz", zero), tensor("ws", scale)]


def convolution(*, bias: bool = True, channels: int = 4) -> tuple[list[Any], list[Any]]:
    """A dynamically quantised convolution with a bias in the form of onnxruntime's quantisation."""
    nodes = [
        node("DynamicQuantizeLinear", "x", "q,s,z"),
        node("Mul", "s,ws", "ss"),
        node("ConvInteger", "q,w,z,wz", "i"),
        *(
            [
                node("Div", "b,ss", "d"),
                node("Floor", "d", "fl"),
                node("Cast", "fl", "c", to=messages.INT32),
                node("Reshape", "c,shape", "r"),
                node("Add", "i,r", "a"),
            ]
            if bias
            else []
        ),
        node("Cast", "a" if bias else "i", "f", to=messages.FLOAT),
        node("Mul", "ss,f", "y"),
    ]
    # Old versions of onnxruntime support it only for unsigned weights.
    tensors = [
        tensor("w", RANDOM.integers(28, 228, (channels, 3, 5)).astype(np.uint8)),
        tensor("wz", np.uint8(128)),
        tensor("ws", np.float32(0.01)),
        tensor("b", RANDOM.uniform(-1, 1, channels).astype(np.float32)),
        tensor("shape", np.array([1, channels, 1], np.int64)),
    ]
    return nodes, tensors


def memory(*, per_gate: bool = False) -> tuple[list[Any], list[Any]]:
    """A dynamically quantised LSTM of one direction, 3 inputs and 2 hidden values."""
    inputs = "x,w,r,b,,,,,ws,wz,rs,rz"
    scale = RANDOM.uniform(0.01, 0.02, (1, 8) if per_gate else (1,)).astype(np.float32)
    # onnxruntime supports scales of gates only with a zero point of 0.
    zero = np.full(scale.shape, 0 if per_gate else 2, np.int8)
    return [node("DynamicQuantizeLSTM", inputs, "y", "com.microsoft", hidden_size=2)], [
        tensor("w", RANDOM.integers(-100, 100, (1, 3, 8)).astype(np.int8)),
        tensor("r", RANDOM.integers(-100, 100, (1, 2, 8)).astype(np.int8)),
        tensor("b", RANDOM.uniform(-1, 1, (1, 16)).astype(np.float32)),
        *(tensor(name, scale) for name in ("ws", "rs")),
        *(tensor(name, zero) for name in ("wz", "rz")),
    ]


def compute(model: Any, x: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def rewritten(model: Any) -> graph.Outcome:
    """Rewrite a model, and add the weights to its graph."""
    outcome = graph.rewrite(model.graph)
    model.graph.initializer.extend(tensor(name, weight) for name, weight in outcome.weights.items())
    return outcome


class RewriteTest(unittest.TestCase):
    def test_a_rewritten_model_gives_the_same_output(self) -> None:
        cases = {
            "a matrix": (matrix(), (6, 7), "MatMul"),
            "a matrix with a scale per channel": (matrix(per_channel=True), (6, 7), "MatMul"),
            "a convolution": (convolution(), (1, 3, 20), "Conv"),
            "a convolution without bias": (convolution(bias=False), (1, 3, 20), "Conv"),
            "an LSTM": (memory(), (4, 1, 3), "LSTM"),
            "an LSTM with a scale per gate": (memory(per_gate=True), (4, 1, 3), "LSTM"),
        }
        for name, ((nodes, tensors), shape, operator) in cases.items():
            with self.subTest(name):
                model = model_of(nodes, tensors)
                x = RANDOM.uniform(-1, 1, shape).astype(np.float32)
                before = compute(model, x)
                self.assertEqual(rewritten(model)[1:], (1, {}))
                self.assertEqual([each.op_type for each in model.graph.node], [operator])
                after = compute(model, x)
                self.assertEqual(after.shape, before.shape)
                # The quantised operator's input has 255 steps from -1 to 1, which bounds its error.
                np.testing.assert_allclose(after, before, atol=0.05 * float(np.abs(before).max()))
                self.assertGreater(float(np.abs(after - before).max()), 0, "it still computes with integers")

    def test_unused_nodes_and_tensors_are_removed_and_others_stay(self) -> None:
        nodes, tensors = matrix()
        model = model_of([*nodes, node("Identity", "y", "unused")], [*tensors, tensor("other", np.float32(1))])
        rewritten(model)
        self.assertEqual([each.name for each in model.graph.initializer], ["w * ws"])
        self.assertEqual([each.op_type for each in model.graph.node], ["MatMul"])

    def test_an_operator_in_an_unknown_pattern_is_unchanged(self) -> None:
        cases = {
            "no scaling follows it": matrix(multiply=node("Add", "f,ss", "y")),
            "no cast to float32 follows it": matrix(cast=node("Cast", "i", "f", to=messages.INT32)),
            "its zero point is not that of the input": matrix(product=node("MatMulInteger", "q,w,wz,wz", "i")),
            "there is no DynamicQuantizeLinear where one is expected": matrix(
                quantise=node("QuantizeLinear", "x", "q,s,z")
            ),
            "there is no Mul where one is expected": matrix(scale=node("Div", "s,ws", "ss")),
            "its result is used in several places": (lambda made: ([*made[0], node("Abs", "i", "e")], made[1]))(
                matrix()
            ),
            "a weight, scale or zero point is not a constant": matrix(product=node("MatMulInteger", "q,q,z", "i")),
            "its weights are not integers of 8 bits": matrix(product=node("MatMulInteger", "q,ws,z", "i")),
        }
        for reason, (nodes, tensors) in cases.items():
            with self.subTest(reason):
                model = model_of(nodes, tensors)
                self.assertEqual(graph.rewrite(model.graph), ({}, 0, {f"MatMulInteger: {reason}": 1}))
                self.assertIn("MatMulInteger", [each.op_type for each in model.graph.node])

    def test_an_unknown_pattern_does_not_prevent_other_rewrites(self) -> None:
        nodes, tensors = matrix()
        # A second operator, whose result is the input of the first.
        other = [node("DynamicQuantizeLinear", "y", "q2,s2,z2"), node("MatMulInteger", "q2,w,z2,wz", "i2")]
        model = model_of([*nodes, *other], tensors)
        model.graph.output.add(name="i2")
        outcome = graph.rewrite(model.graph)
        self.assertEqual(outcome.replaced, 1)
        self.assertEqual(outcome.left, {"MatMulInteger: its result is used in several places": 1})
        self.assertEqual(
            sorted(each.name for each in model.graph.initializer), ["w", "wz"], "the other one needs its weights"
        )

    def test_a_graph_with_subgraphs_is_rejected(self) -> None:
        nodes, tensors = matrix()
        inner = node("If", "x", "unused")
        inner.attribute.add(name="then_branch").g.node.add(op_type="Identity", input=["f"], output=["o"])
        with self.assertRaisesRegex(graph.UnsupportedGraph, "contains other graphs"):
            graph.rewrite(model_of([*nodes, inner], tensors).graph)

    def test_damaged_weights_are_rejected(self) -> None:
        nodes, tensors = matrix()
        tensors[0].raw_data = tensors[0].raw_data[:-1]
        left = graph.rewrite(model_of(nodes, tensors).graph).left
        self.assertEqual(left, {"MatMulInteger: `w` is damaged": 1})
        nodes, tensors = matrix(per_channel=True)
        tensors[2] = tensor("ws", np.ones(4, np.float32))
        left = graph.rewrite(model_of(nodes, tensors).graph).left
        self.assertEqual(left, {"MatMulInteger: its scales do not fit its weights": 1})
