"""The two ways in which the unified layout keeps the frames of a scene.

    frames: rgb/<camera>/<number>.<ext>, lowdim/<camera>/<number>.npz
    videos: rgb/<camera>.mp4, lowdim/<camera>.npz, arrays stacked over time

Frames are found by their place in time order, the number in their name only sorts them. Files of
our own making also hold `stamp_ns`, which the layout does not ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError, cause
from anyview_ros.media.images import by_number, image_size, read_image

if TYPE_CHECKING:
    from anyview_ros.media.video import VideoFile

INTRINSICS, EXTRINSICS, STAMP = "intrinsics", "extrinsics", "stamp_ns"
SHAPES = {INTRINSICS: (3, 3), EXTRINSICS: (4, 4)}  # a frame
NUMBERS = "fiu"  # kinds of dtype
MAX_ARRAY = 2**28  # bytes; an hour of poses at 60 Hz has 28 MB


@dataclass(frozen=True)
class Lowdim:
    """What is kept beside the images of T frames, as it is on disk.

    Args:
        intrinsics: (T, 3, 3).
        extrinsics: (T, 4, 4), cam2world or world2cam.
        stamps_ns: (T,) int64; None where they are not recorded.
    """

    intrinsics: NDArray[Any]
    extrinsics: NDArray[Any]
    stamps_ns: NDArray[np.int64] | None


class Storage(Protocol):
    """Images and lowdim arrays of the cameras of a scene."""

    def num_poses(self, camera: str) -> int:
        """How many frames have lowdim arrays."""
        ...

    def has_images(self, camera: str) -> bool: ...

    def size(self, camera: str) -> tuple[int, int]:
        """(H, W) of the first image."""
        ...

    def lowdim(self, camera: str, places: range) -> Lowdim:
        """Raises AnyviewError `incomplete_scene`."""
        ...

    def images(
        self, camera: str, places: range, at_least: tuple[int, int] = (0, 0)
    ) -> list[NDArray[np.uint8]]:
        """(H, W, 3) RGB of the frames there are; alpha is dropped.

        Args:
            at_least: (H, W) that are enough, see `images.read_image`.

        Raises:
            AnyviewError: `unreadable_video`, `unreadable_image`.
        """
        ...

    def fault(self, camera: str) -> str:
        """How the files of a camera contradict each other, as far as their names tell; or ""."""
        ...


class FrameStorage:
    """A file a frame."""

    def __init__(self, scene: Path, extension: str) -> None:
        self._scene = scene
        self._extension = extension

    def num_poses(self, camera: str) -> int:
        return len(self._listed("lowdim", camera, "npz"))

    def has_images(self, camera: str) -> bool:
        return bool(self._listed("rgb", camera, self._extension))

    def size(self, camera: str) -> tuple[int, int]:
        return image_size(self._listed("rgb", camera, self._extension)[0])

    def lowdim(self, camera: str, places: range) -> Lowdim:
        files = self._listed("lowdim", camera, "npz")[_slice(places)]
        frames = [_arrays(file, stacked=False) for file in files]
        stamps = [frame[STAMP] for frame in frames if STAMP in frame]
        return Lowdim(
            np.stack([frame[INTRINSICS] for frame in frames]),
            np.stack([frame[EXTRINSICS] for frame in frames]),
            np.array(stamps, np.int64) if len(stamps) == len(frames) else None,
        )

    def images(
        self, camera: str, places: range, at_least: tuple[int, int] = (0, 0)
    ) -> list[NDArray[np.uint8]]:
        files = self._listed("rgb", camera, self._extension)[_slice(places)]
        return [read_image(file, at_least) for file in files]

    def fault(self, camera: str) -> str:
        poses = {file.stem for file in self._listed("lowdim", camera, "npz")}
        images = {file.stem for file in self._listed("rgb", camera, self._extension)}
        if poses == images:
            return ""
        if not images and (others := self._other_extensions(camera)):
            there = ", ".join(f"*.{other}" for other in others)
            return f"rgb.extension of its metadata wants *.{self._extension}, there are {there}"
        missing = [f"lowdim of {name}" for name in images - poses]
        missing += [f"image {name}" for name in poses - images]
        some = ", ".join(sorted(missing)[:3])
        return f"{len(images)} images and {len(poses)} poses, missing: {some}"

    def _other_extensions(self, camera: str) -> list[str]:
        files = (self._scene / "rgb" / camera).glob("*.*")
        return sorted({file.suffix.lstrip(".") for file in files})

    def _listed(self, kind: str, camera: str, extension: str) -> list[Path]:
        return sorted((self._scene / kind / camera).glob(f"*.{extension}"), key=by_number)


class VideoStorage:
    """A file a camera."""

    def __init__(self, scene: Path) -> None:
        self._scene = scene

    def num_poses(self, camera: str) -> int:
        return len(self._stacked(camera)[EXTRINSICS])

    def has_images(self, camera: str) -> bool:
        return self._video(camera).is_file()

    def size(self, camera: str) -> tuple[int, int]:
        width, height = _video_file(self._video(camera)).size
        return height, width

    def lowdim(self, camera: str, places: range) -> Lowdim:
        stacked = self._stacked(camera)
        stamps = stacked.get(STAMP)
        part = _slice(places)
        return Lowdim(
            stacked[INTRINSICS][part],
            stacked[EXTRINSICS][part],
            None if stamps is None else stamps[part].astype(np.int64),
        )

    def images(
        self, camera: str, places: range, at_least: tuple[int, int] = (0, 0)
    ) -> list[NDArray[np.uint8]]:
        frames = _video_file(self._video(camera)).frames(period_ns=1)
        return [image for _, image in islice(frames, places.start, places.stop, places.step)]

    def fault(self, camera: str) -> str:
        stacked = self._stacked(camera)
        lengths = {name: len(values) for name, values in stacked.items()}
        return f"arrays of different lengths, {lengths}" if len(set(lengths.values())) > 1 else ""

    def _video(self, camera: str) -> Path:
        return self._scene / "rgb" / f"{camera}.mp4"

    def _stacked(self, camera: str) -> Mapping[str, NDArray[Any]]:
        return _arrays(self._scene / "lowdim" / f"{camera}.npz", stacked=True)


def _slice(places: range) -> slice:
    return slice(places.start, places.stop, places.step)


def _arrays(file: Path, stacked: bool) -> Mapping[str, NDArray[Any]]:
    """`intrinsics`, `extrinsics` and, where there are, `stamp_ns`; of one frame or stacked."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            _check_sizes(arrays.zip)
            # What is no array comes as bytes.
            found = {name: np.asarray(arrays[name]) for name in SHAPES}
            found |= {name: np.asarray(arrays[name]) for name in (STAMP,) if name in arrays.files}
    except Exception as error:  # whatever numpy and zipfile throw at a damaged file
        raise AnyviewError(
            "incomplete_scene", f"{file} must hold intrinsics and extrinsics: {cause(error)}"
        ) from None
    for name, shape in SHAPES.items():
        values = found[name]
        fits = values.ndim == 2 + stacked and values.shape[-2:] == shape
        if not fits or values.dtype.kind not in NUMBERS:
            wanted = ("T", *shape) if stacked else shape
            raise AnyviewError(
                "incomplete_scene",
                f"{file}: {name} must be numbers of shape {wanted}, got {values.dtype} of shape "
                f"{values.shape}",
            )
    if STAMP in found and found[STAMP].dtype.kind not in NUMBERS:
        got = found[STAMP].dtype
        raise AnyviewError("incomplete_scene", f"{file}: {STAMP} must be numbers, got {got}")
    return found


def _check_sizes(packed: ZipFile) -> None:
    """Raise ValueError for arrays that would not fit into memory; zipfile reads no more."""
    for member in packed.infolist():
        if member.file_size > MAX_ARRAY:
            raise ValueError(f"{member.filename} becomes {member.file_size} bytes")


def _video_file(path: Path) -> VideoFile:
    """Open a video, by PyAV: a machine that trains on rendered scenes may lack it."""
    from anyview_ros.media.video import VideoFile

    return VideoFile(path)
