"""ONNX graphs of a few nodes, written without the package onnx: arithmetic that stays on a device.

Only what these graphs need of the format (onnx.proto): a message is a run of fields, each a key
(number << 3 | kind) and a value, a varint or bytes with their length in front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FLOAT, INT64, FLOAT16, DOUBLE, BFLOAT16 = 1, 7, 10, 11, 16  # TensorProto.DataType
RANKS = {FLOAT: 5, INT64: 1, DOUBLE: 0}  # arrays are latents, float64 is for weights
IR_VERSION, OPSET = 9, 18
CONTRIB = "com.microsoft"  # the domain of ONNX Runtime's own operators, of which there is version 1
TERMS = "abc"  # inputs of `blend`
INT = 2  # AttributeProto.AttributeType


@dataclass(frozen=True)
class Node:
    """One operator; attributes are integers."""

    operator: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, int] = field(default_factory=dict)
    domain: str = ""


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


def attention(kind: int) -> bytes:
    """`attended` of `query`, `key` and `value` (1, N, width) with one head, computed in `kind`."""
    given = ("query", "key", "value")
    nodes = [Node("Cast", [name], f"{name}_", {"to": kind}) for name in given]
    names = [f"{name}_" for name in given]
    nodes.append(Node("MultiHeadAttention", names, "attended_", {"num_heads": 1}, CONTRIB))
    nodes.append(Node("Cast", ["attended_"], "attended", {"to": FLOAT}))
    return model(nodes, dict.fromkeys(given, FLOAT), {"attended": FLOAT}, {FLOAT: 3})


def model(
    nodes: Sequence[Node],
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    ranks: Mapping[int, int] = RANKS,
) -> bytes:
    """A ModelProto.

    Args:
        inputs, outputs: data types by name.
        ranks: how many sides a type's tensors have; their lengths are left open.
    """
    graph = b"".join(
        [
            *(_message(1, _node(node)) for node in nodes),
            _message(2, b"graph"),
            *(_message(11, _value(name, kind, ranks[kind])) for name, kind in inputs.items()),
            *(_message(12, _value(name, kind, ranks[kind])) for name, kind in outputs.items()),
        ]
    )
    versions = {"": OPSET, CONTRIB: 1}
    opsets = [_message(1, name.encode()) + _number(2, v) for name, v in versions.items()]
    return b"".join(
        [_number(1, IR_VERSION), _message(7, graph), *(_message(8, opset) for opset in opsets)]
    )


def _node(node: Node) -> bytes:
    parts = [_message(1, name.encode()) for name in node.inputs]
    parts += [_message(2, node.output.encode()), _message(3, node.output.encode())]
    parts += [_message(4, node.operator.encode())]
    parts += [
        _message(5, _message(1, name.encode()) + _number(3, value) + _number(20, INT))
        for name, value in node.attributes.items()
    ]
    parts.append(_message(7, node.domain.encode()))
    return b"".join(parts)


def _value(name: str, kind: int, rank: int) -> bytes:
    tensor = _number(1, kind) + _message(2, rank * _message(1, b""))
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
