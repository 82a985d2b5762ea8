"""Memory that two processes share: what one writes the other reads, before and after it grew."""

from __future__ import annotations

import os

import numpy as np
import pytest

from anyview_ros.node.inference.shared_pixels import ALIGNED, Shape, SharedPixels

SMALL: list[Shape] = [(5, 4, 6, 3), (0, 4, 6, 3), (5, 4, 6, 1)]
LARGE: list[Shape] = [(9, 40, 60, 3), (1, 40, 60, 3), (9, 40, 60, 3)]


def test_both_sides_see_the_same_pixels_and_none_twice() -> None:
    ours = SharedPixels()
    theirs = SharedPixels(os.dup(ours.file))
    for shapes in (SMALL, LARGE, SMALL):
        for k, pixels in enumerate(ours.arrays(shapes)):
            pixels[:] = k + 1
        for k, pixels in enumerate(theirs.arrays(shapes)):
            assert pixels.shape == shapes[k]
            assert pixels.ctypes.data % ALIGNED == 0
            assert (pixels == k + 1).all()


def test_the_memory_grows_with_the_largest_job_and_is_used_again() -> None:
    shared = SharedPixels()
    sizes = []
    for shapes in (SMALL, LARGE, SMALL, LARGE):
        shared.arrays(shapes)
        sizes.append(os.fstat(shared.file).st_size)
    bare = [sum(int(np.prod(shape)) for shape in shapes) for shapes in (SMALL, LARGE)]
    small, large = sizes[:2]
    assert sizes == [small, large, large, large]
    padding = [size - used for size, used in zip(sizes, bare, strict=False)]
    assert all(0 <= spare < 3 * ALIGNED for spare in padding)
    first = shared.arrays(LARGE)[0]
    first[:] = 7
    assert (shared.arrays(LARGE)[0] == 7).all()


def test_nothing_stays_open() -> None:
    shared = SharedPixels()
    file = shared.file
    shared.arrays(SMALL)
    del shared
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)
