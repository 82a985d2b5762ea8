"""ONNX graphs of a few nodes, written without the package onnx: arithmetic that stays on a device.

Only what these graphs need of the format (onnx.proto): a message is a run of fields, each a key
(number << 3 | kind) and a value, a varint or bytes with their length in front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FLOAT, INT64, DOUBLE = 1, 7, 11  # TensorProto.DataType
RANKS = {FLOAT: 5, INT64: 1, DOUBLE: 0}  # arrays are latents, float64 is for weights
IR_VERSION, OPSET = 9, 18
TERMS = "abc"  # inputs of `blend`
INT = 2  # AttributeProto.AttributeType


@dataclass(frozen=True)
class Node:
    """One operator; attributes are integers."""

    operator: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, int] = field(default_factory=dict)


def blend(count: int) -> bytes:
    """`blended` = wa a + wb b + ..: float32 arrays, float64 weights, summed in float64."""
    names = TERMS[:count]
    nodes = [Node("Cast", [name], f"{name}64", {"to": DOUBLE}) for name in names]
    nodes += [Node("Mul", [f"w{name}", f"{name}64"], f"{name}w") for name in names]
    total = f"{names[0]}w"
    for name in names[1:]:
        nodes.append(Node("Add", [total, f"{name}w"], f"{name}t"))
        total = f"{name}t"
    nodes.append(Node("Cast", [total], "blended", {"to": FLOAT}))
    weights = {f"w{name}": DOUBLE for name in names}
    return model(nodes, dict.fromkeys(names, FLOAT) | weights, {"blended": FLOAT})


def apart() -> bytes:
    """`apart` = the mean of |a - b| over all values, in float64."""
    nodes = [
        Node("Sub", ["a", "b"], "difference"),
        Node("Abs", ["difference"], "size"),
        Node("Cast", ["size"], "size64", {"to": DOUBLE}),
        Node("ReduceMean", ["size64"], "apart", {"keepdims": 0}),
    ]
    return model(nodes, {"a": FLOAT, "b": FLOAT}, {"apart": DOUBLE})


def overlay() -> bytes:
    """`overlaid` = the values of `front`, then those of `whole` from `start` on, along axis 2."""
    nodes = [
        Node("Slice", ["whole", "start", "end", "axis"], "rest"),
        Node("Concat", ["front", "rest"], "overlaid", {"axis": 2}),
    ]
    places = dict.fromkeys(("start", "end", "axis"), INT64)
    return model(nodes, {"whole": FLOAT, "front": FLOAT} | places, {"overlaid": FLOAT})


def model(nodes: Sequence[Node], inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
    """A ModelProto.

    Args:
        inputs, outputs: data types by name; see RANKS, the sides are left open.
    """
    graph = b"".join(
        [
            *(_message(1, _node(node)) for node in nodes),
            _message(2, b"graph"),
            *(_message(11, _value(name, kind)) for name, kind in inputs.items()),
            *(_message(12, _value(name, kind)) for name, kind in outputs.items()),
        ]
    )
    opset = _message(1, b"") + _number(2, OPSET)
    return _number(1, IR_VERSION) + _message(7, graph) + _message(8, opset)


def _node(node: Node) -> bytes:
    parts = [_message(1, name.encode()) for name in node.inputs]
    parts += [_message(2, node.output.encode()), _message(3, node.output.encode())]
    parts += [_message(4, node.operator.encode())]
    parts += [
        _message(5, _message(1, name.encode()) + _number(3, value) + _number(20, INT))
        for name, value in node.attributes.items()
    ]
    return b"".join(parts)


def _value(name: str, kind: int) -> bytes:
    tensor = _number(1, kind) + _message(2, RANKS[kind] * _message(1, b""))
    return _message(1, name.encode()) + _message(2, _message(1, tensor))


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
