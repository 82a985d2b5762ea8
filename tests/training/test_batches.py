"""Batches follow from (config, step) alone, and mean what they say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import plucker
from anyview_ros.training.batches import (
    SIGMA_MAX,
    draw_batch,
    draw_levels,
    draw_set_name,
    scene_tensors,
)
from anyview_ros.training.config import WHOLE_CONFIGS, TrainingConfig, parse_config, read_config
from anyview_ros.training.flow import flow_losses
from tests.training.tiny import CONFIG, painted, tiny_run, tiny_trainer

CONFIGS = Path(__file__).parents[2] / "config" / "training"


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
def test_a_step_has_one_batch_whatever_was_drawn_before(step: int) -> None:
    run = tiny_run()
    contract = run.contract()
    stores = painted(run)
    late = draw_batch(run, contract, stores, step)
    draw_batch(run, contract, stores, 2)
    again = draw_batch(run, contract, painted(run), step)
    for name in ("source", "source_rays", "target", "target_rays", "levels", "known"):
        assert torch.equal(getattr(late, name), getattr(again, name))
    assert late.noise_seeds == again.noise_seeds
    assert len(late.source) in (2, 4)  # one or two sources
    assert late.source.shape[1:] == (3, 5, 16, 32)
    assert late.target_rays.shape == (4, 24, 2, 4, 8)
    assert [images.shape for images in late.sweep] == [(3, 5, 16, 32, 3)] * 4
    assert [marks.shape for marks in late.marks] == [(3, 2, 2, 4, 8)] * 4


@pytest.mark.parametrize("step", [1, 7])
def test_shares_of_a_batch_are_the_batch(step: int) -> None:
    run = tiny_run()
    whole = draw_batch(run, run.contract(), painted(run), step)
    shares = [draw_batch(run, run.contract(), painted(run), step, (i, 2)) for i in (0, 1)]
    for name in ("source", "source_rays", "target", "target_rays", "levels", "known"):
        assert torch.equal(torch.cat([getattr(s, name) for s in shares]), getattr(whole, name))
    assert shares[0].noise_seeds + shares[1].noise_seeds == whole.noise_seeds
    assert all(
        torch.equal(a, b)
        for a, b in zip(shares[0].sweep + shares[1].sweep, whole.sweep, strict=True)
    )


def test_short_clips_are_windows_of_the_scenes() -> None:
    run = tiny_run(short=0.5)
    nine = {name: replace(scenes, frames=9) for name, scenes in run.scenes.items()}
    run = replace(run, scenes=nine)
    batches = [draw_batch(run, run.contract(), painted(run), step) for step in range(4, 14)]
    lengths = {batch.target.shape[2] for batch in batches}
    assert lengths == {5, 9}
    assert {batch.levels.shape[1] for batch in batches} == {2, 3}
    scene = painted(run)["street"][0]
    cut = scene.cut(2, 5)
    assert np.array_equal(cut.images, scene.images[:, 2:7])
    assert cut.clip(1).stamps_ns == tuple(scene.stamps_ns[2:7].tolist())


def test_all_scenes_are_in_the_pool_after_pool_steps() -> None:
    training = tiny_run().training
    assert [training.pool(step, 6) for step in (0, 1, 2, 4, 6, 100)] == [3, 3, 4, 5, 6, 6]


def test_stages_mix_what_they_say() -> None:
    run = tiny_run()
    first, last = (
        Counter(draw_set_name(run, step, np.random.default_rng(seed)) for seed in range(400))
        for step in (3, 4)
    )
    assert set(last) == {"street"}
    assert 150 < first["street/2d"] < 250
    assert run.stage(10**9) is run.stages[-1]


def test_rays_are_anchored_on_frame_0_of_the_first_source() -> None:
    run = tiny_run()
    scene = painted(run)["street"][0]
    _, own, _, rays = scene_tensors(run.contract(), scene, [0], [1], 0.0625)
    moments = own.reshape(6, 4, 2, 4, 8)[3:]
    assert np.abs(moments).max() < 1e-6  # the source's own centre is the origin
    anchor = np.linalg.inv(scene.world_from_cam[0, 0]) @ scene.world_from_cam[1]
    grid = scene.cameras[1].resized(8, 4)
    expected = plucker(grid, anchor)[3, 2, 5]  # frame 3 is the third of the second latent frame
    expected[3:] = np.clip(expected[3:] * 0.0625, -1, 1)
    cell = rays.reshape(6, 4, 2, 4, 8)
    assert np.allclose(cell[:, 2, 1, 2, 5], expected, atol=1e-6)


def test_noise_levels_have_their_share_at_the_top() -> None:
    training = tiny_run().training
    drawn = draw_levels(np.random.default_rng(0), (5000, 4, 3), training)
    levels, known = (tensor.flatten(0, 1) for tensor in drawn)
    last = levels[:, -1]
    assert not known[:, -1].any()
    assert 0.49 < float((last == SIGMA_MAX).float().mean()) < 0.53
    assert float(last.min()) > 0
    assert 0.23 < float(known[:, 0].float().mean()) < 0.27
    assert 0.11 < float(known[:, 1].float().mean()) < 0.14  # one or two frames are known
    assert 0.45 < float((levels[known[:, 0], 0] == 0).float().mean()) < 0.55
    assert float(levels[known].max()) <= 0.3
    assert bool((levels[~known[:, 1]][:, 1] == levels[~known[:, 1]][:, 2]).all())


def test_the_loss_counts_unknown_frames_only() -> None:
    trainer = tiny_trainer(tiny_run(pure_noise=1.0, known=0.0))
    batch = draw_batch(trainer.run, trainer.contract, trainer.stores, 5)
    known = batch.known.clone()
    known[0, 0] = True
    with torch.no_grad():
        before = flow_losses(trainer.network, trainer.codec, batch)
        after = flow_losses(trainer.network, trainer.codec, replace(batch, known=known))
    assert torch.allclose(before[1:], after[1:])
    assert not torch.allclose(before[0], after[0])


def test_the_loss_of_a_fresh_network_is_that_of_the_mixed_candidates() -> None:
    """At sigma 80 a fresh network says the mean of its candidates and of the codec's mean."""
    trainer = tiny_trainer(tiny_run(pure_noise=1.0, known=0.0))
    batch = draw_batch(trainer.run, trainer.contract, trainer.stores, 5)
    codec = trainer.codec
    losses = flow_losses(trainer.network, codec, batch)
    coded = codec.decode(codec.encode(batch.target))
    for i, (images, marks) in enumerate(zip(batch.sweep, batch.marks, strict=True)):
        latents = codec.encode(images.permute(0, 4, 1, 2, 3) / 127.5 - 1)
        seen = marks[:, :1]
        mixed = (latents * seen).sum(0) / (1 + seen.sum(0))  # cells that are not seen count 0
        expected = ((codec.decode(mixed[None]) - coded[i]) ** 2).mean()
        assert losses[i].item() == pytest.approx(float(expected), rel=0.05)


def test_defaults_are_those_of_the_model_that_ships() -> None:
    shipped = read_config(CONFIGS / "worlds-sweep-10m.toml").training
    required = ("steps", "first_pool", "pool_steps", "learning_rate")
    assert TrainingConfig(**{name: getattr(shipped, name) for name in required}) == shipped


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "tiny"\n', "", "training config: missing name"),
        ("heads = 2", "heads = 2\ncolour = 3", r"\[network\]: unknown 'colour'"),
        ("sources = 2\n", "", r"\[scenes\.street\]: missing sources"),
        ("cooldown = 0.25", "coldown = 0.25", r"unknown 'coldown' \(did you mean 'cooldown'\?\)"),
        ("heads = 2", "heads = true", r"\[network\]: heads must be a whole number, got True"),
        ("size = [16, 32]", "size = [16]", r"\[scenes\.street\]: size must be a list of 2"),
        ("learning_rate = 4e-3", 'learning_rate = "4e-3"', "learning_rate must be a finite number"),
        ("plane_sweep = [0.0, 1.0]", "plane_sweep = 3", "plane_sweep must be a list"),
        ("[training]", "[trainig]", r"missing training; unknown 'trainig' \(did you mean"),
        ("street = 1.0", "road = 1.0", r"\[\[stages\]\]: mixtures of street, got \{'road'\}"),
        ("frames = 5", "frames = 1", r"\[scenes\.street\]: clips of at least 5 frames, got 1"),
        ("name = ", "name ", "is no TOML"),
    ],
)
def test_a_wrong_config_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(AnyviewError, match=message):
        parse_config(CONFIG.replace(old, new, 1))


def test_all_wrong_keys_are_told_at_once() -> None:
    text = CONFIG.replace('name = "tiny"\n', "").replace("heads = 2", "heds = 2")
    text = text.replace("cooldown = 0.25", "coldown = 0.25").replace("sources = 2\n", "")
    with pytest.raises(AnyviewError) as refused:
        parse_config(text)
    said = str(refused.value).split("; ")
    assert said == [
        "training config: missing name",
        "[network]: unknown 'heds' (did you mean 'heads'?)",
        "[training]: unknown 'coldown' (did you mean 'cooldown'?)",
        "[scenes.street]: missing sources",
        WHOLE_CONFIGS,
    ]
