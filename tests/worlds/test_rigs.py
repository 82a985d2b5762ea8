"""Cameras on the vehicle: where they are and where they look."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.worlds.rigs import Mount, mounted
from anyview_ros.worlds.street.street_rig import STREET_RIG, sample_source, sample_target


def assert_rigid(link_from_cam: np.ndarray) -> None:
    rotation = link_from_cam[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_array_equal(link_from_cam[3], (0, 0, 0, 1))


def degrees_left(link_from_cam: np.ndarray) -> float:
    forward = link_from_cam[:3, 2]
    return float(np.degrees(np.arctan2(forward[1], forward[0])))


def test_mounted_turns_left_and_up() -> None:
    ahead = mounted((1, 2, 3), 0.0, 0.0)
    np.testing.assert_allclose(ahead[:3, 2], (1, 0, 0), atol=1e-12)  # optical z: forward
    np.testing.assert_allclose(ahead[:3, 1], (0, 0, -1), atol=1e-12)  # optical y: down
    np.testing.assert_allclose(ahead[:3, 3], (1, 2, 3))
    assert mounted((0, 0, 0), 0.5, 0.0)[1, 2] > 0.4
    assert mounted((0, 0, 0), 0.0, 0.5)[2, 2] > 0.4


def test_the_street_rig_looks_ahead_left_and_right_with_overlap() -> None:
    assert [c.name for c in STREET_RIG] == ["front", "left", "right"]
    yaws = [degrees_left(c.link_from_cam) for c in STREET_RIG]
    np.testing.assert_allclose(yaws, [0, 55, -55], atol=1e-6)
    for rig_camera in STREET_RIG:
        assert (rig_camera.camera.width, rig_camera.camera.height) == (256, 144)
        assert_rigid(rig_camera.link_from_cam)


def test_sources_are_as_cars_carry_them() -> None:
    rng = np.random.default_rng(0)
    sources = [sample_source(rng) for _ in range(500)]
    for source in sources:
        assert_rigid(source.link_from_cam)
        x, y, z = source.link_from_cam[:3, 3]
        assert 1.2 <= z <= 2.2
        inside_car = abs(x) < 1.3 and abs(y) < 0.8
        assert z >= 1.5 or not inside_car  # not within the cabin
        assert 55 <= np.degrees(source.horizontal_fov) <= 95
        assert -8.001 <= np.degrees(np.arcsin(source.link_from_cam[2, 2])) <= 2.001
        assert not source.standing
    yaws = np.array([degrees_left(s.link_from_cam) for s in sources])
    assert (np.abs(yaws) < 20).mean() > 0.3
    assert (np.abs(yaws) > 150).any()


def test_targets_are_of_all_kinds() -> None:
    rng = np.random.default_rng(1)
    raised = shifted = turned = standing = 0
    for _ in range(600):
        source = sample_source(rng)
        target = sample_target(rng, source)
        assert_rigid(target.link_from_cam)
        offset = target.link_from_cam[:3, 3] - source.link_from_cam[:3, 3]
        cosine = (np.trace(target.link_from_cam[:3, :3].T @ source.link_from_cam[:3, :3]) - 1) / 2
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        raised += target.link_from_cam[0, 3] < -4.5 and target.link_from_cam[2, 3] >= 2.5
        shifted += 0.5 <= abs(offset[1]) <= 3.5 and angle < 15
        turned += angle > 45
        standing += target.standing
        assert target.link_from_cam[2, 3] > 0.5
    assert raised > 100
    assert shifted > 100
    assert turned > 100
    assert 30 < standing < 150


def test_a_mount_moves_with_the_base_or_stands() -> None:
    bases = np.stack([np.eye(4)] * 3)
    bases[:, 0, 3] = (0, 1, 2)
    link_from_cam = mounted((1, 0, 2), 0.3, 0.0)
    riding = Mount(link_from_cam, 1.0).world_from_cam(bases)
    np.testing.assert_allclose(riding, bases @ link_from_cam)
    standing = Mount(link_from_cam, 1.0, standing=True).world_from_cam(bases)
    np.testing.assert_allclose(standing, np.stack([link_from_cam] * 3))
    camera = Mount(link_from_cam, 1.0).camera(64, 32)
    assert (camera.width, camera.height) == (64, 32)
    assert 2 * np.arctan(32 / camera.fx) == pytest.approx(1.0)
