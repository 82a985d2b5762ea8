"""The weights of a package's graphs: one file beside them, written a tensor at a time."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

STORED_AS_16_BITS = 1024  # values: smaller tensors, norms and tables, keep their 32 bits
WEIGHTS = "weights.bin"
ALIGNMENT = 64  # bytes
WIDE = ir.DataType.FLOAT
DTYPES = {
    torch.float32: ir.DataType.FLOAT,
    torch.float16: ir.DataType.FLOAT16,
    torch.bfloat16: ir.DataType.BFLOAT16,
}
TORCH_DTYPES = {ours: torchs for torchs, ours in DTYPES.items()}


class SharedWeights:
    """One file of 16-bit weights for all graphs of a package, open until the block's end.

    `condition` and `denoise` are the same transformer: weights that are equal are stored once.

    Args:
        folder: of the package.
        stored_as: float16, to which every float32 weight is rounded; or bfloat16, in which weights
            are stored that are such numbers already, the others in 32 bits, so none is changed.
        name: of the file.
    """

    def __init__(
        self, folder: Path, stored_as: torch.dtype = torch.float16, name: str = WEIGHTS
    ) -> None:
        self._file = (folder / name).open("wb")
        self._folder, self._name = folder, name
        self._stored_as = stored_as
        self._places: dict[bytes, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Return the bytes written, all of them on the disk."""
        self._file.flush()
        return self._file.tell()

    def take_from(self, model: ir.Model) -> None:
        """Move the large weights of a graph here; those narrowed are followed by a cast to 32 bits.

        ONNX Runtime folds the casts when it loads the graph: the size halves, the arithmetic
        stays. Casts and transposes of a weight that the graph already has are done here.
        """
        for value in list(model.graph.initializers.values()):
            tensor = value.const_value
            if tensor is None or tensor.dtype not in TORCH_DTYPES:
                continue
            if tensor.size >= STORED_AS_16_BITS:
                self._take(model.graph, value, as_torch(tensor))

    def _take(self, graph: ir.Graph, value: ir.Value, weight: Tensor) -> None:
        passed, weight = _as_read(value, weight)
        stored = self._narrowed(weight)
        read = passed[-1].outputs[0] if passed else value
        initializer = self._placed(f"{value.name}.stored", stored)
        graph.initializers.add(initializer)
        replacement = initializer
        if stored.dtype != weight.dtype:
            cast = ir.node("Cast", [initializer], {"to": WIDE})
            replacement = cast.outputs[0]
            replacement.name = f"{value.name}.wide"
            replacement.type, replacement.shape = ir.TensorType(WIDE), initializer.shape
            graph.insert_before(graph[0], cast)
        read.replace_all_uses_with(replacement)
        graph.remove(reversed(passed), safe=True)
        del graph.initializers[str(value.name)]

    def _narrowed(self, weight: Tensor) -> Tensor:
        """Return the weight as it is stored; as it is if bfloat16 would change it."""
        if weight.dtype != torch.float32:
            return weight
        narrow = weight.to(self._stored_as)
        if self._stored_as == torch.bfloat16 and not torch.equal(narrow.float(), weight):
            return weight
        return narrow

    def _placed(self, name: str, weight: Tensor) -> ir.Value:
        """Return an initializer whose values are in the file."""
        raw = weight.contiguous().reshape(-1).view(torch.uint8).numpy().data
        digest = sha256(raw).digest()
        if digest not in self._places:
            self._places[digest] = self._file.tell()
            self._file.write(raw)
            self._file.write(bytes(-len(raw) % ALIGNMENT))
        dtype, shape = DTYPES[weight.dtype], ir.Shape(weight.shape)
        place = ir.ExternalTensor(
            self._name,
            self._places[digest],
            len(raw),
            dtype,
            shape=shape,
            name=name,
            base_dir=self._folder,
        )
        return ir.Value(name=name, type=ir.TensorType(dtype), shape=shape, const_value=place)


def _as_read(value: ir.Value, weight: Tensor) -> tuple[list[ir.Node], Tensor]:
    """Return the casts and transposes that a weight goes through before it is used, and the weight
    after them."""
    passed: list[ir.Node] = []
    while len(uses := value.uses()) == 1:
        node = next(iter(uses)).node
        if node.op_type == "Cast" and node.attributes["to"].as_int() in TORCH_DTYPES:
            weight = weight.to(TORCH_DTYPES[ir.DataType(node.attributes["to"].as_int())])
        elif node.op_type == "Transpose" and "perm" in node.attributes:
            weight = weight.permute(*node.attributes["perm"].as_ints())
        else:
            break
        value = node.outputs[0]
        passed.append(node)
    return passed, weight


def as_torch(tensor: ir.TensorProtocol) -> Tensor:
    """Return the values of a graph's tensor, shared with torch's if it has them, mapped ones
    too."""
    raw = tensor.raw if isinstance(tensor, ir.Tensor) else None
    if isinstance(raw, Tensor):
        return raw.detach()
    array = np.array(tensor.numpy())
    if tensor.dtype == ir.DataType.BFLOAT16:  # a dtype that torch does not take from numpy
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
