"""Rendered scenes: the same from the same seed, complete or absent."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import rays
from anyview_ros.training import distributed
from anyview_ros.training import store as module
from anyview_ros.training.augmentation import mirror
from anyview_ros.training.scenes import SceneViews, render_scene
from anyview_ros.training.store import SceneStore, open_stores, renderers, wait_for
from anyview_ros.worlds.photographs import read_photographs
from anyview_ros.worlds.render.raycast import render_depth
from anyview_ros.worlds.world import make_world
from tests.training.tiny import tiny_run
from tests.worlds.pictures import SCIKIT, painted_photographs

SCENES = replace(tiny_run().scenes["street"], count=3)
RUN = tiny_run(first_pool=3)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD", 2)


def test_a_scene_follows_from_its_seed() -> None:
    one, same, other = (render_scene(SCENES, seed) for seed in (5, 5, 6))
    assert np.array_equal(one.images, same.images)
    assert np.array_equal(one.world_from_cam, same.world_from_cam)
    assert not np.array_equal(one.images, other.images)
    assert one.images.shape == (4, 5, 16, 32, 3)
    assert np.diff(one.stamps_ns).tolist() == [10**8] * 4


def test_depth_is_that_of_the_world_along_the_ray_of_each_pixel() -> None:
    deep = replace(SCENES, depth=True, frames=2)
    scene = render_scene(deep, 5)
    assert scene.inverse_depth is not None
    assert scene.inverse_depth.shape == (4, 2, 16, 32)
    assert scene.inverse_depth.dtype == np.float16
    world, camera, pose = make_world("street", 5), scene.cameras[3], scene.world_from_cam[3, 1]
    true = 1 / render_depth(world.scene_at(int(scene.stamps_ns[1])), camera, pose)
    found = scene.inverse_depth[3, 1]
    assert np.mean(np.abs(found - true) > 0.01 * true + 1e-3) < 0.2  # at edges
    assert np.array_equal(scene.images, render_scene(replace(deep, depth=False), 5).images)


def test_a_mirrored_scene_has_the_mirrored_points() -> None:
    scene = render_scene(replace(SCENES, depth=True, frames=1), 5)
    for seen, mirrored in zip(points(scene), points(mirror(scene)), strict=True):
        np.testing.assert_allclose(mirrored[:, ::-1], seen * (1, -1, 1), atol=1e-5)


def points(scene: SceneViews) -> list[np.ndarray]:
    """For each view (H, W, 3) points of frame 0 over their squared distance: the sky is at 0."""
    assert scene.inverse_depth is not None
    found = []
    for view, camera in enumerate(scene.cameras):
        ray = rays(camera).astype(np.float64)
        inverse = scene.inverse_depth[view, 0].astype(np.float64)[..., None]
        directions = ray @ scene.world_from_cam[view, 0, :3, :3].T / ray[..., 2:]
        found.append((directions + inverse * scene.world_from_cam[view, 0, :3, 3]) * inverse)
    return found


@pytest.mark.usefixtures("small_shards")
def test_a_store_gives_back_depth_and_cuts_it(tmp_path: Path) -> None:
    deep = replace(SCENES, depth=True, frames=2)
    SceneStore(deep, tmp_path).render_shard(0)
    expected = render_scene(deep, 1)
    scene = SceneStore(deep, tmp_path)[1]
    assert np.array_equal(scene.inverse_depth, expected.inverse_depth)
    assert np.array_equal(scene.cut(1, 1).inverse_depth, expected.inverse_depth[:, 1:])


@pytest.mark.usefixtures("small_shards")
def test_a_store_gives_back_what_was_rendered(tmp_path: Path) -> None:
    store = SceneStore(SCENES, tmp_path)
    assert not store.has(1)
    store.render_shard(1)
    assert not store.has(3)
    store.render_shard(0)
    assert store.has(3)
    expected = render_scene(SCENES, 2)
    scene = SceneStore(SCENES, tmp_path)[2]
    assert np.array_equal(scene.images, expected.images)
    assert scene.cameras == expected.cameras
    assert np.array_equal(scene.world_from_cam, expected.world_from_cam)
    assert scene.clip(0).stamps_ns == tuple(expected.stamps_ns)


@pytest.mark.usefixtures("small_shards")
def test_what_is_open_does_not_travel_with_a_store(tmp_path: Path) -> None:
    """A mapped array is pickled as a copy of its file."""
    store = SceneStore(SCENES, tmp_path)
    store.render_shard(0)
    before = pickle.dumps(store)
    scene = store[0]
    assert pickle.dumps(store) == before
    assert np.array_equal(pickle.loads(before)[0].images, scene.images)


def test_another_config_has_another_folder_but_more_scenes_have_not(tmp_path: Path) -> None:
    folder = SceneStore(SCENES, tmp_path).folder
    assert SceneStore(replace(SCENES, count=99), tmp_path).folder == folder
    assert SceneStore(replace(SCENES, frames=9), tmp_path).folder != folder
    assert SceneStore(replace(SCENES, depth=True), tmp_path).folder != folder


def test_photographs_belong_to_the_name_of_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(SCENES, photographs=0.7, photographs_from=SCIKIT, frames=1)
    painted_photographs(tmp_path / "one", monkeypatch)
    plain, one = render_scene(replace(config, photographs=0.0), 5), render_scene(config, 5)
    folder = SceneStore(config, tmp_path).folder
    assert np.array_equal(one.images, render_scene(config, 5).images)
    assert np.array_equal(one.world_from_cam, plain.world_from_cam)
    assert (one.images != plain.images).mean() > 0.1
    painted_photographs(tmp_path / "other", monkeypatch, seed=1)
    assert SceneStore(config, tmp_path).folder != folder != SceneStore(SCENES, tmp_path).folder
    assert not np.array_equal(one.images, render_scene(config, 5).images)


def test_a_run_says_which_photographs_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    read_photographs.cache_clear()
    run = tiny_run()
    scenes = {"street": replace(SCENES, photographs=0.5, photographs_from=SCIKIT)}
    with pytest.raises(AnyviewError, match=r"scikit-image.*run 'pip install scikit-image'"):
        open_stores(replace(run, scenes=scenes), Path())


def test_a_cache_of_an_older_version_goes_on() -> None:
    """The name that version 0.1 gave the folder of these scenes."""
    assert SceneStore(SCENES, Path()).folder.name == "street-4bebadca596a"


def test_a_worker_renders_what_is_missing(tmp_path: Path) -> None:
    store = SceneStore(SCENES, tmp_path)
    with renderers({"street": store}, 1):
        assert wait_for({"street": store}, RUN, 0)
    assert np.array_equal(store[1].images, render_scene(SCENES, 1).images)
    with renderers({"street": store}, 1):
        assert wait_for({"street": store}, RUN, 0)


def test_waiting_without_a_renderer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match=r"need 3 scenes .* no renderer is running"):
        wait_for({"street": SceneStore(SCENES, tmp_path)}, RUN, 0)
    assert not wait_for({"street": SceneStore(SCENES, tmp_path)}, RUN, 0, lambda: True)


def test_a_process_that_draws_batches_is_no_renderer(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1) as pool:
        pool.submit(int).result()
        assert multiprocessing.active_children()
        with pytest.raises(AnyviewError, match="no renderer is running"):
            wait_for({"street": SceneStore(SCENES, tmp_path)}, RUN, 0)


def test_processes_beside_the_first_wait_for_its_renderers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.0)
    monkeypatch.setattr(distributed, "rank_and_processes", lambda: (1, 2))
    asked = iter([False, False, True])
    assert not wait_for({"street": SceneStore(SCENES, tmp_path)}, RUN, 0, lambda: next(asked))


def test_a_still_world_moves_its_cameras_only() -> None:
    moving, still = (render_scene(replace(SCENES, still=s), 5) for s in (False, True))
    assert np.array_equal(still.images[:, 0], moving.images[:, 0])
    assert np.array_equal(still.world_from_cam, moving.world_from_cam)
    assert not np.array_equal(still.images[:, -1], moving.images[:, -1])
