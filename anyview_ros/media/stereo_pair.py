"""The calibrated still of a motorcycle that scikit-image carries: one eye to film, one as truth.

From the Middlebury stereo benchmark (Scharstein et al., GCPR 2014), rectified, a quarter of the
original size. The pictures stay where scikit-image is installed; they are not in this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.media.images import read_image

MOTORCYCLE = "motorcycle"
# Pixels and metres, from the documentation of skimage.data.stereo_motorcycle.
SIZE, FOCAL, CENTER = (741, 500), 994.978, (311.193, 254.877)
CENTER_OFFSET, BASELINE = 31.086, 0.193001


@dataclass(frozen=True)
class StereoPair:
    """What two cameras side by side see at one instant.

    Args:
        left, right: (H, W, 3) uint8 RGB.
        left_camera, right_camera: their intrinsics.
        left_from_right: (4, 4), optical frames.
    """

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    left_camera: Camera
    right_camera: Camera
    left_from_right: NDArray[np.float64]


def motorcycle() -> StereoPair:
    """The pair of the installed scikit-image.

    Raises:
        AnyviewError: `missing_scikit_image` when it is not installed or has no such pictures.
    """
    x, y = CENTER
    return StereoPair(
        read_image(motorcycle_file("left.png")),
        read_image(motorcycle_file("right.png")),
        Camera(*SIZE, FOCAL, FOCAL, x, y),
        Camera(*SIZE, FOCAL, FOCAL, x + CENTER_OFFSET, y),
        rigid(np.eye(3), (BASELINE, 0.0, 0.0)),
    )


def motorcycle_disparity() -> NDArray[np.float32]:
    """Return columns between a point of the left picture and the right one; inf where unknown.

    Raises:
        AnyviewError: as `motorcycle`.
    """
    with np.load(motorcycle_file("disp.npz")) as arrays:
        return np.asarray(arrays["arr_0"], np.float32)


def motorcycle_file(end: str = "left.png") -> Path:
    """Return a file of scikit-image, found without importing it, which takes seconds.

    Raises:
        AnyviewError: as `motorcycle`.
    """
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise AnyviewError(
            "missing_scikit_image",
            f"the scene '{MOTORCYCLE}' needs the pictures of scikit-image, which is not "
            "installed; install it with: .venv/bin/python -m pip install scikit-image",
        )
    file = Path(spec.submodule_search_locations[0]) / "data" / f"{MOTORCYCLE}_{end}"
    if not file.is_file():
        raise AnyviewError(
            "missing_scikit_image",
            f"the installed scikit-image has no '{file}'; version 0.26 has it: "
            ".venv/bin/python -m pip install scikit-image==0.26.0",
        )
    return file
