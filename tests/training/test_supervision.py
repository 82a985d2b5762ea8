"""Turned views are exact without depth; mirrored scenes are scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from anyview_ros.contract import LatentShape
from anyview_ros.engine.plane_sweep import plane_sweep
from anyview_ros.frames import Camera
from anyview_ros.geometry import look_at
from anyview_ros.training.augmentation import mirror, relight, simulate_cameras
from anyview_ros.training.monocular import cut_views
from anyview_ros.training.scenes import SceneViews

CAMERA = Camera(64, 48, 40.0, 42.0, 30.0, 25.0)


def smooth_scene(seed: int = 0) -> SceneViews:
    """Two views of 5 frames; colours that change slowly over the image."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((48, 64))
    images = np.empty((2, 5, 48, 64, 3), np.uint8)
    for v, t in np.ndindex(2, 5):
        waves = [np.sin(rows / 9 + v), np.cos(columns / 8 + t), np.sin((rows - columns) / 10)]
        images[v, t] = np.rint(127.5 + 100 * np.stack(waves, -1))
    poses = np.stack([[look_at(rng.normal((0, 0, 2), 1), (9, 0, 1))] * 5 for _ in range(2)])
    return SceneViews(images, (CAMERA, CAMERA), poses, 10**8 * (1 + np.arange(5)))


def test_a_cut_is_what_a_turned_camera_sees() -> None:
    """The sweep's plane at infinity takes the full view to each cut: depth plays no part."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        views = cut_views(rng, smooth_scene(seed), 1, cuts=3)
        assert views.images.shape == (4, 5, 48, 64, 3)
        for cut in (1, 2, 3):
            sweep = plane_sweep([views.clip(0)], views.view(cut), [0.0], LatentShape(3, 4, 4, 4))
            assert (sweep.marks[1, 0] == 1).mean() > 0.9  # inside the full view
            inner = np.s_[:, 2:-2, 2:-2]
            apart = sweep.images[1][inner].astype(int) - views.images[cut][inner]
            assert np.abs(apart).max() <= 3


def test_cuts_differ_and_some_pan_over_time() -> None:
    rng = np.random.default_rng(1)
    scenes = [cut_views(rng, smooth_scene(), 0, cuts=2) for _ in range(8)]
    pans = [np.ptp(s.world_from_cam[1:, :, 0, 0], axis=1).max() > 1e-3 for s in scenes]
    assert 2 <= sum(pans) <= 8
    zooms = {round(s.cameras[1].fx, 3) for s in scenes}
    assert len(zooms) == 8


def test_a_mirrored_scene_obeys_the_same_geometry() -> None:
    """Warping over a plane and mirroring commute."""
    scene = smooth_scene()
    other = mirror(scene)
    assert np.allclose(np.linalg.det(other.world_from_cam[..., :3, :3]), 1.0)
    shape = LatentShape(3, 4, 4, 4)
    sweep = plane_sweep([scene.clip(0)], scene.view(1), [0.0, 0.2], shape).images
    swept = plane_sweep([other.clip(0)], other.view(1), [0.0, 0.2], shape).images
    apart = np.abs(swept[:, :, :, ::-1].astype(int) - sweep)
    assert (apart > 2).mean() < 0.02  # pixels at the border of what is seen may flip


def test_light_changes_all_views_alike_and_geometry_not_at_all() -> None:
    scene = smooth_scene()
    found = [relight(np.random.default_rng(s), scene) for s in range(12)]
    for changed in found:
        images = changed.images
        np.testing.assert_array_equal(changed.world_from_cam, scene.world_from_cam)
        for channel in range(3):
            curve: dict[int, int] = {}
            pairs = np.stack([scene.images[..., channel], images[..., channel]], -1)
            for before, after in np.unique(pairs.reshape(-1, 2), axis=0).tolist():
                assert curve.setdefault(before, after) == after  # one table for all views


def test_a_camera_changes_its_own_view_by_noise_and_by_what_stays() -> None:
    """Over many frames of a still scene the noise cancels; what is left is smooth in space."""
    scene = smooth_scene()
    still = replace(scene, images=scene.images[:, :1].repeat(40, axis=1))
    noises, residues = [], []
    for seed in range(8):
        taken = simulate_cameras(np.random.default_rng(seed), still, [1])
        np.testing.assert_array_equal(taken.images[0], still.images[0])  # the truth
        again = simulate_cameras(np.random.default_rng(seed), still, [1])
        np.testing.assert_array_equal(taken.images, again.images)
        frames = taken.images[1].astype(float)
        noises.append(frames.std(axis=0).mean())
        ratio = (frames.mean(axis=0) + 8) / (still.images[1, 0] + 8.0)
        residues.append(np.abs(np.diff(ratio, axis=1)).mean())
        assert 0.6 < ratio.mean() < 1.3
        middle, corner = ratio[ratio.shape[0] // 2, ratio.shape[1] // 2], ratio[0, 0]
        assert corner.mean() < middle.mean() + 0.05
    assert min(noises) < 1.5
    assert 2.0 < max(noises) < 20.0
    assert np.median(residues) < 0.03
