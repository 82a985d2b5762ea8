"""A driving robot with one camera as a process of its own, for tests that receive its images.

`python -m tests.node.robot_process` publishes static transforms, says "ready", and then for each
stamp in nanoseconds on its input: the vehicle's transform, an image and its camera info. It ends
with its input. The domain is that of the environment.
"""

from __future__ import annotations

import sys

import numpy as np
import rclpy
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from anyview_ros.frames import Camera
from anyview_ros.geometry import BODY_FROM_OPTICAL, quaternion_xyzw, rigid
from anyview_ros.node.messages import image_message, info_message, time_message

CAMERA = Camera.from_fov(64, 48, 1.2)
BASE_FROM_CAM = rigid(np.eye(3), (1.0, 0.0, 1.5)) @ BODY_FROM_OPTICAL
LASTING = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def odom_from_base(stamp_ns: int) -> NDArray[np.float64]:
    """The vehicle drives along x at 5 m/s."""
    return rigid(np.eye(3), (5.0 * stamp_ns / 1e9, 0.5, 0.0))


def picture(stamp_ns: int) -> NDArray[np.uint8]:
    """(48, 64, 3) uint8, another one for each stamp."""
    return np.random.default_rng(stamp_ns).integers(0, 256, (48, 64, 3), np.uint8)


def transform(
    parent: str, child: str, parent_from_child: NDArray[np.float64], stamp_ns: int
) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = time_message(stamp_ns)
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = map(float, parent_from_child[:3, 3])
    q.x, q.y, q.z, q.w = quaternion_xyzw(parent_from_child)
    return message


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("robot")
    static = node.create_publisher(TFMessage, "/tf_static", LASTING)
    mounted = transform("base_link", "front_optical_frame", BASE_FROM_CAM, 1)
    static.publish(TFMessage(transforms=[mounted]))
    tf = node.create_publisher(TFMessage, "/tf", 10)
    image = node.create_publisher(Image, "/front/image_raw", 10)
    info = node.create_publisher(CameraInfo, "/front/camera_info", 10)
    print("ready", flush=True)
    for line in sys.stdin:
        stamp = int(line)
        placed = transform("odom", "base_link", odom_from_base(stamp), stamp)
        tf.publish(TFMessage(transforms=[placed]))
        image.publish(image_message(picture(stamp), stamp, "front_optical_frame"))
        info.publish(info_message(CAMERA, stamp, "front_optical_frame"))


if __name__ == "__main__":
    main()
