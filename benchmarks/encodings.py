"""Every encoding, raw and compressed, through every lens: pixel error against the slow reference.

    python -m benchmarks.encodings [--width 960] [--size 160x96]

An image of the street is written in each encoding the slow way (tests/node/pixels.py), or
compressed as image_transport does, and then goes the way of the node: decoded, rectified and
resized. The reference decodes by the definitions of the encodings (jpeg: Pillow) and looks up
4 x 4 points a pixel, where OpenCV projects them, in the whole image. Levels of 255.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from anyview_ros.frames import Camera
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.imaging.compression import decode_compressed
from anyview_ros.imaging.encodings import decode
from anyview_ros.imaging.rectification import rectifier
from tests.node.pixels import ALL, compressed_message, png, raw_message, read, split, written
from tests.node.scenes import DISTORTIONS, camera_info, mean_of_lookups, projected

CONTAINERS = ("raw", "png", "jpeg")
JPEG_QUALITY = 90
LOOKUPS = 4  # of the reference, per side of a pixel
STAMP_NS = 5_000_000_000


class Error(NamedTuple):
    """Levels of 255 over all pixels that the lens sees; `worst` is the 99.9th percentile."""

    mean: float
    worst: float


Row = dict[tuple[str, str], Error]  # by container and lens


@lru_cache
def points_of(shape: tuple[int, int], lens: str, size: tuple[int, int]) -> NDArray[np.float64]:
    return projected(camera_info(camera_of(shape), lens), size, LOOKUPS)


def row(rgb: NDArray[np.uint8], encoding: str, size: tuple[int, int]) -> Row:
    """One line of the table. Encodings of 16 bits have no jpeg.

    Args:
        rgb: (H, W, 3), even sides.
        size: (h, w) of the model.
    """
    shape = rgb.shape[0], rgb.shape[1]
    messages = list(sent(rgb, encoding))
    # One after the other as channels: looked up together in half the time.
    meant = np.concatenate([image for _, _, image in messages], axis=2)
    errors: Row = {}
    for lens in DISTORTIONS:
        made = rectifier(lens_from_info(camera_info(camera_of(shape), lens)), size)
        expected = mean_of_lookups(meant, points_of(shape, lens, size), LOOKUPS)
        for i, (container, message, _) in enumerate(messages):
            whole = container == "raw"
            decoded = decode(message) if whole else decode_compressed(message, made.source_size)
            result = made.apply(decoded)
            difference = np.abs(result - expected[..., 3 * i : 3 * i + 3])[result.any(axis=-1)]
            worst = np.quantile(difference, 0.999)
            errors[container, lens] = Error(float(difference.mean()), float(worst))
    return errors


def camera_of(shape: tuple[int, int]) -> Camera:
    """Principal point off the middle; (H, W)."""
    height, width = shape
    return Camera(width, height, 0.57 * width, 0.57 * width, 0.5 * width + 3, 0.5 * height - 2)


def sent(rgb: NDArray[np.uint8], encoding: str) -> Iterator[tuple[str, Any, NDArray[np.float64]]]:
    """Container, message, and the (H, W, 3) image that it means."""
    height, width, _ = rgb.shape
    name, bits = split(encoding)
    samples = written(rgb, encoding)
    meant = read(samples, encoding, width)
    yield "raw", raw_message(samples, encoding, (width, height)), meant
    one_channel = name == "mono" or name.startswith("bayer")
    if one_channel:
        pixels, target = samples, ""
    else:
        depth, dtype = (257, np.uint16) if bits == 16 else (1, np.uint8)
        pixels, target = (np.rint(meant) * depth).astype(dtype), f"bgr{bits}"
    yield "png", compressed_message(png(pixels), f"{encoding}; png compressed {target}"), meant
    if bits == 16:
        return
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "jpeg", quality=JPEG_QUALITY)
    shown = np.asarray(Pillow.open(file)).astype(float)
    message = compressed_message(file.getvalue(), f"{encoding}; jpeg compressed {target}")
    yield "jpeg", message, read(shown, f"{name}8", width) if one_channel else shown


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=960, help="of the camera's 16:9 image")
    parser.add_argument("--size", default="160x96", help="WxH of the model")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    rgb = street(arguments.width, arguments.width * 9 // 16 // 2 * 2)
    for line in markdown(rgb, (height, width), ALL):
        print(line, flush=True)


def street(width: int, height: int, horizontal_fov: float = 1.4) -> NDArray[np.uint8]:
    """(H, W, 3) what a pinhole at the rig's front camera sees."""
    from anyview_ros.worlds.render.raycast import render
    from anyview_ros.worlds.world import make_world

    world = make_world("street", 3)
    mount = world.rig[0]
    pose = world.world_from_link(mount.link, STAMP_NS) @ mount.link_from_cam
    return render(world.scene_at(STAMP_NS), Camera.from_fov(width, height, horizontal_fov), pose)


def markdown(
    rgb: NDArray[np.uint8], size: tuple[int, int], encodings: Sequence[str]
) -> Iterator[str]:
    heads = [f"{container} {lens}" for container in CONTAINERS for lens in DISTORTIONS]
    yield f"| encoding | {' | '.join(heads)} |"
    yield "| --- |" + " --- |" * len(heads)
    for encoding in encodings:
        errors = row(rgb, encoding, size)
        cells = [
            f"{error.mean:.2f} ({error.worst:.0f})" if error else ""
            for container in CONTAINERS
            for lens in DISTORTIONS
            for error in [errors.get((container, lens))]
        ]
        yield f"| {encoding} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
