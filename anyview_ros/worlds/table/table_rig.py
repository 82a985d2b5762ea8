"""Cameras around the table and on the arm's hand: the fixed rig, and random ones.

Links: `base` at the foot of the arm; `hand`, z where the gripper points; `dolly`, which swings to
and fro around the middle of the workspace and carries cameras that move.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse, look_at, rigid
from anyview_ros.worlds.rigs import BASE, Mount, RigCamera, rolled
from anyview_ros.worlds.table.room import WORKSPACE

HAND, DOLLY = "hand", "dolly"
Floats = NDArray[np.float64]
DOLLY_SWING, DOLLY_PERIOD_S = 0.7, 11.0  # radians to each side, seconds
BASE_CLEARANCE = 0.32  # metres around the arm's column that a camera keeps
base_from_dolly = rigid(np.eye(3), WORKSPACE)  # where the dolly is in mid-swing


def _near(x: float, y: float, z: float) -> Floats:
    """A point relative to the middle of the workspace."""
    point: Floats = WORKSPACE + np.array([x, y, z])
    return point


def around(azimuth: float, elevation: float, distance: float, point: ArrayLike) -> Floats:
    """base_from_cam of a camera around the workspace that looks at `point`; radians, metres."""
    flat = distance * np.cos(elevation)
    offset = (flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation))
    return look_at(WORKSPACE + offset, point)


def in_hand(ahead: float, tilt: float) -> Floats:
    """hand_from_cam of a wrist camera: `ahead` metres beside the flange, tilted to the grip."""
    c, s = np.cos(tilt), np.sin(tilt)
    # Image up is away from the hand's middle, so that the fingers reach in from below.
    return rigid([[0.0, -c, -s], [1.0, 0.0, 0.0], [0.0, -s, c]], (ahead, 0.0, 0.012))


def _exo(name: str, azimuth_degrees: float, elevation_degrees: float, distance: float) -> RigCamera:
    camera = Camera.from_fov(256, 144, np.radians(70.0))
    turned = (np.radians(azimuth_degrees), np.radians(elevation_degrees))
    return RigCamera(name, camera, around(*turned, distance, _near(0.0, 0.0, 0.08)))


TABLE_RIG = (
    _exo("front", 25.0, 32.0, 0.85),
    _exo("side", -95.0, 28.0, 0.8),
    RigCamera("wrist", Camera.from_fov(256, 144, np.radians(80.0)), in_hand(0.075, 0.45), HAND),
)


def world_from_dolly(t: float, phase: float) -> Floats:
    """(4, 4) at t seconds."""
    angle = DOLLY_SWING * np.sin(2 * np.pi * t / DOLLY_PERIOD_S + phase)
    c, s = np.cos(angle), np.sin(angle)
    return rigid([[c, -s, 0], [s, c, 0], [0, 0, 1]], WORKSPACE)


def sample_source(rng: Generator) -> Mount:
    """Six in ten beside the table, as people put them; two in the hand; two anywhere around."""
    kind = rng.random()
    if kind < 0.6:
        azimuth = rng.uniform(-2.6, 2.6)
        return Mount(_beside(rng, azimuth), np.radians(rng.uniform(50, 75)))
    if kind < 0.8:
        return _wrist(rng)
    return _free(rng)


def sample_target(rng: Generator, source: Mount) -> Mount:
    """A camera to be synthesized, mostly far from the source.

    Another one beside the table, 30 to 150 degrees around it; from above; in the hand; the source
    shifted; anywhere around; on the moving dolly.
    """
    kind = rng.choice(6, p=[0.38, 0.12, 0.12, 0.14, 0.12, 0.12])
    if kind == 0 or kind == 5:
        turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 2.6)
        seen = _beside(rng, _azimuth(rng, source) + turn)
        fov = np.radians(rng.uniform(50, 80))
        if kind == 0:
            return Mount(seen, fov)
        return Mount(inverse(base_from_dolly) @ seen, fov, link=DOLLY)
    if kind == 1:
        return Mount(_above(rng), np.radians(rng.uniform(50, 75)))
    if kind == 2:
        return _wrist(rng)
    return _shifted(rng, source) if kind == 3 else _free(rng)


def _azimuth(rng: Generator, source: Mount) -> float:
    """Around the workspace; any for a camera in the hand."""
    if source.link != BASE:
        return float(rng.uniform(-np.pi, np.pi))
    x, y, _ = source.link_from_cam[:3, 3] - WORKSPACE
    return float(np.arctan2(y, x))


def _beside(rng: Generator, azimuth: float) -> Floats:
    """0.6 to 1.1 m from the workspace, 15 to 55 degrees above it, nearly upright."""
    while True:
        elevation, distance = rng.uniform(0.26, 0.96), rng.uniform(0.6, 1.1)
        point = WORKSPACE + rng.normal(0, (0.06, 0.08, 0.04))
        seen: Floats = around(azimuth, elevation, distance, point) @ rolled(rng.normal(0, 0.04))
        if np.linalg.norm(seen[:2, 3]) > BASE_CLEARANCE:
            return seen


def _above(rng: Generator) -> Floats:
    """Straight down or nearly so, turned in any direction."""
    x, y, z = rng.normal(0, 0.1), rng.normal(0, 0.1), rng.uniform(0.75, 1.2)
    seen: Floats = look_at(_near(x, y, z), _near(0.01, 0.0, 0.0)) @ rolled(
        rng.uniform(-np.pi, np.pi)
    )
    return seen


def _wrist(rng: Generator) -> Mount:
    seen = in_hand(rng.uniform(0.07, 0.09), rng.uniform(0.25, 0.55))
    return Mount(seen, np.radians(rng.uniform(65, 90)), link=HAND)


def _free(rng: Generator) -> Mount:
    """Anywhere above the table, near or far, leaning, looking at something on it."""
    while True:
        azimuth, elevation = rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 1.35)
        point = WORKSPACE + rng.normal(0, (0.12, 0.15, 0.05))
        seen = around(azimuth, elevation, rng.uniform(0.55, 1.4), point) @ rolled(
            rng.normal(0, 0.2)
        )
        if np.linalg.norm(seen[:2, 3]) > BASE_CLEARANCE:
            return Mount(seen, np.radians(rng.uniform(50, 85)))


def _shifted(rng: Generator, source: Mount) -> Mount:
    """The source 5 to 25 cm aside, a little up or down and turned; in the hand a tenth of it."""
    size = 0.1 if source.link == HAND else 1.0
    shift = size * np.array(
        [rng.choice([-1.0, 1.0]) * rng.uniform(0.05, 0.25), rng.uniform(-0.08, 0.04), 0.0]
    )
    turn = rolled(rng.normal(0, 0.05))
    moved = source.link_from_cam @ rigid(turn[:3, :3], shift)
    return Mount(moved, source.horizontal_fov, link=source.link)
