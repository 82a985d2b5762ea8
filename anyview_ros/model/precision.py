"""The numbers that networks are trained in: bfloat16 where the hardware multiplies in it."""

from __future__ import annotations

import torch


def training_dtype(device: str) -> torch.dtype:
    """Return the dtype of large products in training: bfloat16, or float32 on CPUs without it.

    A CPU without AVX-512 emulates bfloat16: a product of matrices takes 50 times as long there.

    Args:
        device: type of a torch device, as "cpu" or "cuda".
    """
    if device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.float32
    return torch.bfloat16


def training_autocast(device: str) -> torch.autocast:
    """Return the context of a network in training; arguments as `training_dtype`."""
    dtype = training_dtype(device)
    return torch.autocast(device, dtype, enabled=dtype != torch.float32)
