"""Batches follow from (config, step) alone, and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import plucker
from anyview_ros.training.batches import SIGMA_MAX, draw_batch, draw_sigmas, view_tensors
from anyview_ros.training.config import parse_config
from anyview_ros.training.flow import flow_losses
from tests.training.tiny import CONFIG, PaintedStore, tiny_run, tiny_trainer


def test_a_step_has_one_batch_whatever_was_drawn_before() -> None:
    run = tiny_run()
    contract = run.contract()
    store = PaintedStore(run.scenes)
    late = draw_batch(run, contract, store, 7)
    draw_batch(run, contract, store, 2)
    again = draw_batch(run, contract, PaintedStore(run.scenes), 7)
    for name in ("source", "source_rays", "target", "target_rays", "sigma"):
        assert torch.equal(getattr(late, name), getattr(again, name))
    assert late.noise_seed == again.noise_seed
    assert late.source.shape == (2, 3, 5, 16, 32)
    assert late.target_rays.shape == (4, 96, 2, 2, 4)


def test_the_pool_grows_to_all_scenes() -> None:
    training = tiny_run().training
    assert [training.pool(step, 6) for step in (0, 1, 2, 5, 6, 100)] == [3, 3, 4, 5, 6, 6]


def test_rays_are_anchored_on_frame_0_of_the_source() -> None:
    run = tiny_run()
    scene = PaintedStore(run.scenes)[0]
    _, own = view_tensors(run.contract(), scene, 0, 0)
    moments = own.reshape(6, 4, 2, 2, 2, 2, 4)[3:]
    assert np.abs(moments).max() < 1e-6  # the source's own centre is the origin
    _, rays = view_tensors(run.contract(), scene, 1, 0)
    anchor = np.linalg.inv(scene.world_from_cam[0, 0]) @ scene.world_from_cam[1]
    grid = scene.cameras[1].resized(8, 4)
    expected = plucker(grid, anchor)[3, 2, 5]  # frame 3 is the third of the second latent frame
    expected[3:] = np.clip(expected[3:] * 0.0625, -1, 1)
    cell = rays.reshape(6, 4, 2, 2, 2, 2, 4)
    assert np.allclose(cell[:, 2, 0, 1, 1, 1, 2], expected, atol=1e-6)


def test_noise_levels_have_their_share_at_the_top() -> None:
    sigma = draw_sigmas(np.random.default_rng(0), 20000, 0.5)
    share = float((sigma == SIGMA_MAX).float().mean())
    assert 0.49 < share < 0.53
    assert float(sigma.min()) > 0


def test_the_loss_of_a_fresh_network_is_that_of_the_codec_mean() -> None:
    """At sigma 80 a fresh network says almost 0, the mean: the error is the coded variance."""
    trainer = tiny_trainer(tiny_run(pure_noise=1.0))
    batch = draw_batch(trainer.run, trainer.contract, trainer.store, 0)
    losses = flow_losses(trainer.network, trainer.codec, batch)
    coded = trainer.codec.decode(trainer.codec.encode(batch.target))
    mean = trainer.codec.decode(torch.zeros_like(trainer.codec.encode(batch.target)))
    expected = ((coded - mean) ** 2).mean(dim=(1, 2, 3, 4))
    assert torch.allclose(losses, expected, rtol=0.05)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "tiny"\n', "", "missing or unknown name"),
        ("heads = 2", "heads = 2\ncolour = 3", r"\[network\]: missing or unknown colour"),
        ("sources = 1\n", "", r"\[scenes\]: missing or unknown sources"),
        ("name = ", "name ", "is no TOML"),
    ],
)
def test_a_wrong_config_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(AnyviewError, match=message):
        parse_config(CONFIG.replace(old, new, 1))
