"""Write scenes in the unified layout, frame by frame; datasets/scene_layout.py reads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import av
import cv2
import numpy as np

from anyview_ros.datasets.scene_layout import METADATA
from anyview_ros.datasets.scene_storage import EXTRINSICS, INTRINSICS, STAMP
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.media.video_writer import VideoWriter

IMAGES = ("jpg", "png", "mp4")
JPEG_QUALITY = 95


@dataclass(frozen=True)
class SceneNotes:
    """What a scene says of itself, beside its frames.

    Args:
        dataset: where it comes from.
        scene_scale: multiplies Plücker moments: about 1/16 driving, 1/8 indoor.
        period_ns: between frames.
        images: jpg, png (no loss) or mp4 (a video a camera, smallest; odd sizes lose a row or
            column at the end).
    """

    dataset: str
    scene_scale: float
    period_ns: int
    images: str = "jpg"

    def __post_init__(self) -> None:
        assert self.images in IMAGES


class SceneWriter:
    """A scene that appears at `path` whole or not at all.

    Args:
        path: of the scene's folder.
        cameras: names, the first is the scene's input, the second its target.
        notes: see `SceneNotes`.

    Raises:
        AnyviewError: `scene_exists`.
    """

    def __init__(self, path: Path, cameras: Iterable[str], notes: SceneNotes) -> None:
        if path.exists():
            raise AnyviewError(
                "scene_exists",
                f"{path} exists already; remove it, or write to another folder",
            )
        self._path = path
        self._partial = path.with_name(f".{path.name}.part")
        shutil.rmtree(self._partial, ignore_errors=True)  # of a run that was killed
        self._notes = notes
        kind = _Video if notes.images == "mp4" else _Stills
        self._cameras = {name: kind(self._partial, name, notes.images) for name in cameras}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def add(self, camera: str, frame: Frame) -> None:
        """Append a frame; all frames of a camera have one size.

        Raises:
            AnyviewError: `cannot_write`, for a full disk.
        """
        with self._writing():
            self._cameras[camera].add(frame)

    def close(self) -> None:
        """Complete the scene.

        Raises:
            AnyviewError: `cannot_write`; `incomplete_scene` unless all cameras have as many
                frames, and the scene is discarded then.
        """
        counts = {name: camera.count for name, camera in self._cameras.items()}
        if len(set(counts.values())) != 1 or 0 in counts.values():
            self.discard()
            raise AnyviewError(
                "incomplete_scene",
                f"all cameras of {self._path} need the same number of frames, got {counts}",
            )
        with self._writing():
            for camera in self._cameras.values():
                camera.close()
            (self._partial / METADATA).write_text(json.dumps(self._metadata(), indent=1))
            self._partial.rename(self._path)

    def discard(self) -> None:
        """Leave nothing behind."""
        for camera in self._cameras.values():
            with suppress(Exception):  # the disk may be full; it is removed anyway
                camera.close()
        shutil.rmtree(self._partial, ignore_errors=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            raise AnyviewError(
                "cannot_write",
                f"{self._path} cannot be written ({error}); make room, or write elsewhere",
            ) from None

    def _metadata(self) -> dict[str, Any]:
        names = list(self._cameras)
        first = self._cameras[names[0]]
        sizes = {name: list(camera.size) for name, camera in self._cameras.items()}
        same = all(size == list(first.size) for size in sizes.values())
        return {
            "info": {
                "name": self._notes.dataset,
                "storage": "videos" if self._notes.images == "mp4" else "frames",
            },
            "cameras": names,
            "resolution": list(first.size) if same else None,
            "num_frames": first.count,
            "framerate": 1e9 / self._notes.period_ns,
            "rgb": {"extension": self._notes.images},
            "extrinsics": {"transform": "cam2world", "metric": True},
            "specific": {
                "roles": {"input": names[0], "target": names[min(1, len(names) - 1)]},
                "scale_factor": self._notes.scene_scale,
                "source": {"dataset": self._notes.dataset},
                "resolution_per_camera": sizes,
            },
        }


def write_scene(path: Path, views: Mapping[str, Iterable[Frame]], notes: SceneNotes) -> None:
    """Write the frames of every camera, by its name, as the scene `path`.

    Raises:
        AnyviewError: as `SceneWriter`.
    """
    with SceneWriter(path, views, notes) as scene:
        for camera, frames in views.items():
            for frame in frames:
                scene.add(camera, frame)


class _Camera(Protocol):
    """The files of one camera."""

    count: int
    size: tuple[int, int]  # H, W

    def add(self, frame: Frame) -> None: ...

    def close(self) -> None: ...


class _Stills:
    """An image and an npz a frame."""

    def __init__(self, scene: Path, name: str, extension: str) -> None:
        self._images, self._lowdim = scene / "rgb" / name, scene / "lowdim" / name
        self._name = name
        self._extension = extension
        self.count = 0
        self.size = (0, 0)

    def add(self, frame: Frame) -> None:
        if self.count == 0:
            self.size = (frame.camera.height, frame.camera.width)
            for folder in (self._images, self._lowdim):
                folder.mkdir(parents=True)
        number = f"{self.count:010d}"
        bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if self._extension == "jpg" else []
        _, encoded = cv2.imencode(f".{self._extension}", bgr, options)
        (self._images / f"{number}.{self._extension}").write_bytes(encoded.tobytes())
        np.savez(self._lowdim / f"{number}.npz", **_lowdim(self._name, self.count, frame))
        self.count += 1

    def close(self) -> None:
        """Every frame is on the disk already."""


class _Video:
    """A video and an npz for all frames."""

    def __init__(self, scene: Path, name: str, _: str) -> None:
        self._scene, self._name = scene, name
        self._rows: list[dict[str, Any]] = []
        self._writer: VideoWriter | None = None
        self._first_ns = 0
        self.size = (0, 0)

    @property
    def count(self) -> int:
        return len(self._rows)

    def add(self, frame: Frame) -> None:
        if self._writer is None:
            self._writer = self._open(frame.camera)
            self._first_ns = frame.stamp_ns
        self._writer.write(frame.image, frame.stamp_ns - self._first_ns)
        self._rows.append(_lowdim(self._name, self.count, frame))

    def close(self) -> None:
        if self._writer is None:
            return
        self._writer.__exit__(None)
        self._writer = None
        stacked: dict[str, Any] = {
            name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]
        }
        np.savez(self._scene / "lowdim" / f"{self._name}.npz", **stacked)

    def _open(self, camera: Camera) -> VideoWriter:
        self.size = (camera.height // 2 * 2, camera.width // 2 * 2)  # as `VideoWriter` cuts them
        for kind in ("rgb", "lowdim"):
            (self._scene / kind).mkdir(parents=True, exist_ok=True)
        size = (camera.width, camera.height)
        return VideoWriter(self._scene / "rgb" / f"{self._name}.mp4", size)


def _lowdim(name: str, place: int, frame: Frame) -> dict[str, Any]:
    """The arrays of one frame. float64: map coordinates are large."""
    return {
        "camera": np.array(name),
        "timestep": np.array(place, np.int64),
        STAMP: np.array(frame.stamp_ns, np.int64),
        INTRINSICS: frame.camera.matrix,
        EXTRINSICS: frame.world_from_cam,
    }
