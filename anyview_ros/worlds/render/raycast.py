"""Render a scene: analytic ray-casting with anti-aliasing and hard sun shadows, on the CPU.

One tile of 8x8 pixels at a time: primitives that meet the tile's cone are intersected with all of
its rays in vectorised loops, then the same is done towards the sun, and each pixel is shaded once
for each surface it sees.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.worlds.render.culling import TILE
from anyview_ros.worlds.render.scene import Scene
from anyview_ros.worlds.render.tiles import draw_tile_row

if TYPE_CHECKING:
    from anyview_ros.worlds.world import World


def render(
    scene: Scene, camera: Camera, world_from_cam: NDArray[np.float64], samples_per_side: int = 2
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB; each pixel is the mean of samples_per_side ** 2 rays."""
    return render_with_depth(scene, camera, world_from_cam, samples_per_side)[0]


def render_clip(
    world: World, camera: Camera, world_from_cam: NDArray[np.float64], stamps_ns: Sequence[int]
) -> NDArray[np.uint8]:
    """(T, H, W, 3) uint8 RGB of a camera at poses (T, 4, 4), one for each stamp."""
    pairs = zip(stamps_ns, world_from_cam, strict=True)
    return np.stack([render(world.scene_at(stamp), camera, pose) for stamp, pose in pairs])


def render_depth(
    scene: Scene, camera: Camera, world_from_cam: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(H, W) float32, metres along the optical axis (z, as REP-118), at pixel centres; sky inf."""
    _, inverse_depth = render_with_depth(scene, camera, world_from_cam, 1)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / inverse_depth, np.float32)


def render_with_depth(
    scene: Scene, camera: Camera, world_from_cam: NDArray[np.float64], samples_per_side: int = 2
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The image of `render`, and in the same pass the inverse depth of what fills it.

    Returns:
        (H, W, 3) uint8 RGB, and (H, W) float32, 1 / metres along the optical axis of the surface
        that most rays of a pixel meet, of two the nearer; 0: sky. On a plane it is that of the
        pixel's centre, because inverse depth is linear in the image.
    """
    image = np.empty((camera.height, camera.width, 3), np.uint8)
    inverse_depth = np.empty((camera.height, camera.width), np.float32)
    view = np.concatenate(
        [
            world_from_cam[:3, :3].ravel(),
            world_from_cam[:3, 3],
            [camera.fx, camera.fy, camera.cx, camera.cy],
        ]
    ).astype(np.float32)
    kernel = _kernel()
    arrays = scene.primitives, scene.groups, scene.environment, scene.texels
    rows = itertools.count()  # next() on it is atomic: threads draw the next row of tiles from it
    row_count = -(-camera.height // TILE)

    def draw_rows() -> None:
        while (row := next(rows)) < row_count:
            kernel(arrays, view, samples_per_side, row, image, inverse_depth)

    _on_all_threads(draw_rows)
    return image, inverse_depth


@lru_cache(maxsize=1)
def _kernel() -> Callable[..., None]:
    """The compiled kernel, from numba's disk cache where it is current.

    numba looks only at the file of the function that it stores, not at those it calls. The digest
    of all of them is therefore a closure variable, which is part of the cache's key.
    """
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    digest = hashlib.sha256(sources).hexdigest()

    @numba.njit(error_model="numpy", fastmath=True, nogil=True, cache=True)  # type: ignore[untyped-decorator]
    def kernel(scene: Any, view: Any, samples: Any, row: Any, image: Any, inverse: Any) -> None:
        digest  # noqa: B018
        draw_tile_row(scene, view, samples, row, image, inverse)

    compiled: Callable[..., None] = kernel
    return compiled


def _on_all_threads(work: Callable[[], None]) -> None:
    """Run `work` on NUMBA_NUM_THREADS threads, this one among them; the kernel frees the GIL.

    Plain threads instead of numba's parallel loops: those abort a process that forked or that
    renders from two threads at once, depending on the threading layer found.
    """
    threads: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    others = [threading.Thread(target=work) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    work()
    for thread in others:
        thread.join()
