"""A model castle of Debian's package visp-images-data, filmed in grey with a depth camera beside.

Thirty pictures of a camera that is moved by hand, of ViSP (GPL-2). They stay where the package puts
them; they are not in this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import inverse, rays, rigid
from anyview_ros.media.images import read_image
from anyview_ros.media.real_view import RealView, depth_of_points

FOLDER = Path("/usr/share/visp-images-data/ViSP-images/mbt-depth/castel")
# Of the package's chateau.xml and chateau_depth.xml.
CAMERA = Camera(640, 480, 615.16748, 615.16754, 312.18900, 243.43738)
DEPTH_CAMERA = Camera(640, 480, 476.05362, 476.05350, 311.48456, 246.28323)
DEPTH_UNIT_M = 0.000125  # an eighth of a millimetre, as RealSense SR300 counts: edges fit best
DEPTH_HEADER = 8  # bytes: rows and columns
PERIOD_NS = 10**8  # not told; nothing but the order counts

REFERENCE = 15  # the picture that all poses are relative to
AROUND = 4  # pictures before and after the middle one of a clip
# Middle of the source's clip, and target; 1 to 5 cm apart.
PAIRS: Mapping[str, tuple[int, int]] = {
    f"{source:02d}-{target:02d}": (source, target)
    for source, target in ((8, 20), (20, 8), (6, 14), (22, 14), (10, 24))
}
RATIO, INLIER_PX, ATTEMPTS = 0.75, 2.0, 500  # of matches, and of RANSAC over them


def folder() -> Path:
    """Return where the pictures are.

    Raises:
        AnyviewError: `missing_pictures`.
    """
    if not (FOLDER / "depth_M_color.txt").is_file():
        raise AnyviewError(
            "missing_pictures",
            f"no castle of visp-images-data in {FOLDER}; install it with: "
            "apt-get install visp-images-data",
        )
    return FOLDER


def castle(name: str) -> RealView:
    """Return nine pictures of the camera, and one that it took 1 to 5 cm aside; name of PAIRS.

    Raises:
        AnyviewError: as `folder`.
    """
    middle, target = PAIRS[name]
    clip = range(middle - AROUND, middle + AROUND + 1)
    depth = _depth(folder(), target)
    known = np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)
    return RealView(tuple(_frame(folder(), k) for k in clip), _frame(folder(), target), known)


def _frame(pictures: Path, k: int) -> Frame:
    image = read_image(pictures / "castel" / f"image_{k:04d}.pgm")
    return Frame(k * PERIOD_NS, image, CAMERA, _pose(pictures, k))


@cache
def _pose(pictures: Path, k: int) -> NDArray[np.float64]:
    """Return reference_from_cam of picture k, by its matches with the reference's known depth."""
    if k == REFERENCE:
        return np.eye(4)
    known, known_features = _features(pictures, REFERENCE)
    found, features = _features(pictures, k)
    nearest = cv2.BFMatcher().knnMatch(known_features, features, k=2)
    matches = [first for first, second in nearest if first.distance < RATIO * second.distance]
    places = np.array([known[m.queryIdx].pt for m in matches])
    pixels = np.array([found[m.trainIdx].pt for m in matches])
    depth = cv2.medianBlur(_depth(pictures, REFERENCE), 5)
    columns, rows = np.rint(places).astype(np.intp).T
    z = depth[rows, columns]
    aside, down = (places - (CAMERA.cx, CAMERA.cy)).T / [[CAMERA.fx], [CAMERA.fy]]
    points = np.stack([aside * z, down * z, z], axis=1)
    deep = np.isfinite(z)
    return _camera_of(points[deep], pixels[deep])


def _camera_of(points: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return reference_from_cam of the camera that sees points (N, 3) at pixels (N, 2)."""
    _, turn, shift, inliers = cv2.solvePnPRansac(
        points, pixels, CAMERA.matrix, None, reprojectionError=INLIER_PX, iterationsCount=ATTEMPTS
    )
    close = inliers[:, 0]
    turn, shift = cv2.solvePnPRefineLM(
        points[close], pixels[close], CAMERA.matrix, None, turn, shift
    )
    return inverse(rigid(cv2.Rodrigues(turn)[0], shift[:, 0]))


@cache
def _features(pictures: Path, k: int) -> tuple[tuple[cv2.KeyPoint, ...], NDArray[np.float32]]:
    image = cv2.imread(str(pictures / "castel" / f"image_{k:04d}.pgm"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    points, features = cv2.SIFT.create(3000).detectAndCompute(image, None)
    return tuple(points), np.asarray(features, np.float32)


def _depth(pictures: Path, k: int) -> NDArray[np.float32]:
    """Return (H, W) metres in the grey camera, inf where the depth camera tells nothing."""
    stored = (pictures / "castel" / f"depth_image_{k:04d}.bin").read_bytes()[DEPTH_HEADER:]
    shape = (DEPTH_CAMERA.height, DEPTH_CAMERA.width)
    z = np.frombuffer(stored, "<u2").reshape(shape) * DEPTH_UNIT_M
    direction = rays(DEPTH_CAMERA)
    points = (direction / direction[..., 2:] * z[..., None])[z > 0]
    grey_from_depth = inverse(np.loadtxt(pictures / "depth_M_color.txt"))
    return depth_of_points(points @ grey_from_depth[:3, :3].T + grey_from_depth[:3, 3], CAMERA)
