"""What several virtual cameras share of the same source clips, so that it is computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import astuple
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Clip

Tensors = dict[str, NDArray[np.float32]]


class SharedSources:
    """Keeps the last results by the content they were made from. Not thread-safe.

    Content, not stamps: a clip that was cut anew of other frames must never be mistaken.

    Args:
        size: results kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[bytes, Tensors] = OrderedDict()

    def get(
        self,
        clip: Clip,
        anchor_from_world: NDArray[np.float64],
        scene_scale: float,
        make: Callable[[], Tensors],
    ) -> Tensors:
        """The tensors of a clip, made where they are not kept. They are not to be changed."""
        key = _digest(clip, anchor_from_world, scene_scale)
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return self._kept[key]


def _digest(clip: Clip, anchor_from_world: NDArray[np.float64], scene_scale: float) -> bytes:
    digest = blake2b(digest_size=16)
    for frame in clip.frames:
        digest.update(np.ascontiguousarray(frame.image))
        digest.update(repr(astuple(frame.camera)).encode())
        digest.update(np.ascontiguousarray(frame.world_from_cam))
    digest.update(np.ascontiguousarray(anchor_from_world))
    digest.update(repr(float(scene_scale)).encode())
    return digest.digest()
