"""Every encoding, raw and compressed, through every lens: the table of docs/cameras.md in small."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.encodings import CONTAINERS, camera_of, row
from tests.node.pixels import ALL
from tests.node.scenes import DISTORTIONS, camera_info, seen_through, waves

RGB = seen_through(camera_info(camera_of((180, 320)), "none"), waves)


@pytest.mark.parametrize("encoding", ALL)
def test_every_way_into_the_model_is_right(encoding: str) -> None:
    errors = row(RGB, encoding, (48, 80))
    containers = CONTAINERS[:2] if encoding.endswith("16") else CONTAINERS
    assert set(errors) == {(c, lens) for c in containers for lens in DISTORTIONS}
    assert all(error.mean < 1.2 for error in errors.values()), errors
    assert all(error.worst < 8 for error in errors.values()), errors


def test_a_shift_by_one_pixel_would_show() -> None:
    aside = np.roll(RGB, 1, axis=1)
    assert np.abs(aside - RGB.astype(int)).mean() > 2.4  # twice what is allowed
