"""Stereo pairs of Debian's package opencv-doc: an aloe, and chessboards held before two cameras.

The pictures stay where the package puts them; they are not in this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import rays, rigid
from anyview_ros.media.images import read_image
from anyview_ros.media.real_view import RealView, depth_of_disparity, left_of
from anyview_ros.media.stereo_pair import StereoPair

FOLDER = Path("/usr/share/doc/opencv-doc/examples/data")

# The aloe is of the Middlebury data sets of 2006, whose page gives focal length and baseline of
# the full size. How far apart the principal points are is not in the package: with 270 pixels
# the pot stands 1.2 to 1.9 m away. Another number would bend depth, not the pair's agreement.
ALOE_FOCAL, ALOE_BASELINE_M, ALOE_CENTRES_APART = 3740.0, 0.16, 270.0
ALOE_SHRINK = 2  # of 1282x1110: its disparities are whole pixels, so nothing is lost

BOARDS = tuple(f"{k:02d}" for k in (*range(1, 10), *range(11, 15)))
VIEWS = BOARDS[::3]  # that are asked: all of them calibrate, and look alike
CORNERS, SQUARE_M = (9, 6), 0.025  # as left_intrinsics.yml of the package says

Points = NDArray[np.float32]


def folder() -> Path:
    """Return where the pictures are.

    Raises:
        AnyviewError: `missing_pictures`.
    """
    if not (FOLDER / "aloeGT.png").is_file():
        raise AnyviewError(
            "missing_pictures",
            f"no pictures of opencv-doc in {FOLDER}; install them with: apt-get install opencv-doc",
        )
    return FOLDER


def aloe() -> RealView:
    """Return the left eye's view, whose true disparity the package has.

    Raises:
        AnyviewError: as `folder`.
    """
    images = [read_image(folder() / f"aloe{side}.jpg") for side in "LR"]
    disparity = cv2.imread(str(folder() / "aloeGT.png"), cv2.IMREAD_GRAYSCALE)
    assert disparity is not None
    height, width = disparity.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    focal, apart = ALOE_FOCAL, ALOE_CENTRES_APART
    left = Camera(width, height, focal, focal, *centre)
    right = Camera(width, height, focal, focal, centre[0] + apart, centre[1])
    depth = depth_of_disparity(disparity.astype(np.float32), left, right, ALOE_BASELINE_M)
    size = (width // ALOE_SHRINK, height // ALOE_SHRINK)
    small = [
        np.asarray(cv2.resize(i, size, interpolation=cv2.INTER_AREA), np.uint8) for i in images
    ]
    pair = StereoPair(
        small[0],
        small[1],
        left.resized(size[0], size[1]),
        right.resized(size[0], size[1]),
        rigid(np.eye(3), (ALOE_BASELINE_M, 0.0, 0.0)),
    )
    return left_of(pair, depth[::ALOE_SHRINK, ::ALOE_SHRINK])


def chessboard(name: str) -> RealView:
    """Return the rectified left eye's view of a board, one of BOARDS; depth is known on the board.

    Raises:
        AnyviewError: as `folder`.
    """
    rig, seen = _rig(folder())
    corners = seen[name]
    pair = StereoPair(
        rig.left.rectified(read_image(folder() / f"left{name}.jpg")),
        rig.right.rectified(read_image(folder() / f"right{name}.jpg")),
        rig.left.camera,
        rig.right.camera,
        rigid(np.eye(3), (rig.baseline_m, 0.0, 0.0)),
    )
    return left_of(pair, rig.board_depth(corners))


@dataclass(frozen=True)
class Eye:
    """One of the two cameras, and how its pictures are rectified.

    Args:
        matrix, distortion: as OpenCV has them.
        turn: (3, 3), from the camera to the rectified one.
        camera: the rectified one.
    """

    matrix: NDArray[np.float64]
    distortion: NDArray[np.float64]
    turn: NDArray[np.float64]
    camera: Camera

    def rectified(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = (self.camera.width, self.camera.height)
        lens = self.matrix, self.distortion
        maps = cv2.initUndistortRectifyMap(
            lens[0], lens[1], self.turn, self.camera.matrix, size, cv2.CV_32FC1
        )
        return np.asarray(cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR), np.uint8)

    def pixels(self, corners: Points) -> NDArray[np.float64]:
        """Return (N, 2) of the rectified picture, of corners (N, 1, 2) of the picture."""
        lens = self.matrix, self.distortion
        found = cv2.undistortPoints(corners, lens[0], lens[1], R=self.turn, P=self.camera.matrix)
        return np.asarray(found, np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class Rig:
    """Two cameras whose rectified pictures differ along rows alone."""

    left: Eye
    right: Eye
    baseline_m: float

    def board_depth(self, corners: tuple[Points, Points]) -> NDArray[np.float32]:
        """Return (H, W) of the left picture: the plane through the corners, nan beside them."""
        camera = self.left.camera
        left, right = self.left.pixels(corners[0]), self.right.pixels(corners[1])
        apart = left[:, 0] - right[:, 0] + self.right.camera.cx - camera.cx
        z = camera.fx * self.baseline_m / apart
        x, y = (left[:, 0] - camera.cx) / camera.fx, (left[:, 1] - camera.cy) / camera.fy
        # 1 / z is linear in the picture of a plane.
        design = np.stack([x, y, np.ones_like(x)], axis=1)
        plane, *_ = np.linalg.lstsq(design, 1 / z, rcond=None)
        direction = rays(camera)
        inverse_depth = direction / direction[..., 2:] @ plane
        board = np.zeros((camera.height, camera.width), np.uint8)
        cv2.fillConvexPoly(board, cv2.convexHull(np.rint(left).astype(np.int32)), 1)
        return np.where(board > 0, 1 / inverse_depth, np.nan).astype(np.float32)


@lru_cache(maxsize=1)
def _rig(pictures: Path) -> tuple[Rig, dict[str, tuple[Points, Points]]]:
    """Return the rig, calibrated from all boards as OpenCV's stereo_calib does, and corners.

    The package's own intrinsics.yml does not fit these pictures: a lens bent the other way.
    """
    seen = {
        name: (_corners(pictures, "left", name), _corners(pictures, "right", name))
        for name in BOARDS
    }
    grid = np.zeros((CORNERS[0] * CORNERS[1], 3), np.float32)
    grid[:, :2] = SQUARE_M * np.mgrid[: CORNERS[0], : CORNERS[1]].T.reshape(-1, 2)
    boards, (lefts, rights) = [grid] * len(seen), zip(*seen.values(), strict=True)
    height, width, _ = read_image(pictures / "left01.jpg").shape
    size = (width, height)
    alone = [cv2.calibrateCamera(boards, eye, size, None, None)[1:3] for eye in (lefts, rights)]
    (k1, d1), (k2, d2) = alone
    _, k1, d1, k2, d2, turn, shift, *_ = cv2.stereoCalibrate(
        boards, lefts, rights, k1, d1, k2, d2, size, flags=cv2.CALIB_USE_INTRINSIC_GUESS
    )
    r1, r2, p1, p2, *_ = cv2.stereoRectify(k1, d1, k2, d2, size, turn, shift, flags=0, alpha=0)
    eyes = [
        Eye(np.asarray(matrix), np.asarray(lens), np.asarray(turned), _pinhole(projection, size))
        for matrix, lens, turned, projection in ((k1, d1, r1, p1), (k2, d2, r2, p2))
    ]
    return Rig(eyes[0], eyes[1], float(-p2[0, 3] / p2[0, 0])), seen


def _pinhole(projection: ArrayLike, size: tuple[int, int]) -> Camera:
    (fx, _, cx, _), (_, fy, cy, _), _ = np.asarray(projection, np.float64)
    return Camera(size[0], size[1], fx, fy, cx, cy)


def _corners(pictures: Path, side: str, name: str) -> Points:
    """Return (54, 1, 2) corners in pixels, to a tenth of one."""
    image = cv2.imread(str(pictures / f"{side}{name}.jpg"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    found, corners = cv2.findChessboardCorners(image, CORNERS)
    assert found, name
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.01)
    return np.asarray(cv2.cornerSubPix(image, corners, (11, 11), (-1, -1), until), np.float32)
