"""Reader of the unified scene layout, in which AnyViewBench and its training data come.

A scene is a folder with metadata.json, images in rgb/ and arrays in lowdim/: `intrinsics` (3, 3)
in pixels of the native size and `extrinsics` (4, 4), cam2world or world2cam as the metadata says.
`scene_storage` knows how they lie on the disk.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.scene_storage import FrameStorage, Storage, VideoStorage
from anyview_ros.datasets.track import Track, camera_of, check_rigid
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse
from anyview_ros.release import scene_scale
from anyview_ros.typed_json import read_object

METADATA = "metadata.json"
MAX_FRAMES = 41  # the released network takes no more at once
DEFAULT_INPUT, DEFAULT_TARGET = "cam1", "cam0"
TRANSFORMS = ("cam2world", "world2cam")
STORAGES = ("frames", "videos")
MAX_NAME = 200  # bytes; a file system takes 255, with what is added to a name
SUFFIX = re.compile(r"[A-Za-z0-9]{1,10}")


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


class SceneFolder:
    """A scene folder.

    Args:
        path: that holds metadata.json.

    Raises:
        AnyviewError: `invalid_scene` for metadata that is missing or says what cannot be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        metadata = _metadata(path / METADATA)
        self.info = _table(metadata, "info")
        self.specific = _table(metadata, "specific")
        self.cameras = self._names("cameras", metadata.get("cameras", []))
        self.resolution = metadata.get("resolution")
        self.num_frames = self._number("num_frames", metadata.get("num_frames"))
        self.framerate = self._number("framerate", metadata.get("framerate"))
        self.extension = self._suffix(_table(metadata, "rgb").get("extension", "png"))
        usual = "videos" if self.extension == "mp4" else "frames"
        stored = self._one_of("info.storage", self.info.get("storage", usual), STORAGES)
        transform = _table(metadata, "extrinsics").get("transform", TRANSFORMS[0])
        self.transform = self._one_of("extrinsics.transform", transform, TRANSFORMS)
        self.storage: Storage = (
            VideoStorage(path) if stored == "videos" else FrameStorage(path, self.extension)
        )

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
        clip = range(self._num_frames(num_frames, source, target))
        self.check_files(source)
        images = self.images(source, clip)
        truth = None
        if self.storage.has_images(target):
            self.check_files(target)
            truth = self.images(target, clip)
        size = self._native_size(target, truth, images)
        return Episode(
            images=images,
            source=self.track(source, clip, (images.shape[1], images.shape[2])),
            target=self.track(target, clip, size),
            scene_scale=scale or self.scene_scale(),
            truth=truth,
        )

    def check_files(self, camera: str) -> None:
        """Raises AnyviewError `incomplete_scene` unless images and poses of a camera belong."""
        if fault := self.storage.fault(camera):
            raise AnyviewError("incomplete_scene", f"{self.path}, camera '{camera}': {fault}")

    def images(
        self, camera: str, places: range, at_least: tuple[int, int] = (0, 0)
    ) -> NDArray[np.uint8]:
        """(T, H, W, 3) of the frames at these places.

        Args:
            at_least: see `Storage.images`.

        Raises:
            AnyviewError: `incomplete_scene`; those of `Storage.images`.
        """
        images = self.storage.images(camera, places, at_least)
        if len(images) < len(places) or len({image.shape for image in images}) > 1:
            raise AnyviewError(
                "incomplete_scene",
                f"{self.path}: camera '{camera}' needs {len(places)} images of one size, has "
                f"{len(images)} of sizes {sorted({image.shape[:2] for image in images})}",
            )
        return np.stack(images)

    def track(self, camera: str, places: range, size: tuple[int, int]) -> Track:
        """The camera over the frames at these places; its images have the size (H, W).

        Raises:
            AnyviewError: `incomplete_scene`, `invalid_pose`, `skewed_camera`, `invalid_camera`.
        """
        lowdim = self.storage.lowdim(camera, places)
        where = f"{self.path}, camera '{camera}'"
        lengths = {len(places), len(lowdim.intrinsics), len(lowdim.extrinsics)}
        if len(lengths) > 1:
            raise AnyviewError(
                "incomplete_scene",
                f"{where}: {len(places)} frames need as many intrinsics and extrinsics, got "
                f"{len(lowdim.intrinsics)} and {len(lowdim.extrinsics)}",
            )
        poses = lowdim.extrinsics.astype(np.float64)
        check_rigid(poses, where)
        return Track(
            camera_of(lowdim.intrinsics[0].astype(np.float64), size, where),
            poses if self.transform == "cam2world" else inverse(poses),
        )

    def scene_scale(self) -> float:
        """The scene's own, else that of its source dataset.

        Raises:
            AnyviewError: `unknown_scene_scale`, `invalid_scene`.
        """
        own = self._number("specific.scale_factor", self.specific.get("scale_factor"))
        if own is not None:
            return own
        dataset = _table(self.specific, "source").get("dataset", self.info.get("name", ""))
        return scene_scale(str(dataset))

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
        there = min(self.storage.num_poses(camera) for camera in cameras)
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
        except (TypeError, ValueError, OverflowError):
            raise AnyviewError(
                "invalid_scene", f"{self.path}: a resolution is [H, W], got {size}"
            ) from None
        return height, width

    def _number(self, name: str, value: object) -> float | None:
        """A positive number, None where the metadata holds none."""
        if value is None or (isinstance(value, int | float) and 0 < value < math.inf):
            return value
        raise AnyviewError(
            "invalid_scene", f"{self.path}: {name} must be a positive number, got {value!r}"
        )

    def _names(self, name: str, value: object) -> tuple[str, ...]:
        """Names of cameras, each of which is that of a folder."""
        if isinstance(value, list) and all(_is_name(str(one)) for one in value):
            return tuple(map(str, value))
        raise AnyviewError(
            "invalid_scene",
            f"{self.path}: {name} must be a list of names, each that of a folder, without / and of "
            f"at most {MAX_NAME} bytes, got {value!r}",
        )

    def _suffix(self, value: object) -> str:
        suffix = str(value).lstrip(".")
        if SUFFIX.fullmatch(suffix):
            return suffix
        raise AnyviewError(
            "invalid_scene", f"{self.path}: rgb.extension must be as 'png' is, got {value!r}"
        )

    def _one_of(self, name: str, value: object, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            raise AnyviewError(
                "invalid_scene",
                f"{self.path}: {name} must be {' or '.join(allowed)}, got {value!r}",
            )
        return str(value)


def _is_name(text: str) -> bool:
    plain = text.isprintable() and "/" not in text and not text.startswith(".")
    return plain and 0 < len(text.encode()) <= MAX_NAME


def _metadata(file: Path) -> dict[str, Any]:
    try:
        return read_object(file)
    except (OSError, ValueError) as error:
        raise AnyviewError("invalid_scene", f"{file} cannot be read as JSON: {error}") from None


def _table(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    value = metadata.get(name) or {}
    if not isinstance(value, dict):
        raise AnyviewError("invalid_scene", f"'{name}' of metadata.json must be an object")
    return value
