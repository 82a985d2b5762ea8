"""ROS messages to values and back: time, images, camera info. Everything doubtful is refused.

The texts name what is wrong with the message; the camera stream adds the topic it came from.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import MAX_SIDE, Camera
from anyview_ros.geometry import rigid

BYTES_PER_PIXEL = {"rgb8": 3, "bgr8": 3, "mono8": 1, "bayer_rggb8": 1}
JUMP_NS = 1_000_000_000  # stamps that step back by more are a clock jump, by less a reordering
MATRIX_TOLERANCE = 1e-3  # relative; calibration files are rounded to about six digits


@dataclass(frozen=True)
class RectifiedCamera:
    """A pinhole camera, and where its optical centre is in the frame that its header names.

    Args:
        camera: intrinsics of the image as it arrives: region of interest and binning applied.
        frame_from_cam: (4, 4) float64; identity unless the camera info has a rectifying rotation
            R or a shift in P (the right camera of a stereo pair).
    """

    camera: Camera
    frame_from_cam: NDArray[np.float64]


def stamp_ns(time: Time) -> int:
    """Nanoseconds since the epoch of the clock that stamped the message."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def time_message(stamp_ns: int) -> Time:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def seconds(duration_ns: int) -> str:
    """Nanoseconds as text for people: "12.300 s"."""
    return f"{duration_ns / 1e9:.3f} s"


def check_image(message: Image) -> None:
    """Refuse an image whose header or layout is unusable, without touching a pixel.

    Raises:
        AnyviewError: `zero_stamp`, `empty_frame_id`, `unsupported_encoding`, `invalid_image`.
    """
    if stamp_ns(message.header.stamp) <= 0:
        raise AnyviewError(
            "zero_stamp",
            f"image needs its acquisition time, got stamp {stamp_ns(message.header.stamp)}; "
            "set header.stamp in the camera driver",
        )
    if not message.header.frame_id:
        raise AnyviewError(
            "empty_frame_id",
            "image needs the name of its optical frame, got an empty header.frame_id; "
            "set the camera driver's frame_id",
        )
    if message.encoding not in BYTES_PER_PIXEL:
        raise AnyviewError(
            "unsupported_encoding",
            f"encoding must be one of {', '.join(BYTES_PER_PIXEL)}, got '{message.encoding}'; "
            "convert it in the driver or with image_proc",
        )
    if not (1 <= message.width <= MAX_SIDE and 1 <= message.height <= MAX_SIDE):
        raise AnyviewError(
            "invalid_image",
            f"image size must be 1..{MAX_SIDE} pixels a side, got {message.width}x{message.height}",
        )
    _check_layout(message)


def _check_layout(message: Image) -> None:
    row = message.width * BYTES_PER_PIXEL[message.encoding]
    if message.step < row:
        raise AnyviewError(
            "invalid_image",
            f"step must be at least {row} bytes for {message.width} pixels of "
            f"{message.encoding}, got {message.step}",
        )
    if len(message.data) != message.step * message.height:
        raise AnyviewError(
            "invalid_image",
            f"data must be step x height = {message.step} x {message.height} = "
            f"{message.step * message.height} bytes, got {len(message.data)}",
        )
    if message.encoding.startswith("bayer") and min(message.width, message.height) < 3:
        raise AnyviewError(
            "invalid_image",
            f"a Bayer image needs at least 3x3 pixels, got {message.width}x{message.height}",
        )


def rgb_from_image(message: Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of an image message; for rgb8 a view of the message: read only.

    Raises:
        AnyviewError: as `check_image`.
    """
    check_image(message)
    depth = BYTES_PER_PIXEL[message.encoding]
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * depth].reshape(message.height, message.width, depth)
    match message.encoding:
        case "rgb8":
            return pixels
        case "bgr8":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        case "mono8":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
        case _:  # OpenCV names a pattern by the second row's second pixel: its BG is ROS's rggb
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BayerBG2RGB), np.uint8)


def declared_rectified(rectify: str, topic: str) -> bool:
    """Whether a stream's images count as rectified although their camera info has distortion.

    Args:
        rectify: the parameter `<camera>.rectify`: auto (by the topic's name), on, off (they are).
        topic: image topic; `/front/image_rect` and `/front/rect/image` say so.

    Raises:
        AnyviewError: `not_available` for "on", `invalid_parameter` for any other word.
    """
    if rectify == "on":
        raise AnyviewError(
            "not_available",
            "rectify 'on' is not available in this version; run image_proc's rectify_node and "
            "subscribe to its image_rect",
        )
    if rectify not in ("auto", "off"):
        raise AnyviewError(
            "invalid_parameter", f"rectify must be one of auto, on, off, got '{rectify}'"
        )
    words = set(re.split("[/_]", topic))
    says_so = bool(words & {"rect", "rectified"}) and not topic.endswith("/image_raw")
    return rectify == "off" or says_so


def camera_from_info(info: CameraInfo, rectify: str = "auto", topic: str = "") -> RectifiedCamera:
    """The pinhole camera of rectified images, by the definitions in sensor_msgs/CameraInfo.

    A point X in the frame of the header is seen at the pixel P [R X], before region of interest
    and binning. Where P is unset, K is used. Binned pixels keep their centres, for CameraInfo
    defines binning as merging of pixels; image_geometry leaves the half pixel out.

    Args:
        info: the header is not looked at.
        rectify, topic: see `declared_rectified`.

    Raises:
        AnyviewError: `uncalibrated_camera` (K[0] = 0), `skewed_camera`, `unrectified_camera`,
            `inconsistent_camera_info`, `invalid_camera`, and those of `declared_rectified`.
    """
    k, p, r = _matrices(info)
    declared = declared_rectified(rectify, topic)
    distorted = bool(np.any(info.d))
    if distorted and not declared:
        raise AnyviewError(
            "unrectified_camera",
            f"images must be rectified, camera info has distortion {info.distortion_model} "
            f"{np.round(info.d, 6).tolist()}; subscribe to image_proc's image_rect, or set the "
            "camera's parameter rectify to 'off' if its images are rectified already",
        )
    if not p.any():
        if distorted or not np.allclose(r, np.eye(3), atol=MATRIX_TOLERANCE):
            raise _inconsistent("P must describe the rectified image, it is all zero")
        p[:, :3] = k
    if not declared:
        _check_nothing_to_rectify(k, p, r)
    shift = -p[:2, 3] / (p[0, 0], p[1, 1])
    frame_from_cam = rigid(r.T, r.T @ (*shift, 0.0))
    return RectifiedCamera(_windowed(info, p[:3, :3]), frame_from_cam)


def _matrices(info: CameraInfo) -> tuple[NDArray[np.float64], ...]:
    """K (3, 3), P (3, 4) and R (3, 3, identity where unset), each checked by itself."""
    k = np.array(info.k, np.float64).reshape(3, 3)
    p = np.array(info.p, np.float64).reshape(3, 4)
    r = np.array(info.r, np.float64).reshape(3, 3)
    if not all(np.isfinite(values).all() for values in (k, p, r, np.asarray(info.d, np.float64))):
        raise _inconsistent("K, D, R and P must be finite")
    if k[0, 0] == 0:
        raise AnyviewError(
            "uncalibrated_camera",
            "camera info must hold a calibration, got K[0] = 0 (uncalibrated); calibrate the "
            "camera or give its driver the calibration file",
        )
    _check_pinhole("K", k)
    if p.any():
        _check_pinhole("P", p[:, :3])
        if p[2, 3] != 0:
            raise _inconsistent(f"P must end in a row 0 0 1 0, got {p[2].tolist()}")
    if not r.any():
        r = np.eye(3)
    if not np.allclose(r @ r.T, np.eye(3), atol=MATRIX_TOLERANCE) or np.linalg.det(r) < 0:
        raise _inconsistent(f"R must be a rotation, got {r.tolist()}")
    return k, p, r


def _check_pinhole(name: str, matrix: NDArray[np.float64]) -> None:
    if matrix[0, 1] != 0:
        raise AnyviewError(
            "skewed_camera",
            f"cameras with skew are not supported: {name}[0][1] must be 0, got {matrix[0, 1]:g}",
        )
    if matrix[1, 0] != 0 or not np.array_equal(matrix[2], (0, 0, 1)):
        raise _inconsistent(f"{name} must be [fx 0 cx; 0 fy cy; 0 0 1], got {matrix.tolist()}")
    if min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise _inconsistent(
            f"focal lengths in {name} must be positive, got fx {matrix[0, 0]:g}, "
            f"fy {matrix[1, 1]:g}"
        )


def _check_nothing_to_rectify(
    k: NDArray[np.float64], p: NDArray[np.float64], r: NDArray[np.float64]
) -> None:
    same = np.allclose(p[:, :3], k, rtol=MATRIX_TOLERANCE, atol=MATRIX_TOLERANCE)
    if not same or not np.allclose(r, np.eye(3), atol=MATRIX_TOLERANCE):
        raise _inconsistent(
            "R and P describe another camera than K, so the image may or may not be rectified "
            "already; set the camera's parameter rectify to 'off' if it is, or make P equal to K "
            "if it is not"
        )


def image_size(info: CameraInfo) -> tuple[int, int]:
    """(width, height) of the image that arrives: region of interest and binning applied."""
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return width // max(info.binning_x, 1), height // max(info.binning_y, 1)


def _windowed(info: CameraInfo, matrix: NDArray[np.float64]) -> Camera:
    """The camera of the image that arrives, from (3, 3) intrinsics of the full resolution."""
    roi: RegionOfInterest = info.roi
    width, height = roi.width or info.width, roi.height or info.height
    if roi.x_offset + width > info.width or roi.y_offset + height > info.height:
        raise _inconsistent(
            f"region of interest {width}x{height} at ({roi.x_offset}, {roi.y_offset}) must lie "
            f"inside the full image {info.width}x{info.height}"
        )
    bin_x, bin_y = max(info.binning_x, 1), max(info.binning_y, 1)
    return Camera(
        *image_size(info),
        float(matrix[0, 0]) / bin_x,
        float(matrix[1, 1]) / bin_y,
        (float(matrix[0, 2]) - roi.x_offset + 0.5) / bin_x - 0.5,
        (float(matrix[1, 2]) - roi.y_offset + 0.5) / bin_y - 0.5,
    )


def _inconsistent(text: str) -> AnyviewError:
    return AnyviewError("inconsistent_camera_info", f"camera info contradicts itself: {text}")


def image_message(rgb: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Image:
    """rgb8 image message of (H, W, 3) uint8; one copy of the pixels."""
    height, width, _ = rgb.shape
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    pixels = array("B")  # the one type whose elements the setter does not check: 0.9 ms at 1080p
    pixels.frombytes(np.ascontiguousarray(rgb).data)
    message.data = pixels
    return message


def info_message(camera: Camera, stamp_ns: int, frame_id: str) -> CameraInfo:
    """Camera info of a rectified image: no distortion, R identity, P = [K 0]."""
    message = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob")
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    message.d = [0.0] * 5
    message.k = camera.matrix.ravel()
    message.r = np.eye(3).ravel()
    message.p = np.hstack([camera.matrix, np.zeros((3, 1))]).ravel()
    return message
