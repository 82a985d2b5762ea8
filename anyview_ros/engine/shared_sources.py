"""What several virtual cameras share of the same source clips, so that it is computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.lru_cache import LruCache, digest
from anyview_ros.frames import Clip

Tensors = dict[str, NDArray[np.float32]]


class SharedSources:
    """Keeps the last results by the content they were made from. Not thread-safe.

    Content, not stamps: a clip that was cut anew of other frames must never be mistaken.

    Args:
        size: results kept.
    """

    def __init__(self, size: int) -> None:
        self._kept: LruCache[Tensors] = LruCache(size)

    def get(
        self,
        clip: Clip,
        anchor_from_world: NDArray[np.float64],
        scene_scale: float,
        make: Callable[[], Tensors],
    ) -> Tensors:
        """The tensors of a clip, made where they are not kept. They are not to be changed."""
        cameras = [repr(astuple(frame.camera)) for frame in clip.frames]
        arrays = (clip.images, clip.world_from_cam, anchor_from_world)
        return self._kept.get(digest(*arrays, *cameras, repr(float(scene_scale))), make)
