"""Cameras of a rig, and cameras without a size yet: random ones for training and tests.

`link_from_cam` maps the camera's optical frame to the link of the robot that carries it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid

BASE = "base"  # every robot has this link: x forward, y left, z up


@dataclass(frozen=True)
class RigCamera:
    """A camera of a rig: its name, intrinsics and mounting on a link."""

    name: str
    camera: Camera
    link_from_cam: NDArray[np.float64]
    link: str = BASE


@dataclass(frozen=True)
class Mount:
    """A camera without a size yet.

    Args:
        link_from_cam: (4, 4). When `standing`, relative to the link at the clip's first frame.
        horizontal_fov: radians.
        standing: the camera stays in the world while the link moves on.
        link: of `World.world_from_link`.
    """

    link_from_cam: NDArray[np.float64]
    horizontal_fov: float
    standing: bool = False
    link: str = BASE

    def camera(self, width: int, height: int) -> Camera:
        return Camera.from_fov(width, height, self.horizontal_fov)

    def world_from_cam(self, world_from_link: NDArray[np.float64]) -> NDArray[np.float64]:
        """(T, 4, 4) poses of the camera while its link is at (T, 4, 4)."""
        links = world_from_link[:1] if self.standing else world_from_link
        poses: NDArray[np.float64] = np.broadcast_to(
            links @ self.link_from_cam, world_from_link.shape
        ).copy()
        return poses


def mounted(position: ArrayLike, yaw: float, pitch: float) -> NDArray[np.float64]:
    """link_from_cam at `position`; radians, yaw to the left, pitch upwards."""
    cy, sy, cp, sp = (f(a) for a in (yaw, pitch) for f in (np.cos, np.sin))
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    tilt = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    link_from_cam: NDArray[np.float64] = rigid(turn @ tilt, position) @ BODY_FROM_OPTICAL
    return link_from_cam


def rolled(angle: float) -> NDArray[np.float64]:
    """Rotation about the optical axis, image content turning to the left for positive radians."""
    c, s = np.cos(angle), np.sin(angle)
    return rigid([[c, -s, 0], [s, c, 0], [0, 0, 1]], (0, 0, 0))


def known_link(kind: str, link: str, links: tuple[str, ...]) -> None:
    """Raises:
    AnyviewError: `unknown_link` when the robot of that world has no such link.
    """
    if link not in links:
        raise AnyviewError("unknown_link", f"links of '{kind}' are {list(links)}, got '{link}'")
