"""The one-way law, against the joint forward written the slow way."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anyview_ros.errors import AnyviewError
from anyview_ros.model.one_way.block import rms_normalize
from anyview_ros.model.one_way.config import RAY_VALUES, SWEEP_MARKS, NetworkConfig
from anyview_ros.model.one_way.detail import UNSAID
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.model.one_way.position import rotary_angles, rotate
from anyview_ros.model.one_way.sweep import COLOURS
from anyview_ros.model.one_way.tokens import patchify, unpatchify

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
        network.variance.uniform_(0.01, 4.0)
    return network.requires_grad_(False)


def inputs(seed: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(batch, CONFIG.channels, *GRID, generator=generator)
    return latent, torch.randn(batch, RAY_VALUES, *GRID, generator=generator).clamp(-1, 1)


def joint_forward(
    net: OneWayDenoiser, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor], t: Tensor
) -> Tensor:
    """All tokens in one sequence, each block over all of them, with a mask. One clip at a time."""
    latent, rays = target
    sigma = (t / (1 - t))[:, None, :, None, None]
    y = latent * (1 + sigma)
    variance = net.variance.T[None, :, :, None, None]  # of as many latent frames as GRID has
    source_tokens = net.source_tokens(*source)
    visible = y * variance / (variance + sigma**2)
    target_tokens = net.target_tokens(visible, rays)
    x, count = torch.cat([source_tokens, target_tokens], dim=1), source_tokens.shape[1]
    is_target = torch.arange(x.shape[1]) >= count
    hidden = ~is_target[:, None] & is_target[None, :]  # a source row never sees a target column
    cells = count // GRID[0]
    tokens = torch.arange(x.shape[1]) % count
    level = torch.where(
        is_target[None, :, None, None],
        net._level(t)[:, tokens // cells],
        net._level(0 * t)[:, tokens // cells],
    )
    for block in net.stack:
        shift1, scale1, gate1, shift2, scale2, gate2 = (level + block.table).unbind(2)
        mixed = block.qkv(rms_normalize(x) * (1 + scale1) + shift1)
        outputs = []
        for head in range(CONFIG.heads):
            part = slice(head * CONFIG.head_width, (head + 1) * CONFIG.head_width)
            query, key, value = (m[..., part] for m in mixed.chunk(3, dim=-1))
            query = turned(rms_normalize(query) * block.query_scale)
            key = turned(rms_normalize(key) * block.key_scale)
            scores = query @ key.transpose(1, 2) / math.sqrt(CONFIG.head_width)
            outputs.append(scores.masked_fill(hidden, -math.inf).softmax(-1) @ value)
        x = x + (1 + gate1) * block.out(torch.cat(outputs, dim=-1))
        hidden_values = block.expand(rms_normalize(x) * (1 + scale2) + shift2)
        x = x + (1 + gate2) * block.shrink(
            torch.nn.functional.gelu(hidden_values, approximate="tanh")
        )
    said = unpatchify(net.head(rms_normalize(x[:, count:]), GRID[0]), latent.shape, CONFIG.patch)
    level = (sigma / (1 + sigma)).expand(-1, 1, *GRID)
    seen = torch.cat([said, visible, level], dim=1)
    layers = [net.detail.first, *[net.detail.later] * (GRID[0] - 1)]
    said = said + torch.stack([layer(seen[:, :, i]) for i, layer in enumerate(layers)], dim=2)
    unsaid = net.detail.log_unsaid.exp().T[None, :, :, None, None]
    passes = unsaid / (unsaid + sigma**2)  # EDM's c_skip for data of that variance
    return passes * y + (1 - passes) * said


def turned(x: Tensor) -> Tensor:
    """Rotary positions as complex numbers, for both views after each other."""
    grid = (GRID[0], GRID[1] // 2, GRID[2] // 2)
    angles = rotary_angles(grid, CONFIG.head_width, torch.device("cpu")).repeat(2, 1)
    a, b = x.double().chunk(2, dim=-1)
    spun = torch.complex(a, b) * torch.polar(torch.ones_like(angles), angles).to(torch.complex128)
    return torch.cat([spun.real, spun.imag], dim=-1).float()


def test_cached_keys_give_what_the_joint_masked_forward_gives(network: OneWayDenoiser) -> None:
    source, target, t = inputs(1), inputs(2), torch.tensor([[0.3, 0.5], [0.9, 0.0]])
    fast = network(target[0], t, target[1], network.condition(*source))
    slow = joint_forward(network, source, target, t)
    assert torch.allclose(fast, slow, atol=2e-4 * float(slow.abs().max()))


def test_the_target_sees_the_source(network: OneWayDenoiser) -> None:
    target, t = inputs(2), torch.tensor([[0.3, 0.3], [0.9, 0.9]])
    outputs = [network(target[0], t, target[1], network.condition(*inputs(s))) for s in (1, 3)]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-2


def test_one_source_serves_many_targets(network: OneWayDenoiser) -> None:
    (latent, rays), t = inputs(4, batch=3), torch.tensor([[0.2, 0.0], [0.5, 0.5], [0.8, 0.8]])
    cached = network.condition(*inputs(1, batch=1))
    together = network(
        latent, t, rays, [(k.expand(3, -1, -1, -1), v.expand(3, -1, -1, -1)) for k, v in cached]
    )
    alone = [network(latent[i : i + 1], t[i : i + 1], rays[i : i + 1], cached) for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_a_fresh_network_passes_what_little_noise_leaves_of_detail() -> None:
    """The best guess from y = x0 + s n alone, for data of variance d^2, is y / (1 + (s/d)^2)."""
    network = OneWayDenoiser(CONFIG).requires_grad_(False)
    (latent, rays), sigma = inputs(5), torch.tensor([[0.05, 0.05], [3.0, 1.0]])
    t = sigma / (1 + sigma)
    sigma = sigma[:, None, :, None, None]
    guess = network(latent / (1 + sigma), t, rays, network.condition(*inputs(1)))
    assert torch.allclose(guess, latent / (1 + (sigma / UNSAID) ** 2), atol=1e-5)


def test_noise_that_hides_all_is_not_seen(network: OneWayDenoiser) -> None:
    """At sigma 80 one noise gives what another gives; of sigma 1 that is not so."""
    first, second = inputs(5), inputs(6)
    source = network.condition(*inputs(1))

    def apart(sigma: float) -> float:
        t = torch.full((2, GRID[0]), sigma / (1 + sigma))
        answers = [network(latent, t, first[1], source) for latent, _ in (first, second)]
        return float((answers[0] - answers[1]).abs().max() / answers[0].abs().max())

    assert apart(80.0) < 0.1
    assert apart(1.0) > 0.3


@pytest.mark.parametrize("where", [0, 1])  # what tokens say, what shows through the noise
def test_detail_reaches_over_the_border_of_a_token(network: OneWayDenoiser, where: int) -> None:
    seen = [inputs(6)[0], inputs(7)[0]]
    before = network.detail(seen[0], seen[0], seen[1], torch.full((2, 1, GRID[0], 1, 1), 0.5))
    seen[where] = seen[where].clone()
    seen[where][:, :, :, 0, 1] += 1.0  # the last cell of a token
    noisy = inputs(6)[0]
    after = network.detail(seen[0], noisy, seen[1], torch.full((2, 1, GRID[0], 1, 1), 0.5))
    differs = (after - before).abs().amax(dim=(0, 1, 2, 3)) > 1e-3
    assert differs.tolist() == [True, True, True, True, False, False]


def test_known_frames_come_back_as_they_are(network: OneWayDenoiser) -> None:
    """At no noise the answer is the input, whatever the network says."""
    (latent, rays), t = inputs(8), torch.tensor([[0.0, 0.7], [0.0, 0.2]])
    answer = network(latent, t, rays, network.condition(*inputs(1)))
    assert torch.equal(answer[:, :, 0], latent[:, :, 0])
    assert not torch.allclose(answer[:, :, 1], latent[:, :, 1], atol=1e-2)


@pytest.fixture
def sweeping() -> OneWayDenoiser:
    return OneWayDenoiser(replace(CONFIG, channels=14, planes=3)).requires_grad_(False)


def swept(network: OneWayDenoiser, sweep: Tensor) -> Tensor:
    """What the network says at the highest noise, where the input says nothing."""
    generator = torch.Generator().manual_seed(3)
    latent = torch.randn(1, 14, *GRID, generator=generator)
    rays = torch.zeros(1, RAY_VALUES, *GRID)
    source = network.condition(latent, rays)
    return network(0 * latent, torch.full((1, GRID[0]), 1.0), rays, source, sweep)


def candidates() -> Tensor:
    """Three planes, all seen: (1, 3, 14 + marks, T', H', W')."""
    sweep = torch.randn(1, 3, 14 + SWEEP_MARKS, *GRID, generator=torch.Generator().manual_seed(9))
    sweep[:, :, -SWEEP_MARKS:] = torch.tensor([1.0, 0.0])[:, None, None, None]
    return sweep


def test_a_fresh_sweep_mixes_all_candidates_and_nothing_alike(sweeping: OneWayDenoiser) -> None:
    sweep = candidates()
    expected = sweep[:, :, :-SWEEP_MARKS].sum(dim=1) / 4
    assert torch.allclose(swept(sweeping, sweep), expected, atol=1e-5)


def test_a_candidate_that_is_not_seen_is_not_copied(sweeping: OneWayDenoiser) -> None:
    sweep = candidates()
    sweep[:, 1, -SWEEP_MARKS] = 0.0
    kept = sweep[:, [0, 2], :-SWEEP_MARKS].sum(dim=1) / 3
    assert torch.allclose(swept(sweeping, sweep), kept, atol=1e-5)


def test_a_token_copies_the_candidate_that_it_likes(sweeping: OneWayDenoiser) -> None:
    """One latent cell likes bright first channels: there the brightest candidate is copied."""
    assert sweeping.sweep is not None
    for part in (sweeping.sweep.like.first, sweeping.sweep.like.later):
        part.bias.zero_()
        part.bias[:4] = 1e4  # channel 0 of each of the 2 x 2 cells of a token
    sweep = candidates()
    latents = sweep[:, :, :-SWEEP_MARKS]
    best = latents[:, :, :1].argmax(dim=1, keepdim=True).expand(-1, 1, 14, -1, -1, -1)
    copied = latents.gather(1, best)[:, 0]
    positive = latents[:, :, 0].amax(dim=1) > 0.05  # else nothing, of score 0, is liked best
    answer = swept(sweeping, sweep).permute(0, 2, 3, 4, 1)[positive]
    assert torch.allclose(answer, copied.permute(0, 2, 3, 4, 1)[positive], atol=1e-4)


def test_in_use_detail_is_of_one_candidate_and_colours_are_mixed(sweeping: OneWayDenoiser) -> None:
    """A token likes one plane a little: its share of colours is a little more than the others'."""
    assert sweeping.sweep is not None
    for part in (sweeping.sweep.weigh.first, sweeping.sweep.weigh.later):
        part.bias.zero_()
        part.bias[2 * 4 : 3 * 4] = 0.1  # plane 1, after nothing and plane 0; 2 x 2 cells a token
    sweep = candidates()
    learned = swept(sweeping, sweep)
    sweeping.set_choice(1e4)
    answer = swept(sweeping, sweep)
    assert torch.allclose(answer[:, :COLOURS], learned[:, :COLOURS], atol=1e-5)
    assert torch.allclose(answer[:, COLOURS:], sweep[:, 1, COLOURS:-SWEEP_MARKS], atol=1e-4)
    assert not torch.allclose(answer[:, COLOURS:], learned[:, COLOURS:], atol=0.1)


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


def test_a_sweep_needs_coarse_channels() -> None:
    with pytest.raises(AnyviewError, match="a plane sweep needs at least 12 channels, got 6"):
        NetworkConfig(channels=6, planes=3)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(AnyviewError, match="width / heads must be a multiple of 8, got 32 / 3"):
        NetworkConfig(width=32, heads=3)
