"""Training multiplies in bfloat16 only where the hardware does."""

from __future__ import annotations

import pytest
import torch

from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.precision import training_autocast, training_dtype


@pytest.mark.parametrize(("supported", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_trains_in_what_it_multiplies_in(
    monkeypatch: pytest.MonkeyPatch, supported: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert training_dtype("cpu") == dtype
    with training_autocast("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    clips = torch.randint(0, 256, (1, 5, 8, 8, 3), dtype=torch.uint8)
    assert LinearCodec(channels=48).encode_bytes(clips).dtype == dtype


def test_a_gpu_trains_in_bfloat16() -> None:
    assert training_dtype("cuda") == torch.bfloat16
