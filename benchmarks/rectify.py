"""Ways from a distorted 1080p image to the model's size: CPU time, and what is lost.

    python -m benchmarks.rectify [--frames 15]

The street is rendered large by a pinhole; the image of each lens, and the truth at the model's
size, are taken from that. Figures are means over the three lenses: median CPU milliseconds of one
thread, decibels against the truth over the pixels that all ways see.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.imaging.compression import decode_compressed
from anyview_ros.imaging.lenses import Lens
from anyview_ros.imaging.rectification import Rectifier
from benchmarks.encodings import JPEG_QUALITY, street
from tests.node.scenes import DISTORTIONS, camera_info, psnr, seen_rectified, seen_through

Image = NDArray[np.uint8]
Way = Callable[[Image], Image]

SIZES = ((96, 160), (144, 256), (304, 576))  # (H, W)
LARGE = Camera.from_fov(3840, 2160, 2.0)
FULL = Camera(1920, 1080, 1000.0, 1000.0, 962.0, 541.0)
RECTIFIED = Camera(1920, 1080, 900.0, 900.0, 959.5, 539.5)
REMAP = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}


def ways(lens: Lens, size: tuple[int, int]) -> dict[str, Way]:
    """What was tried, by name; the last is what the package does."""
    camera, (height, width) = lens.camera, size
    small = camera.resized(width, height)
    whole, once = maps(lens, camera), maps(lens, small)
    after = maps(lens, small, (width / camera.width, height / camera.height))
    return {
        "rectify at full size, resize": lambda image: area(cv2.remap(image, *whole, **REMAP), size),
        "resize, rectify": lambda image: cv2.remap(area(image, size), *after, **REMAP),
        "one lookup a pixel": lambda image: cv2.remap(image, *once, **REMAP),
        "halve, look up, average (ours)": Rectifier(lens, size).apply,
    }


def maps(lens: Lens, grid: Camera, scale: tuple[float, float] = (1.0, 1.0)) -> tuple[Image, Image]:
    """Fixed-point maps from a grid of the rectified camera to the image reduced by `scale`."""
    x, y, _ = lens.source_pixels(grid)
    x, y = (x + 0.5) * scale[0] - 0.5, (y + 0.5) * scale[1] - 0.5
    first, second = cv2.convertMaps(x.astype(np.float32), y.astype(np.float32), cv2.CV_16SC2)
    return first, second


def area(image: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA))


def looked_at(large: Image, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scene: colours of the large image in directions (H, W, 3)."""
    pixels = rays @ LARGE.matrix.T
    x, y = (pixels[..., i] / pixels[..., 2] for i in (0, 1))
    seen = cv2.remap(large, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC)
    return seen.astype(np.float64)


def cpu_ms(way: Way, image: Image, frames: int) -> float:
    times = []
    for _ in range(frames + 1):  # the first warms the caches
        start = time.thread_time()
        way(image)
        times.append(time.thread_time() - start)
    return 1e3 * float(np.median(times[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=15, help="each way is timed on")
    frames = parser.parse_args().frames
    cv2.setNumThreads(1)
    scene = partial(looked_at, street(LARGE.width, LARGE.height, 2.0))
    infos = [camera_info(FULL, name, rectified=RECTIFIED) for name in DISTORTIONS if name != "none"]
    raws = [seen_through(info, scene, 2) for info in infos]
    for size in SIZES:
        figures: dict[str, list[tuple[float, float]]] = {}
        truth = seen_rectified(RECTIFIED.resized(size[1], size[0]), np.eye(3), scene, 6)
        for info, raw in zip(infos, raws, strict=True):
            lens = lens_from_info(info)
            counts = inner(lens, size)
            for name, way in ways(lens, size).items():
                quality = psnr(way(raw), truth, counts)
                figures.setdefault(name, []).append((cpu_ms(way, raw, frames), quality))
        print(f"\n{FULL.width}x{FULL.height} to {size[1]}x{size[0]}\n")
        print("| way | CPU ms | dB |\n| --- | --- | --- |")
        for name, values in figures.items():
            ms, quality = np.mean(values, axis=0)
            print(f"| {name} | {ms:.1f} | {quality:.1f} |")
        print_without_lens(raws[0], size, frames)


def print_without_lens(image: Image, size: tuple[int, int], frames: int) -> None:
    """An image that is rectified already, raw and as jpeg; decibels against the exact averaging."""
    exact = area(image, size)
    made = Rectifier(lens_from_info(camera_info(RECTIFIED, "none")), size)
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    message = SimpleNamespace(format="jpeg", data=memoryview(coded.tobytes()))
    found: dict[str, Way] = {
        "no lens: resize": partial(area, size=size),
        "no lens: halve, look up, average (ours)": made.apply,
        f"jpeg of {len(coded) // 1000} kB: decode, resize": lambda _: area(
            decode_compressed(message), size
        ),
        "jpeg: decode reduced, ours": lambda _: made.apply(
            decode_compressed(message, made.source_size)
        ),
    }
    for name, way in found.items():
        quality = psnr(way(image), exact)
        print(f"| {name} | {cpu_ms(way, image, frames):.1f} | {quality:.1f} against resize |")


def inner(lens: Lens, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels that see the image away from its border."""
    x, y, seen = lens.source_pixels(lens.camera.resized(size[1], size[0]))
    margin = 2 * FULL.width / size[1]
    inside = (x > margin) & (x < FULL.width - margin) & (y > margin) & (y < FULL.height - margin)
    return np.asarray(seen & inside)


if __name__ == "__main__":
    main()
