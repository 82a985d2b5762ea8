"""Camera info to a lens, by the definitions in sensor_msgs/CameraInfo. The doubtful is refused.

A point X in the frame of the header is seen at the pixel P [R X] of the rectified image, before
region of interest and binning; where P is unset, K is used. Binned pixels keep their centres, for
CameraInfo defines binning as merging of pixels; image_geometry leaves the half pixel out. The
rectified image has the region and the binning of the image that arrives, as image_proc's has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import MAX_SIDE, Camera
from anyview_ros.geometry import rigid
from anyview_ros.imaging.lenses import COEFFICIENTS, Lens, RectifiedCamera

Matrix = NDArray[np.float64]
Rectify = Literal["auto", "on", "off"]  # see `declared_rectified`

ROTATION_TOLERANCE = 1e-3  # of R R^T; calibration files are rounded to few digits
PINHOLE_TOLERANCE = 1e-4  # P and K that close, relative, and R to identity: nothing to rectify
MIN_FOCAL, MAX_FOCAL = 0.01, 1000.0  # of the image's side: 178.9 and 0.06 degrees
MAX_CENTRE = 10.0  # of the image's side, from its middle
MAX_SKEW = 0.01  # of fx: half a degree between the axes of an image that is used as it comes
MAX_SHIFT = 1e4  # metres between the cameras of a pair
MAX_COEFFICIENT = 1e6  # a long lens has radii of 0.05 in the image, and large coefficients
MIN_COVERAGE = 0.1
PROBE_SIDE = 32  # pixels; the rectified image is tried out at this size


@dataclass(frozen=True)
class _Calibration:
    """What a camera info says, as values. `window`: x, y, width, height of the region."""

    width: int
    height: int
    model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]
    window: tuple[int, int, int, int]
    binning: tuple[int, int]


def image_size(info: Any) -> tuple[int, int]:
    """(width, height) of the image that arrives: region of interest and binning applied."""
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return width // max(info.binning_x, 1), height // max(info.binning_y, 1)


def declared_rectified(rectify: Rectify, topic: str) -> bool:
    """Whether a stream's images are rectified already, whatever their camera info says.

    Args:
        rectify: the parameter `<camera>.rectify`: auto (by the topic's name), on (they are not),
            off (they are).
        topic: image topic; `/front/image_rect` and `/front/rect/image/compressed` say so.

    Raises:
        AnyviewError: `invalid_parameter` for any other word.
    """
    if rectify not in get_args(Rectify):
        raise AnyviewError(
            "invalid_parameter", f"rectify must be one of auto, on, off, got '{rectify}'"
        )
    topic = topic.removesuffix("/compressed")
    says_so = bool(set(re.split("[/_]", topic)) & {"rect", "rectified"})
    return rectify == "off" or (rectify == "auto" and says_so and not topic.endswith("/image_raw"))


def camera_from_info(info: Any, rectify: Rectify = "auto", topic: str = "") -> RectifiedCamera:
    """The rectified camera at the size of the image that arrives; arguments as `lens_from_info`."""
    return lens_from_info(info, rectify, topic).rectified


def lens_from_info(info: Any, rectify: Rectify = "auto", topic: str = "") -> Lens:
    """The lens of a camera's images: none where they are rectified already.

    Args:
        info: has the fields of sensor_msgs/CameraInfo; its header is not looked at.
        rectify, topic: see `declared_rectified`.

    Raises:
        AnyviewError: `uncalibrated_camera` (K[0] = 0), `skewed_camera`, `invalid_distortion`,
            `inconsistent_camera_info`, `invalid_camera`, and that of `declared_rectified`.
    """
    roi = info.roi
    calibration = _Calibration(
        info.width,
        info.height,
        info.distortion_model,
        d=_values(info.d),
        k=_values(info.k),
        r=_values(info.r),
        p=_values(info.p),
        window=(roi.x_offset, roi.y_offset, roi.width or info.width, roi.height or info.height),
        binning=(max(info.binning_x, 1), max(info.binning_y, 1)),
    )
    return _lens(calibration, declared_rectified(rectify, topic), rectify == "on")


@lru_cache(maxsize=64)  # one calibration comes thirty times a second
def _lens(calibration: _Calibration, declared: bool, asked: bool) -> Lens:
    """`declared`: the images are rectified. `asked`: the user says that they are not."""
    k, p, r = _matrices(calibration)
    if declared:
        model = ""
        if not p.any() and (any(calibration.d) or not _alike(r, np.eye(3))):
            raise _inconsistent("P must describe the rectified image, it is all zero")
    else:
        model = _distortion_model(calibration, asked)
    if not p.any():
        p[:, :3] = k
    skew = (p if declared else k)[0, 1]
    k[0, 1] = p[0, 1] = 0.0  # OpenCV looks past that of K, and the camera rectified to has none
    if (np.abs(p[:2, 3]) > MAX_SHIFT * np.diag(p)[:2]).any():
        raise _inconsistent(
            f"P must place the camera within {MAX_SHIFT:g} m of its frame, got P[0][3] "
            f"{p[0, 3]:g} and P[1][3] {p[1, 3]:g}"
        )
    shift = -p[:2, 3] / (p[0, 0], p[1, 1])
    camera = _windowed(calibration, p[:, :3])
    pinhole = declared or (not model and _alike(r, np.eye(3)) and _alike(p[:, :3], k))
    if pinhole and abs(skew) > MAX_SKEW * p[0, 0]:
        raise _skewed(declared, skew, p[0, 0])
    lens = Lens(
        model,
        calibration.d if model else (),
        camera if pinhole else _windowed(calibration, k),
        camera,
        _rows(np.eye(3) if pinhole else r),
        _rows(rigid(r.T, r.T @ (*shift, 0.0))),
    )
    _check_coverage(lens)
    return lens


def _distortion_model(calibration: _Calibration, asked: bool) -> str:
    """The model whose formula is to be used, "" where there is nothing to do.

    Raises:
        AnyviewError: `invalid_distortion`.
    """
    model, d = calibration.model, calibration.d
    if not d or (not any(d) and model != "equidistant"):
        return ""
    if model not in COEFFICIENTS:
        raise _distortion(
            f"the model must be one of {', '.join(COEFFICIENTS)}, got '{model}'; write equidistant "
            "for the k1 k2 k3 k4 of a fisheye (Kannala-Brandt, OpenCV's fisheye), plumb_bob for "
            "OpenCV's k1 k2 p1 p2 k3; images of another lens must be rectified before they come"
        )
    if len(d) not in COEFFICIENTS[model]:
        *some, last = map(str, COEFFICIENTS[model])
        counts = f"{', '.join(some)} or {last}" if some else last
        raise _distortion(
            f"{model} has {counts} coefficients, got {len(d)}; leave out or add zeros at "
            "the end of D, where the calibration means the same, or calibrate again"
        )
    if max(map(abs, d)) > MAX_COEFFICIENT:
        raise _distortion(f"coefficients must be within {MAX_COEFFICIENT:g}, got {list(d)}")
    if not any(d) and not asked:
        raise _distortion(
            "four zeros mean an ideal fisheye by the model's formula and no distortion to "
            "image_proc; set the camera's parameter rectify to 'on' for a fisheye, to 'off' if "
            "its images are rectified"
        )
    return model


def _check_coverage(lens: Lens) -> None:
    if lens.is_pinhole:
        return
    _, _, seen = lens.source_pixels(lens.camera.resized(PROBE_SIDE, PROBE_SIDE))
    if seen.mean() < MIN_COVERAGE:
        raise _distortion(
            f"only {100 * seen.mean():.0f} % of the rectified image would have pixels with "
            f"{lens.model or 'no distortion'} {list(lens.coefficients)} and this K, R and P"
        )


def _matrices(calibration: _Calibration) -> tuple[Matrix, Matrix, Matrix]:
    """K (3, 3), P (3, 4) and R (3, 3, identity where unset), each checked by itself."""
    if not (1 <= calibration.width <= MAX_SIDE and 1 <= calibration.height <= MAX_SIDE):
        raise AnyviewError(
            "invalid_camera",
            f"image size must be 1..{MAX_SIDE} pixels a side, got "
            f"{calibration.width}x{calibration.height}",
        )
    k = np.array(calibration.k).reshape(3, 3)
    p = np.array(calibration.p).reshape(3, 4)
    r = np.array(calibration.r).reshape(3, 3)
    if not all(np.isfinite(values).all() for values in (k, p, r, np.array(calibration.d))):
        raise _inconsistent("K, D, R and P must be finite")
    if k[0, 0] == 0:
        raise AnyviewError(
            "uncalibrated_camera",
            "camera info must hold a calibration, got K[0] = 0 (uncalibrated); calibrate the "
            "camera or give its driver the calibration file",
        )
    _check_pinhole("K", k, calibration)
    if p.any():
        _check_pinhole("P", p[:, :3], calibration)
        if p[2, 3] != 0:
            raise _inconsistent(f"P must end in a row 0 0 1 0, got {p[2].tolist()}")
    if not r.any():
        r = np.eye(3)
    rotates = (np.abs(r) <= 2).all() and np.allclose(r @ r.T, np.eye(3), atol=ROTATION_TOLERANCE)
    if not rotates or np.linalg.det(r) < 0:
        raise _inconsistent(f"R must be a rotation, got {r.tolist()}")
    return k, p, r


def _check_pinhole(name: str, matrix: Matrix, calibration: _Calibration) -> None:
    if matrix[1, 0] != 0 or not np.array_equal(matrix[2], (0, 0, 1)):
        raise _inconsistent(f"{name} must be [fx 0 cx; 0 fy cy; 0 0 1], got {matrix.tolist()}")
    sides = np.array([calibration.width, calibration.height])
    focal, centre = np.diag(matrix)[:2], matrix[:2, 2]
    if (focal < MIN_FOCAL * sides).any() or (focal > MAX_FOCAL * sides).any():
        raise _inconsistent(
            f"focal lengths in {name} must be {MIN_FOCAL:g} to {MAX_FOCAL:g} times the image's "
            f"width and height {sides[0]}x{sides[1]}, got fx {focal[0]:g}, fy {focal[1]:g}"
        )
    if (np.abs(centre - sides / 2) > MAX_CENTRE * sides).any():
        raise _inconsistent(
            f"the principal point in {name} must be within {MAX_CENTRE:g} image sides of the "
            f"middle of {sides[0]}x{sides[1]}, got cx {centre[0]:g}, cy {centre[1]:g}"
        )


def _windowed(calibration: _Calibration, matrix: Matrix) -> Camera:
    """The camera of the image that arrives, from (3, 3) intrinsics of the full resolution."""
    x, y, width, height = calibration.window
    if x + width > calibration.width or y + height > calibration.height:
        raise _inconsistent(
            f"region of interest {width}x{height} at ({x}, {y}) must lie "
            f"inside the full image {calibration.width}x{calibration.height}"
        )
    bin_x, bin_y = calibration.binning
    return Camera(
        width // bin_x,
        height // bin_y,
        float(matrix[0, 0]) / bin_x,
        float(matrix[1, 1]) / bin_y,
        (float(matrix[0, 2]) - x + 0.5) / bin_x - 0.5,
        (float(matrix[1, 2]) - y + 0.5) / bin_y - 0.5,
    )


def _values(numbers: Any) -> tuple[float, ...]:
    return tuple(map(float, numbers))


def _alike(a: Matrix, b: Matrix) -> bool:
    return bool(np.allclose(a, b, rtol=PINHOLE_TOLERANCE, atol=PINHOLE_TOLERANCE))


def _rows(matrix: Matrix) -> tuple[tuple[float, ...], ...]:
    return tuple(map(_values, matrix))


def _skewed(declared: bool, skew: float, focal: float) -> AnyviewError:
    return AnyviewError(
        "skewed_camera",
        f"the axes of an image that is not rectified here must be at right angles: "
        f"{'P' if declared else 'K'}[0][1] must be within {MAX_SKEW:g} of fx {focal:g}, got "
        f"{skew:g}; calibrate again with a skew of 0",
    )


def _distortion(text: str) -> AnyviewError:
    return AnyviewError("invalid_distortion", f"camera info's distortion cannot be used: {text}")


def _inconsistent(text: str) -> AnyviewError:
    return AnyviewError("inconsistent_camera_info", f"camera info contradicts itself: {text}")
