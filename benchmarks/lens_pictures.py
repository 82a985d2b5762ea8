"""The street through two lenses: as it arrives, rectified, and a virtual view made from that.

    python -m benchmarks.lens_pictures [--model NAME] [--out docs/images/lenses.jpg]

The street is rendered as five faces of a cube around the camera; each lens takes its image from
them. What the model sees is rectified at its own size, by the code the node runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo

from anyview_ros.contract import Contract
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.imaging.rectification import Rectifier, rectifier
from anyview_ros.imaging.resize import model_size, resize_camera
from anyview_ros.media.montage import fitted, grid, label
from anyview_ros.media.provenance import MIXED, save_picture
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.rigs import mounted
from anyview_ros.worlds.world import World, make_world
from tests.node.scenes import seen_through

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

FULL = Camera(960, 540, 520.0, 520.0, 482.0, 271.0)
RECTIFIED = Camera(960, 540, 430.0, 430.0, 479.5, 269.5)  # 96 degrees
LENSES = {
    "plumb_bob": (FULL, (-0.30, 0.085, 0.0005, -0.0007, -0.009)),
    "equidistant": (Camera(960, 540, 340.0, 340.0, 482.0, 271.0), (0.05, -0.02, 0.004, -0.0005)),
}
FACES = {  # cam_from_face: front, left, right, up, down
    "front": np.eye(3),
    "left": np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]),
    "right": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "up": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "down": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
SEED, START_NS = 3, 3_000_000_000
BASE_FROM_CAM = mounted((1.5, 0.0, 1.8), 0.0, -0.05)
TO_THE_LEFT = rigid(np.eye(3), (0.0, 1.0, 0.0))
TILE = 400, 226


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package, a name or a path")
    parser.add_argument("--out", default="docs/images/lenses.jpg", help="file to write")
    arguments = parser.parse_args()
    package = load_package(find_package(arguments.model))
    pipeline, world = Pipeline(package), make_world("street", SEED)
    heads = ("as it arrives", "rectified", f"1 m to the left, by {package.contract.name}", "truth")
    rows = [[label("", 100), *(label(head, TILE[0]) for head in heads)]]
    for name in LENSES:
        images = seen(name, world, pipeline)
        side = label(name, 100, TILE[1])
        rows.append([side, *(fitted(image, *TILE) for image in images)])
    save_picture(grid(rows), Path(arguments.out), MIXED)


def seen(name: str, world: World, pipeline: Pipeline) -> Sequence[Image]:
    """The last frame as it arrives, rectified, seen by the virtual camera, and its truth."""
    info, contract = info_of(name), pipeline.package.contract
    raws, clip = recorded(info, world, contract)
    lens = lens_from_info(info)
    bases = [world.world_from_link("base", stamp) for stamp in clip.stamps_ns]
    target = View(RECTIFIED, np.stack(bases) @ TO_THE_LEFT @ BASE_FROM_CAM)
    made = pipeline.synthesize([clip], target, SynthesisOptions())
    truth = render(world.scene_at(clip.stamps_ns[-1]), RECTIFIED, target.world_from_cam[-1])
    full = Rectifier(lens, (lens.camera.height, lens.camera.width)).apply(raws[-1])
    return raws[-1], full, made.frames[-1], truth


def info_of(name: str) -> CameraInfo:
    camera, d = LENSES[name]
    info = CameraInfo(width=camera.width, height=camera.height, distortion_model=name)
    info.d = list(d[:4] if name == "equidistant" else d)
    info.k, info.r = camera.matrix.ravel(), np.eye(3).ravel()
    info.p = np.hstack([RECTIFIED.matrix, np.zeros((3, 1))]).ravel()
    return info


def recorded(info: CameraInfo, world: World, contract: Contract) -> tuple[list[Image], Clip]:
    """The images that arrive, and the clip that the model gets."""
    lens = lens_from_info(info)
    size = model_size(contract, lens.camera)
    camera = resize_camera(lens.camera, size, contract.pixel_rule)
    raws, frames = [], []
    for k in range(max(contract.frames)):
        stamp_ns = START_NS + k * round(contract.frame_period * 1e9)
        world_from_cam = world.world_from_link("base", stamp_ns) @ BASE_FROM_CAM
        raws.append(seen_through(info, partial(looked_at, cube(world, stamp_ns, world_from_cam))))
        image = rectifier(lens, size, contract.resampler).apply(raws[-1])
        frames.append(Frame(stamp_ns, image, camera, world_from_cam))
    return raws, Clip(tuple(frames))


def cube(world: World, stamp_ns: int, world_from_cam: Floats, side: int = 640) -> dict[str, Image]:
    """Five square images of 90 degrees around the camera; it does not look behind itself."""
    face, scene = Camera.from_fov(side, side, np.pi / 2), world.scene_at(stamp_ns)
    return {
        name: render(scene, face, world_from_cam @ rigid(cam_from_face, (0, 0, 0)))
        for name, cam_from_face in FACES.items()
    }


def looked_at(faces: dict[str, Image], rays: Floats) -> Floats:
    """(H, W, 3) colours in directions (H, W, 3)."""
    colours = np.zeros(rays.shape)
    for name, image in faces.items():
        local = rays @ FACES[name]
        side = image.shape[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            x, y = (local[..., i] / local[..., 2] for i in (0, 1))
        here = (local[..., 2] > 0) & (np.abs(x) <= 1) & (np.abs(y) <= 1)
        u, v = ((np.where(here, a, 0) + 1) * side / 2 - 0.5 for a in (x, y))
        found = cv2.remap(
            image,
            u.astype(np.float32),
            v.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        colours[here] = found[here]
    return colours


if __name__ == "__main__":
    main()
