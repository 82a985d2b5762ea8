"""Reader of the unified scene layout, in which AnyViewBench and its training data come.

    scene/metadata.json
    storage `frames`: rgb/<camera>/<number>.<ext>, lowdim/<camera>/<number>.npz
    storage `videos`: rgb/<camera>.mp4, lowdim/<camera>.npz, arrays stacked over time

The lowdim arrays are `intrinsics` (3, 3) in pixels of the native size and `extrinsics` (4, 4),
cam2world or world2cam as the metadata says. Frames are numbered by their place in time order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anyview_ros.engine.official import scene_scale
from anyview_ros.errors import AnyviewError
from anyview_ros.footage.video import VideoFile
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse

MAX_FRAMES = 41  # the released network takes no more at once
DEFAULT_INPUT, DEFAULT_TARGET = "cam1", "cam0"
SKEW_TOLERANCE = 1e-5
RIGID_TOLERANCE = 1e-3
TRANSFORMS = ("cam2world", "world2cam")
STORAGES = ("frames", "videos")


@dataclass(frozen=True)
class Track:
    """A camera over a clip.

    Args:
        camera: native size, and the intrinsics of the first frame, which serve the whole clip.
        world_from_cam: (T, 4, 4) float64; x right, y down, z forward as K has it.
    """

    camera: Camera
    world_from_cam: NDArray[np.float64]


@dataclass(frozen=True)
class Episode:
    """One question to the model, and its answer where the scene has one.

    Args:
        images: (T, H, W, 3) uint8 of the input camera.
        source, target: the two cameras.
        scene_scale: multiplies Plücker moments.
        truth: (T, H, W, 3) uint8 of the target camera, None where the scene has no images of it.
    """

    images: NDArray[np.uint8]
    source: Track
    target: Track
    scene_scale: float
    truth: NDArray[np.uint8] | None


class Scene:
    """A scene folder.

    Args:
        path: that holds metadata.json.

    Raises:
        AnyviewError: `invalid_scene` for metadata that is missing or says what cannot be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        metadata = _metadata(path / "metadata.json")
        self.info = _table(metadata, "info")
        self.specific = _table(metadata, "specific")
        self.cameras = tuple(str(name) for name in metadata.get("cameras", ()))
        self.resolution = metadata.get("resolution")
        self.extension = str(_table(metadata, "rgb").get("extension", "png")).lstrip(".")
        usual = "videos" if self.extension == "mp4" else "frames"
        self.storage = self._one_of("info.storage", self.info.get("storage", usual), STORAGES)
        transform = _table(metadata, "extrinsics").get("transform", TRANSFORMS[0])
        self.transform = self._one_of("extrinsics.transform", transform, TRANSFORMS)

    def episode(
        self, source: str = "", target: str = "", num_frames: int = 0, scale: float = 0.0
    ) -> Episode:
        """Frames, cameras and scene scale of a clip from the first frame on.

        Args:
            source, target: camera names; empty = by the scene's roles, else cam1 and cam0.
            num_frames: 1 + 4k; 0 = the longest that fits, at most 41.
            scale: scene scale; 0 = the scene's own, else that of its source dataset.

        Raises:
            AnyviewError: `unknown_camera`, `invalid_num_frames`, `incomplete_scene`,
                `skewed_camera`, `invalid_pose`, `unknown_scene_scale`, `invalid_scene`.
        """
        source = self._camera(source or self._role("input", DEFAULT_INPUT))
        target = self._camera(target or self._role("target", DEFAULT_TARGET))
        count = self._num_frames(num_frames, source, target)
        images = self._images(source, count)
        truth = self._images(target, count) if self._has_images(target) else None
        size = self._native_size(target, truth, images)
        return Episode(
            images=images,
            source=self._track(source, count, (images.shape[1], images.shape[2])),
            target=self._track(target, count, size),
            scene_scale=scale or self._scene_scale(),
            truth=truth,
        )

    def _role(self, role: str, default: str) -> str:
        return str(_table(self.specific, "roles").get(role, default))

    def _camera(self, name: str) -> str:
        if name not in self.cameras:
            known = ", ".join(self.cameras) or "none"
            raise AnyviewError(
                "unknown_camera", f"{self.path} has no camera '{name}'; there are: {known}"
            )
        return name

    def _num_frames(self, asked: int, *cameras: str) -> int:
        there = min(self._poses_there(camera) for camera in cameras)
        longest = min(there, MAX_FRAMES)
        count = asked or (longest - (longest - 1) % 4)
        if not 1 <= count <= there or count % 4 != 1 or count > MAX_FRAMES:
            raise AnyviewError(
                "invalid_num_frames",
                f"a clip of {self.path} has 1 + 4k frames, at most {longest}, got {count}",
            )
        return count

    def _native_size(
        self, target: str, truth: NDArray[np.uint8] | None, images: NDArray[np.uint8]
    ) -> tuple[int, int]:
        """(H, W) of the target: its own entry, its images, the scene's size, the input's size."""
        shown = (truth if truth is not None else images).shape[1:3]
        by_camera = _table(self.specific, "resolution_per_camera").get(target)
        size = by_camera or (self.resolution if truth is None else None) or shown
        try:
            height, width = (int(side) for side in size)
        except (TypeError, ValueError):
            raise AnyviewError(
                "invalid_scene", f"{self.path}: a resolution is [H, W], got {size}"
            ) from None
        return height, width

    def _scene_scale(self) -> float:
        if "scale_factor" in self.specific:
            return float(self.specific["scale_factor"])
        dataset = _table(self.specific, "source").get("dataset", self.info.get("name", ""))
        return scene_scale(str(dataset))

    def _track(self, camera: str, count: int, size: tuple[int, int]) -> Track:
        matrices, extrinsics = self._lowdim(camera, count)
        poses = extrinsics.astype(np.float64)
        check_rigid(poses, f"{self.path}, camera '{camera}'")
        return Track(
            camera_of(matrices[0].astype(np.float64), size, f"{self.path}, camera '{camera}'"),
            poses if self.transform == "cam2world" else inverse(poses),
        )

    def _poses_there(self, camera: str) -> int:
        if self.storage == "videos":
            return len(_arrays(self.path / "lowdim" / f"{camera}.npz")["extrinsics"])
        return len(self._listed("lowdim", camera, "npz"))

    def _lowdim(self, camera: str, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """(T, 3, 3) intrinsics and (T, 4, 4) extrinsics as they are on disk."""
        if self.storage == "videos":
            stacked = _arrays(self.path / "lowdim" / f"{camera}.npz")
            return stacked["intrinsics"][:count], stacked["extrinsics"][:count]
        frames = [_arrays(file) for file in self._listed("lowdim", camera, "npz")[:count]]
        return (
            np.stack([frame["intrinsics"] for frame in frames]),
            np.stack([frame["extrinsics"] for frame in frames]),
        )

    def _has_images(self, camera: str) -> bool:
        if self.storage == "videos":
            return (self.path / "rgb" / f"{camera}.mp4").is_file()
        return bool(self._listed("rgb", camera, self.extension))

    def _images(self, camera: str, count: int) -> NDArray[np.uint8]:
        """(T, H, W, 3) uint8; an alpha channel is dropped."""
        if self.storage == "videos":
            frames = VideoFile(self.path / "rgb" / f"{camera}.mp4").frames(period_ns=1)
            images = [image for _, image in islice(frames, count)]
        else:
            files = self._listed("rgb", camera, self.extension)[:count]
            images = [np.asarray(Image.open(file).convert("RGB")) for file in files]
        if len(images) < count or len({image.shape for image in images}) > 1:
            raise AnyviewError(
                "incomplete_scene",
                f"{self.path}: camera '{camera}' needs {count} images of one size, has "
                f"{len(images)} of sizes {sorted({image.shape[:2] for image in images})}",
            )
        return np.stack(images)

    def _listed(self, kind: str, camera: str, extension: str) -> list[Path]:
        return sorted((self.path / kind / camera).glob(f"*.{extension}"))

    def _one_of(self, name: str, value: object, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            raise AnyviewError(
                "invalid_scene",
                f"{self.path}: {name} must be {' or '.join(allowed)}, got {value!r}",
            )
        return str(value)


def camera_of(matrix: NDArray[np.float64], size: tuple[int, int], where: str) -> Camera:
    """A camera from K (3, 3) and its size (H, W).

    Raises:
        AnyviewError: `skewed_camera`, `invalid_camera`.
    """
    if abs(matrix[0, 1]) > SKEW_TOLERANCE:
        raise AnyviewError(
            "skewed_camera",
            f"{where}: cameras with skew are not supported, K[0][1] must be 0, "
            f"got {matrix[0, 1]:g}; rectify the images",
        )
    height, width = size
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return Camera(width, height, fx, fy, cx, cy)


def check_rigid(poses: NDArray[np.float64], where: str) -> None:
    """Raises AnyviewError `invalid_pose` unless every (4, 4) turns and moves, and nothing else."""
    rotation = poses[:, :3, :3]
    turned = np.abs(rotation @ np.swapaxes(rotation, 1, 2) - np.eye(3)).max(axis=(1, 2))
    bottom = np.abs(poses[:, 3] - [0, 0, 0, 1]).max(axis=1)
    # Written so that nan is refused.
    rigid = (turned <= RIGID_TOLERANCE) & (bottom <= RIGID_TOLERANCE)
    rigid &= np.isfinite(poses).all(axis=(1, 2))
    rigid[rigid] = np.linalg.det(rotation[rigid]) > 0
    if not rigid.all():
        first = int(np.argmin(rigid))
        raise AnyviewError(
            "invalid_pose",
            f"{where}: extrinsics must be rigid (a rotation and a translation), frame {first} is "
            f"{poses[first].round(4).tolist()}; scale and shear belong into the points",
        )


def _metadata(file: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise AnyviewError("invalid_scene", f"{file} cannot be read as JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise AnyviewError("invalid_scene", f"{file} must hold a JSON object")
    return metadata


def _table(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    value = metadata.get(name) or {}
    if not isinstance(value, dict):
        raise AnyviewError("invalid_scene", f"'{name}' of metadata.json must be an object")
    return value


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("intrinsics", "extrinsics")}
    except (OSError, ValueError, KeyError) as error:
        raise AnyviewError(
            "incomplete_scene", f"{file} must hold intrinsics and extrinsics: {error}"
        ) from None
