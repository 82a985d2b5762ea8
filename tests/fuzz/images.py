"""Pixels: messages as they come over DDS and out of bags, and files of scenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.transform_buffer import TransformBuffer
from anyview_ros.datasets.bag_messages import MessageTypes
from anyview_ros.imaging import compression
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.imaging.compression import check_compressed, decode_compressed
from anyview_ros.imaging.encodings import ENCODINGS
from anyview_ros.imaging.message_fields import check_image, rgb_from_image
from anyview_ros.media import images
from anyview_ros.media.images import image_size, read_image
from tests.fuzz.target import CrashError, Read, Target

FORMATS = (
    "jpeg",
    "rgb8; jpeg compressed bgr8",
    "bayer_rggb8; png",
    "16UC1; png",
    "compressed rgb8",
)
MAX_PIXELS = 1 << 16  # in place of 36 million, whose decoding is slow and the same
FILES = ("a.png", "a.jpg", "a.bmp")


def noise(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), np.uint8)


def check_rgb(image: NDArray[np.uint8], size: tuple[int, int] | None = None) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise CrashError(f"no RGB: {image.dtype} {image.shape}")
    if size is not None and image.shape[1::-1] != size:
        raise CrashError(f"{size} was promised, {image.shape} came")


def open_raw(folder: Path) -> Read:
    types = MessageTypes(())

    def read(content: bytes) -> None:
        message = types.message(content, "sensor_msgs/msg/Image", "/front/image_raw")
        check_rgb(rgb_from_image(message), check_image(message))

    return read


def open_compressed(folder: Path) -> Read:
    compression.MAX_PIXELS = MAX_PIXELS

    def read(content: bytes) -> None:
        how, data = (content[0], content[1:]) if content else (0, b"")
        message = SimpleNamespace(format=FORMATS[how % len(FORMATS)], data=data)
        size = check_compressed(message)
        if how < 128:
            check_rgb(decode_compressed(message), size)
        else:
            check_rgb(decode_compressed(message, (8, 6)))

    return read


def open_file(folder: Path) -> Read:
    images.MAX_PIXELS = MAX_PIXELS

    def read(content: bytes) -> None:
        how, data = (content[0], content[1:]) if content else (0, b"")
        file = folder / FILES[how % len(FILES)]
        file.write_bytes(data)
        image = read_image(file, (6, 8) if how >= 128 else (0, 0))
        check_rgb(image)
        if (height := image_size(file)[0] // len(image)) not in (1, 2, 4, 8):
            raise CrashError(f"1/{height} of the size")

    return read


def open_camera_info(folder: Path) -> Read:
    types = MessageTypes(())

    def read(content: bytes) -> None:
        info = types.message(content, "sensor_msgs/msg/CameraInfo", "/front/camera_info")
        lens = lens_from_info(info)
        if not np.isfinite(lens.rectified.frame_from_cam).all():
            raise CrashError(f"a camera that is nowhere: {lens}")

    return read


def open_transforms(folder: Path) -> Read:
    types = MessageTypes(())

    def read(content: bytes) -> None:
        message = types.message(content, "tf2_msgs/msg/TFMessage", "/tf")
        buffer, stamps = TransformBuffer(10_000_000_000), [0]
        for transform in message.transforms:
            stamps.append(transform.header.stamp.sec * 10**9 + transform.header.stamp.nanosec)
            buffer.insert(transform, static=False)
        for stamp in stamps[-2:]:
            found = buffer.lookup("odom", "base_link", stamp)
            if not np.isfinite(found).all():
                raise CrashError(f"a transform that is none: {found}")

    return read


def serialized(messages: Iterator[tuple[str, object]]) -> dict[str, bytes]:
    from rclpy.serialization import serialize_message

    return {name: bytes(serialize_message(message)) for name, message in messages}


def raw_seeds(folder: Path) -> dict[str, bytes]:
    from sensor_msgs.msg import Image

    def made() -> Iterator[tuple[str, object]]:
        for name, encoding in ENCODINGS.items():
            message = Image(encoding=name, width=4, height=4, step=4 * encoding.pixel_bytes)
            message.header.frame_id, message.header.stamp.sec = "f", 1
            message.data = list(range(message.step * encoding.rows(4)))
            yield name, message

    return serialized(made())


def compressed_seeds(folder: Path) -> dict[str, bytes]:
    images = {"colour": noise(12, 16, 3), "grey": noise(12, 16, 1)}
    found = {}
    for name, image in images.items():
        for k, options in enumerate(([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])):
            file = cv2.imencode(".jpg", image, options)[1].tobytes()
            found |= {f"{name}{k}.jpg": b"\1" + file, f"{name}{k}_small.jpg": b"\x81" + file}
        found[f"{name}.png"] = b"\2" + cv2.imencode(".png", image)[1].tobytes()
        deep = image.astype(np.uint16) * 257
        found[f"{name}16.png"] = b"\4" + cv2.imencode(".png", deep)[1].tobytes()
    return found


def file_seeds(folder: Path) -> dict[str, bytes]:
    found = {}
    for k, name in enumerate(FILES):
        for channels in (1, 3):
            file = cv2.imencode(name[1:], noise(12, 16, channels))[1].tobytes()
            found[f"{k}{channels}"] = bytes([k]) + file
            found[f"{k}{channels}_small"] = bytes([k + 129]) + file
    return found


def camera_info_seeds(folder: Path) -> dict[str, bytes]:
    from anyview_ros.node.messages import info_message
    from tests.datasets.rig_bag import CAMERA

    def made() -> Iterator[tuple[str, object]]:
        coefficients = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4, "": 0}
        for name, count in coefficients.items():
            info = info_message(CAMERA, 1_000_000_000, "f")
            info.distortion_model, info.d = name, [0.01 * (k + 1) for k in range(count)]
            yield name or "none", info
        info.roi.width, info.roi.height, info.binning_x, info.binning_y = 32, 24, 2, 2
        info.r = [1.0, 0.0, 0.0, 0.0, 0.8, -0.6, 0.0, 0.6, 0.8]
        yield "roi", info

    return serialized(made())


def transform_seeds(folder: Path) -> dict[str, bytes]:
    from tf2_msgs.msg import TFMessage

    from tests.node.rig import transform

    def made() -> Iterator[tuple[str, object]]:
        two = [transform("odom", "base_link", np.eye(4), 10**9 * k) for k in (1, 2)]
        yield "two", TFMessage(transforms=two)
        chain = [
            transform("odom", "a", np.eye(4), 10**9),
            transform("a", "base_link", np.eye(4), 1),
        ]
        yield "chain", TFMessage(transforms=chain)
        loop = [transform("odom", "a", np.eye(4), 1), transform("a", "odom", np.eye(4), 1)]
        yield "loop", TFMessage(transforms=loop)

    return serialized(made())


TARGETS = {
    "raw-image": Target(open_raw, raw_seeds, words=tuple(ENCODINGS), max_bytes=512),
    "compressed-image": Target(open_compressed, compressed_seeds, max_bytes=2048),
    "image-file": Target(open_file, file_seeds, max_bytes=2048),
    "camera-info": Target(open_camera_info, camera_info_seeds, max_bytes=640),
    "transforms": Target(open_transforms, transform_seeds, max_bytes=512),
}
