"""ROS messages to values and back: time, images, camera info. Everything doubtful is refused.

The texts name what is wrong with the message; the camera stream adds the topic it came from.
"""

from __future__ import annotations

import sys
from array import array

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, TransformStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anyview_ros.frames import Camera
from anyview_ros.geometry import quaternion_xyzw
from anyview_ros.media.provenance import SYNTHETIC, jpeg

JPEG_QUALITY = 95  # image_transport's


def time_message(stamp_ns: int) -> Time:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def pose_message(frame_from_cam: NDArray[np.float64]) -> Pose:
    """Return the pose of a (4, 4) transform."""
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = map(float, frame_from_cam[:3, 3])
    turn = pose.orientation
    turn.x, turn.y, turn.z, turn.w = quaternion_xyzw(frame_from_cam)
    return pose


def transform_message(
    parent: str, child: str, parent_from_child: NDArray[np.float64], stamp_ns: int
) -> TransformStamped:
    """Return the transform of a TF frame in its parent, from a (4, 4) matrix."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = time_message(stamp_ns)
    move, turn = message.transform.translation, message.transform.rotation
    move.x, move.y, move.z = map(float, parent_from_child[:3, 3])
    turn.x, turn.y, turn.z, turn.w = quaternion_xyzw(parent_from_child)
    return message


def image_message(
    image: NDArray[np.uint8] | NDArray[np.float32], stamp_ns: int, frame_id: str
) -> Image:
    """Return a message of an image; pixels are copied once.

    rgb8 of (H, W, 3) uint8, mono8 of (H, W) uint8, 32FC1 of (H, W) float32.
    """
    height, width = image.shape[:2]
    encoding = "rgb8" if image.ndim == 3 else "mono8" if image.dtype == np.uint8 else "32FC1"
    message = Image(height=height, width=width, encoding=encoding, step=image.nbytes // height)
    message.is_bigendian = sys.byteorder == "big"
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    pixels = array("B")  # the one type whose elements the setter does not check: 0.9 ms at 1080p
    pixels.frombytes(np.ascontiguousarray(image).view(np.uint8).data)
    message.data = pixels
    return message


def compressed_message(image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> CompressedImage:
    """Return a JPEG of (H, W, 3) synthesized RGB, which says of itself that it is synthetic."""
    message = CompressedImage(format="rgb8; jpeg compressed bgr8")  # as image_transport has it
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    file = array("B")  # see image_message
    file.frombytes(jpeg(image, SYNTHETIC, JPEG_QUALITY))
    message.data = file
    return message


def info_message(camera: Camera, stamp_ns: int, frame_id: str) -> CameraInfo:
    """Return the camera info of a rectified image: no distortion, R identity, P = [K 0]."""
    message = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob")
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    message.d = [0.0] * 5
    message.k = camera.matrix.ravel()
    message.r = np.eye(3).ravel()
    message.p = np.hstack([camera.matrix, np.zeros((3, 1))]).ravel()
    return message
