"""Runs whose network is told what its sources show: composites are found once, and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anyview_ros.contract import SurfaceRange
from anyview_ros.datasets.scene_writer import SceneNotes, write_scene
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import load_package
from anyview_ros.signatures import SIGNATURE
from anyview_ros.training.batches import Example, candidates_of, draw_batch, draw_questions
from anyview_ros.training.composites import Composer, composer_of
from anyview_ros.training.config import parse_config
from anyview_ros.training.flow import flow_losses
from anyview_ros.training.loop import Trainer
from anyview_ros.training.package import package_run
from anyview_ros.training.store import open_stores
from tests.media.pictures import PERIOD_NS, frames
from tests.packages import make_package
from tests.training.test_file_sets import run_on
from tests.training.tiny import (
    CONFIG,
    package_with_surfaces,
    painted,
    stepped,
    tiny_run,
    tiny_trainer,
    told_run,
)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a surface network that nobody trained: it knows costs and the ground."""
    return package_with_surfaces(tmp_path_factory.mktemp("models") / "eyes")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the cache of painted scenes


def test_a_batch_has_a_composite_beside_the_planes(
    eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = told_run(eyes)
    composer = Composer(eyes, tmp_path)
    first = draw_batch(run, run.contract(), painted(run), 1, composer=composer)
    assert [images.shape for images in first.sweep] == [(4, 5, 16, 32, 3)] * 4
    assert all(bool((marks[-1, 0] == 1).all()) for marks in first.marks)
    shares = torch.stack([1 - marks[-1, 1] for marks in first.marks])
    assert 0.05 < float(shares.mean()) < 0.95

    kept = list(tmp_path.glob("shown-*/*.npz"))
    assert len(kept) == run.training.scenes_per_step
    monkeypatch.setattr(Composer, "_scorer", lambda self: pytest.fail("found a second time"))
    again = draw_batch(run, run.contract(), painted(run), 1, composer=composer)
    for one, other in zip(first.sweep + first.marks, again.sweep + again.marks, strict=True):
        assert torch.equal(one, other)


def test_a_scene_has_one_example(eyes: Path) -> None:
    run = told_run(eyes, short=0.5, more_sources=(0.5,), first_pool=6, seed=4, scenes_per_step=2)
    asked: dict[tuple[str, int], set[tuple[int, int]]] = {}
    for step in range(60):
        rng = np.random.default_rng([run.training.seed, step])
        questions = draw_questions(rng, run, painted(run), step, (0, 1))
        assert len({q.counts for q in questions}) == 1  # or they could be no batch
        for q in questions:
            asked.setdefault((q.name, q.index), set()).add(q.counts)
    assert len(asked) >= 6
    assert all(len(counts) == 1 for counts in asked.values())
    assert len(set.union(*asked.values())) > 1


def test_another_surface_network_finds_anew(eyes: Path, tmp_path: Path) -> None:
    other = package_with_surfaces(tmp_path / "other", seed=1)
    run = told_run(eyes)
    for package in (eyes, other):
        composer = Composer(package, tmp_path / "cache")
        draw_batch(run, run.contract(), painted(run), 1, composer=composer)
    assert len(list((tmp_path / "cache").glob("shown-*"))) == 2


def test_what_is_found_of_files_lies_in_the_cache_of_the_run(
    eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    views = {camera: frames(5, side=k) for k, camera in enumerate("ab")}
    write_scene(tmp_path / "scenes" / "one", views, SceneNotes("toy", 0.0625, PERIOD_NS))
    run = replace(run_on(tmp_path / "scenes", "street"), composite=str(eyes))
    stores = open_stores(run, tmp_path / "cache")
    draw_batch(run, run.contract(), stores, 1, composer=composer_of(run, stores))
    assert len(list((tmp_path / "cache").glob("shown-*/*.npz"))) == 1
    assert not (tmp_path / "user").exists()


def test_in_a_mirror_targets_show_the_mirror_image(eyes: Path, tmp_path: Path) -> None:
    run = told_run(eyes)
    contract = run.contract()
    scene = painted(run)["street"][0]
    shown = Composer(eyes, tmp_path).shown(scene, [0, 1], [2, 3], 0.0625)
    example = Example(scene, [0, 1], [2, 3], shown)
    pairs = zip(
        candidates_of(contract, example, [0.0]),
        candidates_of(contract, example.mirrored(), [0.0]),
        strict=True,
    )
    for here, there in pairs:
        there_again = there.images[-1][:, :, ::-1].astype(int)
        apart = np.abs(there_again - here.images[-1])
        assert (apart > 3).mean() < 0.02  # pixels at the border of a source may flip
        np.testing.assert_allclose(there.marks[-1, 1][..., ::-1], here.marks[-1, 1], atol=0.05)
    wrong = replace(example.mirrored(), shown=shown)
    assert np.abs(candidates_of(contract, wrong, [0.0])[0].images[-1] - there.images[-1]).any()


def test_a_run_begins_with_a_package_that_was_told_nothing(eyes: Path, tmp_path: Path) -> None:
    before = tiny_trainer(tiny_run())
    for _ in range(6):
        stepped(before)
    folder = tmp_path / "tiny"
    package_run(folder, before.run, before.checkpoint())
    run = told_run(eyes, seed=99)
    begun = Trainer(run, painted(run), torch.device("cpu"))
    begun.start_from(folder)
    begun.fit()
    told = begun.draw(0)
    parts = {"sweep": tuple(s[:-1] for s in told.sweep), "marks": tuple(m[:-1] for m in told.marks)}
    untold = replace(told, **parts)
    with torch.no_grad():
        losses = [
            float(flow_losses(network, begun.codec, batch).mean())
            for network, batch in ((begun.ema, told), (before.ema, untold))
        ]
    assert losses[0] == pytest.approx(losses[1], rel=0.03)  # the package's own answers, at first
    stepped(begun)

    made = tmp_path / "told"
    assert package_run(made, begun.run, begun.checkpoint()) == ""
    package = load_package(made)
    assert package.contract.composite
    assert package.contract.surfaces == SurfaceRange(12, 7.0)
    assert (made / "surfaces.bin").read_bytes() == (eyes / "surfaces.bin").read_bytes()
    scene = painted(run)["street"][0]
    options = SynthesisOptions(depth=True)
    drawn = Pipeline(package, "cpu").synthesize([scene.clip(0)], scene.view(2), options)
    assert drawn.frames.shape == (5, 16, 32, 3)
    (made / SIGNATURE).write_text("of what is there")
    said = package_run(made, begun.run, begun.checkpoint())
    assert load_package(made).contract.files == package.contract.files
    assert said.startswith("the signature of 'tiny' is gone")
    assert not (made / SIGNATURE).exists()


def test_what_cannot_tell_what_is_shown_is_refused(eyes: Path, tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match="composite needs a plane_sweep"):
        parse_config(f'composite = "{eyes}"\n' + CONFIG.replace("[0.0, 1.0]", "[]"))
    with pytest.raises(AnyviewError, match="has no surface network") as refused:
        Composer(make_package(tmp_path / "blind"), tmp_path)
    assert refused.value.code == "no_surfaces"
