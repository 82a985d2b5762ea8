"""Answers are compared with true clips where sources tell what is true, and smooth elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from anyview_ros.errors import AnyviewError
from anyview_ros.model.codec import LinearCodec, fit_codec
from anyview_ros.training import feature_distance
from anyview_ros.training.config import parse_config
from anyview_ros.training.perceptual_loss import explained_mask, load_distance, perceptual_losses
from tests.training.tiny import CONFIG, tiny_run

CPU = torch.device("cpu")
CHANNELS, CELLS = 12, (2, 8, 16)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def candidates(*latents: Tensor, seen: float = 1.0) -> Tensor:
    """(1, P, C + 2, T', H', W'); all cells are seen, or none."""
    marks = torch.tensor([seen, 0.0])[:, None, None, None].expand(2, *CELLS)
    return torch.stack([torch.cat([latent, marks]) for latent in latents])[None]


def test_what_a_candidate_shows_is_told() -> None:
    truth, other = (random(CHANNELS, *CELLS, seed=seed) for seed in (1, 2))
    assert explained_mask(candidates(other, truth), truth[None]).min() > 0.95
    assert explained_mask(candidates(other, other), truth[None]).max() < 0.05
    assert explained_mask(candidates(truth, truth, seen=0.0), truth[None]).max() < 0.05


def test_where_nothing_is_a_candidate_need_not_fit_to_the_last_digit() -> None:
    flat = torch.zeros(CHANNELS, *CELLS)
    assert explained_mask(candidates(flat + 0.05), flat[None]).min() > 0.9


def test_told_cells_are_those_of_the_candidate() -> None:
    truth, other = (random(CHANNELS, *CELLS, seed=seed) for seed in (1, 2))
    half = torch.where(torch.arange(CELLS[2]) < 8, truth, other)
    share = explained_mask(candidates(half), truth[None])[0, :, :, :]
    assert share[..., :6].min() > 0.9
    assert share[..., 10:].max() < 0.1


@pytest.fixture(scope="module")
def codec() -> LinearCodec:
    """Its first channels are the colour of a cell, as of real pictures."""
    coarse = random(8, 3, 5, 8, 16).repeat_interleave(4, dim=3).repeat_interleave(4, dim=4)
    return fit_codec([coarse[:, :, :1].expand(-1, -1, 5, -1, -1)], CHANNELS)


def clips(codec: LinearCodec) -> tuple[Tensor, Tensor]:
    """Two clips of one scene: latents (2, C, T', H', W') and their frames."""
    latent = 0.3 * random(2, CHANNELS, *CELLS, seed=3)
    return latent, codec.decode(latent)


def look(codec: LinearCodec, answer: Tensor, target: Tensor, certain: float) -> float:
    distance = load_distance(parse_config(CONFIG.replace("[16, 32]", "[32, 64]")), CPU)
    share = torch.full((2, *CELLS), certain)
    return float(perceptual_losses(distance, codec, answer, target, share, [5])[0])


def test_the_truth_looks_right_and_a_blurred_answer_does_not(codec: LinearCodec) -> None:
    latent, target = clips(codec)
    assert look(codec, latent, target, 1.0) == pytest.approx(0.0, abs=1e-6)
    blurred = torch.cat([latent[:, :3], torch.zeros_like(latent[:, 3:])], dim=1)
    assert look(codec, blurred, target, 1.0) > 0.05


def test_where_nothing_tells_only_texture_counts(codec: LinearCodec) -> None:
    latent, target = clips(codec)
    flat = torch.full_like(target, 0.5)
    smooth = codec.encode(torch.full_like(target, -0.5))
    assert look(codec, smooth, flat, 0.0) == pytest.approx(0.0, abs=1e-6)
    assert look(codec, smooth, flat, 1.0) > 0.05
    assert look(codec, latent, flat, 0.0) > 0.01


def test_a_scene_is_looked_at_alike_wherever_it_lies_in_a_batch(codec: LinearCodec) -> None:
    """So processes that share a batch find what one would."""
    distance = load_distance(parse_config(CONFIG.replace("[16, 32]", "[32, 64]")), CPU)
    latent, target = clips(codec)
    answers = torch.cat([0.5 * latent, 0.8 * latent])
    certain = torch.ones(4, *CELLS)
    both = perceptual_losses(
        distance, codec, answers, target.repeat(2, 1, 1, 1, 1), certain, [5, 6]
    )
    for k in range(2):
        mine = slice(2 * k, 2 * k + 2)
        alone = perceptual_losses(distance, codec, answers[mine], target, certain[mine], [5 + k])
        assert alone == pytest.approx(both[k : k + 1], rel=1e-5)


def test_runs_that_cannot_be_looked_at_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        AnyviewError, match="32 pixels a side or more, this one has 3 planes and 16"
    ):
        load_distance(tiny_run(), CPU)
    plain = CONFIG.replace("[16, 32]", "[32, 64]").replace(
        "plane_sweep = [0.0, 1.0]", "plane_sweep = []"
    )
    with pytest.raises(AnyviewError, match="needs a model with a plane sweep"):
        load_distance(parse_config(plain), CPU)
    monkeypatch.setattr(feature_distance, "in_wheel", lambda package, file: None)
    with pytest.raises(AnyviewError, match="stlpips-pytorch, which is not installed"):
        load_distance(parse_config(CONFIG.replace("[16, 32]", "[32, 64]")), CPU)
