"""Cameras on the vehicle of the street: its fixed rig, and random ones for training and tests.

The base lies on the ground in the middle of the car: x forward, y left, z up.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import BODY_FROM_OPTICAL, look_at, rigid
from anyview_ros.worlds.rigs import Mount, RigCamera, mounted, rolled

DIRECTIONS = np.radians([0.0, 55.0, -55.0, 110.0, -110.0, 180.0])  # of a surround rig, left is +
# Metres: what is mounted lower than this, just above the roof, sits ahead of the nose.
ROOF, NOSE = 1.75, 2.35


def _rig_camera(name: str, position: ArrayLike, yaw_degrees: float) -> RigCamera:
    camera = Camera.from_fov(256, 144, np.radians(80.0))
    return RigCamera(name, camera, mounted(position, np.radians(yaw_degrees), np.radians(-3.0)))


STREET_RIG = (
    _rig_camera("front", (1.6, 0.0, 1.5), 0.0),
    _rig_camera("left", (0.4, 0.7, 1.6), 55.0),
    _rig_camera("right", (0.4, -0.7, 1.6), -55.0),
)


def sample_source(rng: Generator) -> Mount:
    """A camera as cars carry it: 1.2 to 2.2 m high, any direction of a surround rig."""
    height = rng.uniform(1.2, 2.2)
    yaw = rng.choice(DIRECTIONS, p=[0.4, 0.17, 0.17, 0.08, 0.08, 0.1]) + rng.normal(0, 0.08)
    pitch, fov = np.radians(rng.uniform(-8, 2)), np.radians(rng.uniform(55, 95))
    # Lower down the car itself would fill the view: such cameras sit at its front or sides.
    x = rng.uniform(-0.2, 0.8) if height > ROOF else NOSE * np.cos(yaw)
    y = rng.uniform(-0.5, 0.5) if height > ROOF else 1.05 * np.sin(yaw)
    return Mount(mounted((x, y, height), yaw, pitch), fov)


def sample_target(rng: Generator, source: Mount) -> Mount:
    """A camera to be synthesized; one in eight stands still while the car drives on.

    Raised chase cameras, lateral shifts of the source, other directions of the rig that overlap
    with it, and free cameras with large rotations.
    """
    kind = rng.choice(4, p=[0.3, 0.3, 0.2, 0.2])
    place = (_chase, _shifted, _turned, _free)[kind]
    base_from_cam = place(rng, source.link_from_cam)
    fov = source.horizontal_fov if rng.random() < 0.5 else np.radians(rng.uniform(50, 100))
    return Mount(base_from_cam, fov, bool(rng.random() < 0.125))


def _chase(rng: Generator, source: NDArray[np.float64]) -> NDArray[np.float64]:
    """2.5 to 6 m up, 3 to 9 m behind the car, looking ahead and down."""
    position = (-rng.uniform(3, 9) - 2.0, rng.uniform(-1.2, 1.2), rng.uniform(2.5, 6.0))
    ahead = (rng.uniform(4, 14), rng.uniform(-1.5, 1.5), rng.uniform(0.0, 1.2))
    return look_at(position, ahead)


def _shifted(rng: Generator, source: NDArray[np.float64]) -> NDArray[np.float64]:
    """The source moved 0.5 to 3.5 m to a side, a little up or down, and turned by a little."""
    turn = mounted((0, 0, 0), rng.normal(0, 0.06), rng.normal(0, 0.03)) @ BODY_FROM_OPTICAL.T
    shift = rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 3.5)
    offset = np.array([rng.uniform(-0.6, 0.6), shift, rng.uniform(-0.3, 0.8)])
    return rigid(turn[:3, :3] @ source[:3, :3], source[:3, 3] + offset)


def _turned(rng: Generator, source: NDArray[np.float64]) -> NDArray[np.float64]:
    """Another direction of the rig, 15 to 60 degrees from the source's, so that views overlap."""
    forward = source[:3, 2]
    yaw = np.arctan2(forward[1], forward[0]) + rng.choice([-1, 1]) * np.radians(rng.uniform(15, 60))
    position = (rng.uniform(-0.2, 1.0), rng.uniform(-0.6, 0.6), rng.uniform(ROOF, 2.4))
    return mounted(position, yaw, np.radians(rng.uniform(-10, 3)))


def _free(rng: Generator, source: NDArray[np.float64]) -> NDArray[np.float64]:
    """Around the car, from below to above its roof, looking at something near it, leaning."""
    away, around = rng.uniform(3, 14), rng.uniform(-np.pi, np.pi)
    # Half an ellipse's width to the sides: beyond are the houses.
    position = np.array([away * np.cos(around), 0.3 * away * np.sin(around), rng.uniform(0.8, 9.0)])
    point = np.array([rng.uniform(0, 14), rng.uniform(-3, 3), rng.uniform(0, 2)])
    if np.linalg.norm(point[:2] - position[:2]) < 2.0:
        point[0] += 6.0
    leaned: NDArray[np.float64] = look_at(position, point) @ rolled(rng.normal(0, 0.12))
    return leaned
