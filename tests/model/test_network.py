"""The one-way law, against the joint forward written the slow way."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from anyview_ros.errors import AnyviewError
from anyview_ros.model.network import (
    NetworkConfig,
    OneWayDenoiser,
    normalised,
    patchify,
    unpatchify,
)
from anyview_ros.model.position import rotary_angles, rotate

CONFIG = NetworkConfig(channels=6, patch=2, width=32, depth=3, heads=2)
GRID = (2, 4, 6)


@pytest.fixture
def network() -> OneWayDenoiser:
    """Random weights everywhere: a fresh network starts with silent branches."""
    torch.manual_seed(0)
    network = OneWayDenoiser(CONFIG)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.2)
    return network.requires_grad_(False)


def inputs(seed: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(batch, CONFIG.channels, *GRID, generator=generator)
    return latent, torch.randn(batch, 96, *GRID, generator=generator).clamp(-1, 1)


def joint_forward(
    net: OneWayDenoiser, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor], t: Tensor
) -> Tensor:
    """All tokens in one sequence, each block over all of them, with a mask. One clip at a time."""
    source_tokens, target_tokens = net.source_tokens(*source), net.target_tokens(*target)
    x, count = torch.cat([source_tokens, target_tokens], dim=1), source_tokens.shape[1]
    is_target = torch.arange(x.shape[1]) >= count
    hidden = ~is_target[:, None] & is_target[None, :]  # a source row never sees a target column
    level = torch.where(
        is_target[None, :, None, None], net._level(t)[:, None], net._level(0 * t)[:, None]
    )
    for block in net.stack:
        shift1, scale1, gate1, shift2, scale2, gate2 = (level + block.table).unbind(2)
        mixed = block.qkv(normalised(x) * (1 + scale1) + shift1)
        outputs = []
        for head in range(CONFIG.heads):
            part = slice(head * CONFIG.head_width, (head + 1) * CONFIG.head_width)
            query, key, value = (m[..., part] for m in mixed.chunk(3, dim=-1))
            query = turned(normalised(query) * block.query_scale)
            key = turned(normalised(key) * block.key_scale)
            scores = query @ key.transpose(1, 2) / math.sqrt(CONFIG.head_width)
            outputs.append(scores.masked_fill(hidden, -math.inf).softmax(-1) @ value)
        x = x + (1 + gate1) * block.out(torch.cat(outputs, dim=-1))
        hidden_values = block.expand(normalised(x) * (1 + scale2) + shift2)
        x = x + (1 + gate2) * block.shrink(
            torch.nn.functional.gelu(hidden_values, approximate="tanh")
        )
    output = unpatchify(net.head(normalised(x[:, count:]), GRID[0]), target[0].shape, CONFIG.patch)
    sigma = (t / (1 - t))[:, None, None, None, None]
    noisy = target[0] * (1 + sigma)
    return noisy / (1 + sigma**2) + output * sigma / (1 + sigma**2).sqrt()


def turned(x: Tensor) -> Tensor:
    """Rotary positions as complex numbers, for both views after each other."""
    grid = (GRID[0], GRID[1] // 2, GRID[2] // 2)
    angles = rotary_angles(grid, CONFIG.head_width, torch.device("cpu")).repeat(2, 1)
    a, b = x.double().chunk(2, dim=-1)
    spun = torch.complex(a, b) * torch.polar(torch.ones_like(angles), angles).to(torch.complex128)
    return torch.cat([spun.real, spun.imag], dim=-1).float()


def test_cached_keys_give_what_the_joint_masked_forward_gives(network: OneWayDenoiser) -> None:
    source, target, t = inputs(1), inputs(2), torch.tensor([0.3, 0.9])
    fast = network(target[0], t, target[1], network.condition(*source))
    slow = joint_forward(network, source, target, t)
    assert torch.allclose(fast, slow, atol=2e-4 * float(slow.abs().max()))


def test_the_target_sees_the_source(network: OneWayDenoiser) -> None:
    target, t = inputs(2), torch.tensor([0.3, 0.9])
    outputs = [network(target[0], t, target[1], network.condition(*inputs(s))) for s in (1, 3)]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-2


def test_one_source_serves_many_targets(network: OneWayDenoiser) -> None:
    (latent, rays), t = inputs(4, batch=3), torch.tensor([0.2, 0.5, 0.8])
    cached = network.condition(*inputs(1, batch=1))
    together = network(
        latent, t, rays, [(k.expand(3, -1, -1, -1), v.expand(3, -1, -1, -1)) for k, v in cached]
    )
    alone = [network(latent[i : i + 1], t[i : i + 1], rays[i : i + 1], cached) for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_a_fresh_network_is_the_best_linear_guess() -> None:
    """For unit-variance data the best guess from y = x0 + sigma n alone is y / (1 + sigma^2)."""
    network = OneWayDenoiser(CONFIG).requires_grad_(False)
    (latent, rays), sigma = inputs(5), torch.tensor([0.5, 3.0])
    t = sigma / (1 + sigma)
    noisy = latent / (1 + sigma)[:, None, None, None, None]
    guess = network(noisy, t, rays, network.condition(*inputs(1)))
    assert torch.allclose(guess, latent / (1 + sigma**2)[:, None, None, None, None], atol=1e-5)


def test_patches_round_trip() -> None:
    latent, _ = inputs(6)
    tokens = patchify(latent, 2)
    assert tokens.shape == (2, 2 * 2 * 3, 6 * 4)
    assert torch.equal(unpatchify(tokens, latent.shape, 2), latent)
    assert torch.equal(tokens[0, 4].reshape(6, 2, 2), latent[0, :, 0, 2:4, 2:4])


def test_rotary_scores_depend_on_distance_only() -> None:
    generator = torch.Generator().manual_seed(7)
    query, key = torch.randn(2, 1, 1, 1, 16, generator=generator)
    angles = rotary_angles((3, 4, 5), 16, torch.device("cpu"))
    rotated_query = rotate(query.expand(1, 1, 60, 16), angles)[0, 0].reshape(3, 4, 5, 16)
    rotated_key = rotate(key.expand(1, 1, 60, 16), angles)[0, 0].reshape(3, 4, 5, 16)
    here = rotated_query[0, 0, 0] @ rotated_key[1, 2, 3]
    there = rotated_query[1, 1, 1] @ rotated_key[2, 3, 4]
    elsewhere = rotated_query[0, 0, 0] @ rotated_key[1, 2, 2]
    assert torch.allclose(here, there, atol=1e-5)
    assert not torch.allclose(here, elsewhere, atol=1e-3)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(AnyviewError, match="width / heads must be a multiple of 8, got 32 / 3"):
        NetworkConfig(width=32, heads=3)
