"""The README's Python does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.world import make_world

README = Path(__file__).resolve().parents[1] / "README.md"
FOV, SECOND = 1.2, 10**9


def test_a_view_from_numpy_arrays() -> None:
    """A camera half a metre aside of a car's front camera, beside the front camera's own view."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    world, camera = make_world("street", 900003), Camera.from_fov(240, 144, FOV)
    front, stamps = world.rig[0].link_from_cam, [SECOND * 5 + k * SECOND // 10 for k in range(9)]

    def seen(poses: NDArray[np.float64]) -> NDArray[np.uint8]:
        pairs = zip(stamps, poses, strict=True)
        return np.stack([render(world.scene_at(t), camera, pose) for t, pose in pairs])

    poses = np.stack([world.world_from_link("base", t) @ front for t in stamps])
    aside = poses @ rigid(np.eye(3), (-0.5, 0.0, 0.0))
    images, truth = seen(poses), seen(aside)
    made = names["view_from"](images, poses, aside, FOV)  # type: ignore[operator]
    assert made.shape == (9, 144, 240, 3)
    assert made.dtype == np.uint8
    missed = np.square(made.astype(float) - truth).mean()
    assert missed < 0.5 * np.square(images.astype(float) - truth).mean()
