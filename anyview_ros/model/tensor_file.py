"""Safetensors files written a tensor at a time: as large as the disk has room for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

DTYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}
ALIGNMENT = 8  # bytes, of the header


def write_tensors(path: Path, tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> None:
    """Write a safetensors file; of mapped tensors one at a time is in memory.

    `safetensors.torch.save_file` would hold all of them as bytes beside the tensors.

    Args:
        words: the file's metadata.
    """
    # The widest numbers first, so that each lies at a multiple of its size.
    ordered = dict(sorted(tensors.items(), key=lambda item: -item[1].element_size()))
    with path.open("wb") as stream:
        stream.write(_header(ordered, words))
        for tensor in ordered.values():
            flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
            stream.write(flat.numpy().data)


def _header(tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(words)}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
