"""The surface network learns from rendered scenes, repeats itself and goes on where it stopped."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.surfaces.photo_consistency import MOST
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.model.surfaces.network import SurfaceNetworkConfig
from anyview_ros.packages import load_package
from anyview_ros.training.loop import LATEST, Progress, train
from anyview_ros.training.store import SceneStore
from anyview_ros.training.surfaces import sightings
from anyview_ros.training.surfaces.batches import SurfaceBatch, draw_surfaces
from anyview_ros.training.surfaces.config import (
    SurfaceRun,
    is_surfaces,
    parse_surfaces,
    read_surfaces,
)
from anyview_ros.training.surfaces.loss import at_edges, cross_entropy
from anyview_ros.training.surfaces.package import package_surfaces, surface_parameters
from anyview_ros.training.surfaces.sightings import LEVEL, PER_SCENE, Sighting, load_sighting
from anyview_ros.training.surfaces.trainer import SurfaceTrainer
from tests.packages import make_package

SCENES = """
[scenes.{name}]
world = "{name}"
still = false
scene_scale = {scale}
first_seed = 0
count = 16
frames = 9
frame_period = 0.1
size = {size}
sources = 2
targets = 1
depth = true
"""
CONFIG = (
    """
family = "surfaces"
name = "tiny"

[surfaces]
count = 12
nearest = 7.0

[network]
widths = [8, 8, 16]
blocks = [1, 1]

[[stages]]
until = 60
mixture = { street = 0.5, table = 0.5 }

[training]
seed = 3
steps = 60
frames_per_step = 4
first_pool = 3
pool_steps = 6
learning_rate = 4e-3
warmup_steps = 4
cooldown = 0.25
ema = 0.9
"""
    + SCENES.format(name="street", scale=0.0625, size=[16, 32])
    + SCENES.format(name="table", scale=0.5, size=[32, 32])
)
RANGE = SurfaceRange(12, 7.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


def stores(cache: Path, run: SurfaceRun) -> dict[str, SceneStore]:
    made = {name: SceneStore(scenes, cache) for name, scenes in run.scenes.items()}
    for store in made.values():
        store.render_shard(0)
    return made


def tiny_trainer(cache: Path, **training: float) -> SurfaceTrainer:
    run = parse_surfaces(CONFIG)
    run = replace(run, training=replace(run.training, **training))
    return SurfaceTrainer(run, stores(cache, run), torch.device("cpu"))


def losses_of(trainer: SurfaceTrainer, out: Path, until: int, resume: bool = False) -> list[float]:
    seen: list[Progress] = []
    train(trainer, out, resume, lambda: trainer.step >= until, seen.append)
    return [progress.loss for progress in seen]


def same(one: list[SurfaceBatch], other: list[SurfaceBatch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(getattr(a, name), getattr(b, name))
        for a, b in zip(one, other, strict=True)
        for name in ("image", "costs", "smooth", "ground", "truth")
    )


def test_a_batch_follows_from_its_step_alone(cache: Path) -> None:
    run = parse_surfaces(CONFIG)
    made = stores(cache, run)
    first = draw_surfaces(run, made, 5)
    draw_surfaces(run, made, 6)
    assert same(first, draw_surfaces(run, made, 5))
    assert sum(len(part) for part in first) == 4
    assert not same(first, draw_surfaces(run, made, 6))


def test_costs_from_the_disk_are_those_that_were_computed(cache: Path) -> None:
    made = stores(cache, parse_surfaces(CONFIG))["street"]
    computed = [load_sighting(made, 2, number, RANGE) for number in range(PER_SCENE)]
    kept = sorted((made.folder / "sightings-12-7.0-1.0-0.0625").glob("00002-*.npz"))
    assert kept
    assert len(kept) <= PER_SCENE
    again = [load_sighting(made, 2, number, RANGE) for number in range(PER_SCENE)]
    for one, other in zip(computed, again, strict=True):
        assert (one.costs == other.costs).all()
        assert (one.truth == other.truth).all()
        assert (one.moving == other.moving).all()


def test_what_moves_is_found_and_what_stands_is_not(cache: Path) -> None:
    made = stores(cache, parse_surfaces(CONFIG))["street"]
    shares = [
        sightings.find_moving(made.config, index, made[index], (view, 4)).mean()
        for index in range(3)
        for view in range(2)
    ]
    assert 0.005 < max(shares) < 0.5
    still = replace(made.config, still=True)
    assert not sightings.find_moving(still, 0, made[0], (0, 4)).any()


def test_processes_share_the_frames_of_a_step(cache: Path) -> None:
    run = parse_surfaces(CONFIG)
    made = stores(cache, run)
    shares = [draw_surfaces(run, made, 1, (rank, 2)) for rank in range(2)]
    truth = [part.truth.sum() for share in shares for part in share]
    whole = [part.truth.sum() for part in draw_surfaces(run, made, 1)]
    assert float(sum(truth)) == pytest.approx(float(sum(whole)), rel=1e-5)


def test_a_mirrored_frame_has_the_same_pixels_elsewhere() -> None:
    rng = np.random.default_rng(0)
    image, costs = (rng.integers(0, 256, (4, 6, n)).astype(np.uint8) for n in (3, 5))
    ground, truth = rng.random((2, 4, 6), np.float32)
    found = Sighting(image, costs, costs + 1, ground, truth, truth > 0).mirrored()
    assert (found.costs[1, 0] == costs[1, 5]).all()
    assert (found.smooth[1, 0] == costs[1, 5] + 1).all()
    assert (found.image[1, 0] == image[1, 5]).all()
    assert (found.ground[1, 0], found.truth[1, 0]) == (ground[1, 5], truth[1, 5])


def test_a_frame_alone_has_seen_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "ALONE", 1.0)
    made = stores(cache, parse_surfaces(CONFIG))["table"]
    found = load_sighting(made, 0, 0, RANGE)
    assert (found.costs / LEVEL == MOST).all()
    assert not found.smooth.any()


def test_disturbed_frames_are_about_where_they_were(cache: Path) -> None:
    scene = stores(cache, parse_surfaces(CONFIG))["street"][0]
    frames = [sightings.frame_of(scene, (0, t)) for t in range(9)]
    for seed in range(8):
        found = sightings.perturb(np.random.default_rng(seed), frames)
        assert (found[0].world_from_cam == frames[0].world_from_cam).all()
        for one, other in zip(found, frames, strict=True):
            assert np.abs(one.world_from_cam - other.world_from_cam).max() < 0.5


def test_a_resumed_run_equals_one_that_never_stopped(cache: Path, tmp_path: Path) -> None:
    whole = losses_of(tiny_trainer(cache), tmp_path / "whole", 8)
    parts = losses_of(tiny_trainer(cache), tmp_path / "parts", 3)
    parts += losses_of(tiny_trainer(cache), tmp_path / "parts", 8, resume=True)
    assert parts == whole
    one, other = (read_checkpoint(tmp_path / n / LATEST) for n in ("whole", "parts"))
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_it_beats_a_constant_after_a_few_steps(cache: Path) -> None:
    """The constant is the best one: how often each inverse depth is true, over these frames."""
    trainer = tiny_trainer(cache, pool_steps=10**9, first_pool=2)
    batches = [trainer.draw(step) for step in range(6)]
    for step in range(60):
        trainer.train_step(batches[step % 6])
    truths = [part.truth.flatten() for batch in batches for part in batch]
    place = (torch.cat(truths) * (RANGE.count - 1) / RANGE.nearest).round().long()
    share = torch.bincount(place, minlength=RANGE.count) / len(place)
    constant = -(share * share.clamp(min=1e-9).log()).sum()
    with torch.no_grad():
        told = [trainer.loss(part)[1].mean() for batch in batches for part in batch]
    assert sum(told) / len(told) < 0.8 * constant


def test_every_parameter_gets_a_gradient_within_five_steps(cache: Path) -> None:
    trainer = tiny_trainer(cache, warmup_steps=1)
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    for _ in range(5):
        trainer.train_step(trainer.draw(trainer.step))
    after = trainer.network.named_parameters()
    assert {name for name, p in after if torch.equal(p.detach(), before[name])} == set()


def test_the_truth_lies_on_the_two_inverse_depths_beside_it() -> None:
    likely = torch.log_softmax(torch.arange(8.0).square(), 0).view(1, 8, 1, 1)
    truth = torch.tensor([[[2.25]]])
    found = cross_entropy(likely, truth, SurfaceRange(8, 7.0))
    assert float(found) == pytest.approx(-float(0.75 * likely[0, 2] + 0.25 * likely[0, 3]))
    last = cross_entropy(likely, torch.tensor([[[7.0]]]), SurfaceRange(8, 7.0))
    assert float(last) == pytest.approx(-float(likely[0, 7]))


def test_edges_are_where_depth_jumps_not_where_it_slopes() -> None:
    truth = torch.linspace(1, 2, 20).expand(1, 8, 20).clone()
    assert not at_edges(truth).any()
    truth[:, :, 10:] += 2
    assert at_edges(truth)[0, 4].nonzero().flatten().tolist() == [8, 9, 10, 11]


def test_what_moves_counts_more(cache: Path) -> None:
    trainer = tiny_trainer(cache)
    batch = trainer.draw(0)[0]
    still, moving = (
        trainer.loss(replace(batch, moving=torch.full_like(batch.moving, everywhere)))[0]
        for everywhere in (False, True)
    )
    half = batch.moving.clone()
    half[:, : half.shape[1] // 2], half[:, half.shape[1] // 2 :] = True, False
    between, _ = trainer.loss(replace(batch, moving=half))
    torch.testing.assert_close(still, moving, rtol=0.05, atol=0)  # all alike: about their mean
    assert not torch.allclose(between, still)


def test_scenes_may_be_added_to_a_run_and_not_changed(cache: Path) -> None:
    checkpoint = tiny_trainer(cache).checkpoint()
    more = CONFIG + SCENES.format(name="table", scale=0.5, size=[32, 32]).replace(
        "scenes.table", "scenes.more"
    )
    run = parse_surfaces(more)
    SurfaceTrainer(run, {}, torch.device("cpu")).restore(checkpoint)
    other = parse_surfaces(CONFIG.replace("first_seed = 0", "first_seed = 5"))
    with pytest.raises(AnyviewError, match="another scenes; train with its own config"):
        SurfaceTrainer(other, {}, torch.device("cpu")).restore(checkpoint)


def test_a_checkpoint_of_another_network_is_refused(cache: Path) -> None:
    trainer = tiny_trainer(cache)
    checkpoint = trainer.checkpoint()
    del checkpoint.tensors["network/head.weight"]  # type: ignore[attr-defined]
    with pytest.raises(AnyviewError, match="of another network"):
        trainer.restore(checkpoint)


def test_progress_is_of_the_true_depths_likelihood(cache: Path) -> None:
    progress = tiny_trainer(cache).train_step(tiny_trainer(cache).draw(0))
    assert math.isnan(progress.pure_noise_loss)
    assert 0 < progress.loss < 2 * np.log(RANGE.count)
    assert progress.samples == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("depth = true", "depth = false", r"\[scenes.street\]: needs rendered scenes with depth"),
        ("[16, 32]", "[16, 40]", r"sides must be multiples of 16, got \[16, 40\]"),
        ("table = 0.5", "sofa = 0.5", "mixtures of street, table, got"),
        ("nearest = 7.0", "", r"\[surfaces\]: missing nearest"),
        ("[8, 8, 16]", "[8, 8, 17]", "multiples of 8"),
        ("blocks = [1, 1]", "blocks = [1]", "one more of them than blocks"),
        ('name = "tiny"', "", "training config: missing name"),
    ],
)
def test_a_wrong_config_is_refused_by_name(old: str, new: str, said: str) -> None:
    with pytest.raises(AnyviewError, match=said) as caught:
        parse_surfaces(CONFIG.replace(old, new))
    assert caught.value.code == "invalid_config"


def test_the_config_in_the_repository_reads() -> None:
    run = read_surfaces(Path("config/training/surfaces.toml"))
    assert sum(run.stages[0].mixture.values()) == pytest.approx(1)
    held_out = 900000
    assert all(s.first_seed + s.count < held_out for s in run.scenes.values())


def test_families_are_told_apart(tmp_path: Path) -> None:
    assert is_surfaces(CONFIG)
    assert not is_surfaces('name = "worlds"')
    assert not is_surfaces("= no toml")
    with pytest.raises(AnyviewError, match="cannot read"):
        read_surfaces(tmp_path / "none.toml")


def run_python(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_commands_train_resume_and_add_to_a_package(cache: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "tiny.toml", tmp_path / "out"
    stores(cache, parse_surfaces(CONFIG))
    train_tiny = ["anyview_ros.cli", "train", config, "--cache", cache, "--threads", 1]
    for steps, resume in ((2, []), (4, ["--resume"])):
        config.write_text(CONFIG.replace("steps = 60", f"steps = {steps}"))
        trained = run_python(*train_tiny, "--out", out, *resume)
        assert trained.returncode == 0, trained.stderr
        assert f"step {steps} of {steps} is saved" in trained.stdout
        assert "at pure noise" not in trained.stdout
    two = run_python(
        "torch.distributed.run", "--nproc-per-node", 2, "-m", *train_tiny, "--out", tmp_path / "two"
    )
    assert two.returncode == 0, two.stderr
    one, other = (read_checkpoint(folder / LATEST) for folder in (out, tmp_path / "two"))
    for name, weights in other.part("network").items():
        assert torch.allclose(weights, one.part("network")[name], atol=1e-2), name

    package = make_package(tmp_path / "package", sizes=((32, 32),))
    alone = run_python("anyview_ros.cli", "export", out / LATEST)
    assert "name its package with --into" in alone.stderr
    added = run_python("anyview_ros.cli", "export", out / LATEST, "--into", package)
    assert added.returncode == 0, added.stderr
    assert "surfaces of step 4 added, equal to torch" in added.stdout
    assert load_package(package).contract.surfaces == RANGE
    more = tmp_path / "more"
    begun = run_python(*train_tiny, "--out", more, "--from", package)
    assert begun.returncode == 0, begun.stderr
    assert read_checkpoint(more / LATEST).step == 4


def test_new_weights_may_be_mixed_with_those_of_the_package(cache: Path, tmp_path: Path) -> None:
    trainer = tiny_trainer(cache)
    package = make_package(tmp_path / "package", sizes=((32, 32),))
    package_surfaces(package, trainer.run, trainer.checkpoint())
    before = surface_parameters(package)
    for parameter in trainer.ema.parameters():
        parameter.data += 1
    for share in (0.0, 1.5):
        with pytest.raises(AnyviewError, match="above 0 and at most 1") as refused:
            package_surfaces(package, trainer.run, trainer.checkpoint(), share)
        assert refused.value.code == "invalid_share"
    package_surfaces(package, trainer.run, trainer.checkpoint(), share=0.25)
    for name, tensor in surface_parameters(package).items():
        assert torch.allclose(tensor, before[name] + 0.25, atol=2e-3), name


def test_a_run_begins_where_a_package_is(cache: Path, tmp_path: Path) -> None:
    trainer = tiny_trainer(cache)
    for step in range(3):
        trainer.train_step(trainer.draw(step))
    package = make_package(tmp_path / "package", sizes=((32, 32),))
    package_surfaces(package, trainer.run, trainer.checkpoint())
    begun = tiny_trainer(cache)
    begun.start_from(package)
    for name, tensor in trainer.ema.state_dict().items():
        for network in (begun.network, begun.ema):
            assert torch.allclose(network.state_dict()[name], tensor, rtol=1e-3, atol=1e-6), name
    wider = replace(trainer.run, network=SurfaceNetworkConfig((16, 16), (1,)))
    with pytest.raises(AnyviewError, match="holds another surface network") as refused:
        SurfaceTrainer(wider, {}, torch.device("cpu")).start_from(package)
    assert refused.value.code == "other_network"
    with pytest.raises(AnyviewError, match=r"has no surfaces\.json") as refused:
        begun.start_from(tmp_path)
    assert refused.value.code == "no_parameters"
