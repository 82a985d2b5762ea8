"""Which weights of an ONNX graph lie in other files, and where; read without the package onnx.

Only what that needs of the format (onnx.proto): see `small_graphs`, which writes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

# Sides of numbers by TensorProto.DataType; those without a numpy type are given as bits.
NUMPY = {
    **{1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2"},
    **{11: "<f8", 12: "<u4", 13: "<u8", 16: "<u2", 17: "u1", 18: "u1", 19: "u1", 20: "u1"},
}
EXTERNAL = 1  # TensorProto.DataLocation
MAX_DEPTH = 64  # of graphs in graphs
VARINT, BYTES, FIXED = 0, 2, {1: 8, 5: 4}  # kinds of a field, and how many bytes fixed ones have
Field = tuple[int, int | memoryview]


class UnreadableGraphError(ValueError):
    """A file that is no graph, or whose weights are not where they can be; the message says why."""


@dataclass
class ExternalTensor:
    """Weights that lie in another file.

    Args:
        dims: sides of the array.
        kind: TensorProto.DataType.
        places: `location`, `offset` and `length`, as texts; the last two may be left out.
    """

    name: str = ""
    dims: list[int] = field(default_factory=list)
    kind: int = 0
    is_external: bool = False
    places: dict[str, str] = field(default_factory=dict)

    @property
    def location(self) -> str:
        return self.places.get("location", "")

    def array(self, content: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Return the weights as they lie in the content of their file, without a copy.

        Raises:
            UnreadableGraphError: they reach over its end, or are of a kind or size that cannot be.
        """
        if self.kind not in NUMPY or any(side < 0 for side in self.dims):
            raise UnreadableGraphError(f"weights '{self.name}' of type {self.kind} {self.dims}")
        numbers = np.dtype(NUMPY[self.kind])
        size = math.prod(self.dims) * numbers.itemsize
        try:
            offset = int(self.places.get("offset", 0))
            length = int(self.places.get("length", size))
        except ValueError:
            raise UnreadableGraphError(f"weights '{self.name}' lie at {self.places}") from None
        if length != size or not 0 <= offset <= len(content) - size:
            raise UnreadableGraphError(
                f"weights '{self.name}' {self.dims} need {size} bytes, {length} are named at "
                f"{offset} of '{self.location}', which has {len(content)}"
            )
        found = content[offset : offset + size]
        if found.ctypes.data % numbers.itemsize:
            found = found.copy()
        try:
            return cast(NDArray[np.generic], found.view(numbers).reshape(self.dims))
        except ValueError as error:  # more sides than numpy has, or 0 of very many
            raise UnreadableGraphError(f"weights '{self.name}': {error}") from None


def external_tensors(model: memoryview) -> list[ExternalTensor]:
    """Return the initializers of a model's graph that lie in other files.

    Raises:
        UnreadableGraphError: the file is cut off or no model; weights lie in other files that are
            no initializers, where nothing could be put in their place.
    """
    found: list[ExternalTensor] = []
    for number, value in _fields(model):
        if number == 7:
            found += _of_graph(_bytes(value), 0)
        elif number == 25:
            for inner, node in _fields(_bytes(value)):
                if inner == 7:
                    _refuse(_of_node(_bytes(node), 0))
    return found


def _of_graph(graph: memoryview, depth: int) -> list[ExternalTensor]:
    if depth > MAX_DEPTH:
        raise UnreadableGraphError(f"graphs in graphs, deeper than {MAX_DEPTH}")
    found: list[ExternalTensor] = []
    for number, value in _fields(graph):
        if number == 5:
            found += _external(_bytes(value))
        elif number == 1:
            _refuse(_of_node(_bytes(value), depth))
        elif number == 15:
            _refuse(_of_sparse(_bytes(value)))
    return found


def _of_node(node: memoryview, depth: int) -> Iterator[ExternalTensor]:
    for number, attribute in _fields(node):
        if number != 5:
            continue
        for part, value in _fields(_bytes(attribute)):
            if part in (5, 10):
                yield from _external(_bytes(value))
            elif part in (6, 11):
                yield from _of_graph(_bytes(value), depth + 1)
            elif part in (22, 23):
                yield from _of_sparse(_bytes(value))


def _of_sparse(tensor: memoryview) -> Iterator[ExternalTensor]:
    for number, value in _fields(tensor):
        if number in (1, 2):
            yield from _external(_bytes(value))


def _refuse(tensors: Iterator[ExternalTensor]) -> None:
    for tensor in tensors:
        raise UnreadableGraphError(
            f"weights '{tensor.name}' of '{tensor.location}' are no initializer of the graph itself"
        )


def _external(tensor: memoryview) -> list[ExternalTensor]:
    """Return a tensor if it lies in another file."""
    found = ExternalTensor()
    for number, value in _fields(tensor):
        if number == 1:
            found.dims += [value] if isinstance(value, int) else _varints(value)
        elif number == 2:
            found.kind = _number(value)
        elif number == 8:
            found.name = _text(value)
        elif number == 13:
            entry = {part: _text(text) for part, text in _fields(_bytes(value))}
            found.places[entry.get(1, "")] = entry.get(2, "")
        elif number == 14:
            found.is_external = value == EXTERNAL
    found.dims = [side - (side >> 63 << 64) for side in found.dims]  # of two's complement
    return [found] if found.is_external else []


def _fields(message: memoryview) -> Iterator[Field]:
    """Yield number and value of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif kind == BYTES:
            length, at = _varint(message, at)
            yield key >> 3, _cut(message, at, length)
            at += length
        elif kind in FIXED:
            _cut(message, at, FIXED[kind])
            at += FIXED[kind]
        else:
            raise UnreadableGraphError(f"no ONNX file: a field of kind {kind}")


def _cut(message: memoryview, at: int, length: int) -> memoryview:
    if length > len(message) - at:
        raise UnreadableGraphError("no ONNX file, or it is cut off")
    return message[at : at + length]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = 0
    for k, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << 7 * k
        if byte < 128:
            return value & (1 << 64) - 1, at + k + 1
    raise UnreadableGraphError("no ONNX file, or it is cut off")


def _varints(message: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        found.append(value)
    return found


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise UnreadableGraphError("no ONNX file: a number where a message is needed")
    return value


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise UnreadableGraphError("no ONNX file: a message where a number is needed")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)).decode(errors="replace")
