"""Attention over many tokens, in torch or as the one node that ONNX Runtime has kernels for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional

FUSED = "com.microsoft::MultiHeadAttention"
_fused = ContextVar("fused", default=False)


@contextmanager
def fused_attention() -> Iterator[None]:
    """Trace `attention` as one node of ONNX Runtime, whose scores take no memory, in the body.

    ONNX Runtime fuses no subgraph of ours into it by itself; the subgraph writes all N x M scores,
    14 GB at 15,000 tokens and 16 heads.
    """
    token = _fused.set(True)
    try:
        yield
    finally:
        _fused.reset(token)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax attention of each head: query (B, N, heads, d), others (B, M, ..) -> (B, N,
    C)."""
    if _fused.get():
        heads = query.shape[2]
        merged = [part.flatten(2) for part in (query, key, value)]
        fused: Tensor = torch.onnx.ops.symbolic(
            FUSED,
            merged,
            {"num_heads": heads},
            dtype=query.dtype,
            shape=merged[0].shape,
            version=1,
        )
        return fused
    attended = functional.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    )
    return attended.transpose(1, 2).flatten(2)
