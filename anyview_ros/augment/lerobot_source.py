"""A LeRobot v3.0 data set as it lies on the disk, with the calibration that it lacks by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import av
import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.cameras_file import CameraInfo, Pose
from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.arrow_tables import read_parquet
from anyview_ros.augment.exports.lerobot_files import INFO, VERSION, VIDEOS, video_key
from anyview_ros.datasets.safe_yaml import load_yaml
from anyview_ros.errors import AnyviewError, cause
from anyview_ros.frames import Camera
from anyview_ros.geometry import transform_from_pose
from anyview_ros.typed_json import WrongKindError, read_typed

IMAGES = video_key("")


@dataclass(frozen=True)
class Posed:
    """A camera of a data set over all its frames.

    Args:
        name: behind "observation.images.".
        intrinsics: (N, 3, 3), or (1, 3, 3) where they never change.
        world_from_cam: (N, 4, 4), or (1, 4, 4) where it stands.
        size: (width, height).
    """

    name: str
    intrinsics: NDArray[np.float64]
    world_from_cam: NDArray[np.float64]
    size: tuple[int, int]

    def at(self, index: int) -> tuple[Camera, NDArray[np.float64]]:
        """Return camera and pose of a frame of the data set."""
        matrix = self.intrinsics[min(index, len(self.intrinsics) - 1)]
        pose = self.world_from_cam[min(index, len(self.world_from_cam) - 1)]
        fx, fy, cx, cy = (float(matrix[k]) for k in ((0, 0), (1, 1), (0, 2), (1, 2)))
        return Camera(*self.size, fx, fy, cx, cy), pose


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode.

    Args:
        index, start, length: of the episode, its first frame in the data set, its frames.
        row: of the table of episodes.
    """

    index: int
    start: int
    length: int
    row: Mapping[str, Any]


class LerobotSource:
    """A data set, opened for reading.

    Args:
        path: its folder.

    Raises:
        AnyviewError: `invalid_dataset`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.info = json.loads((path / INFO).read_text(encoding="utf-8"))
            version, self.fps = self.info["codebase_version"], int(self.info["fps"])
            features = self.info["features"]
            self.shapes = {
                key.removeprefix(IMAGES): feature["shape"]
                for key, feature in features.items()
                if key.startswith(IMAGES) and feature["dtype"] == "video"
            }
            self.taken = {key.removeprefix(IMAGES) for key in features if key.startswith(IMAGES)}
            self.tables = sorted((path / "meta" / "episodes").glob("*/*.parquet"))
            self.episodes = [e for file in self.tables for e in _episodes(file)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._invalid(cause(error)) from None
        if version != VERSION or self.info.get("video_path") != VIDEOS:
            raise self._invalid(
                f"it is of version {version}, with videos in {self.info.get('video_path')}; "
                f"{VERSION} is read, convert it by LeRobot's own tools"
            )

    def frames(self, camera: str, episode: RecordedEpisode) -> Iterator[NDArray[np.uint8]]:
        """Yield the images of a camera in an episode, (H, W, 3).

        Raises:
            AnyviewError: `invalid_dataset` for a video that lacks or has too few of them.
        """
        key = video_key(camera)
        at = {name: episode.row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        file = self.path / VIDEOS.format(video_key=key, **at)
        begin = float(episode.row[f"videos/{key}/from_timestamp"]) - 0.5 / self.fps
        count = 0
        try:
            with av.open(str(file)) as container:
                stream = container.streams.video[0]
                assert stream.time_base is not None
                container.seek(max(0, int(begin / stream.time_base)), stream=stream)
                for frame in container.decode(stream):
                    if frame.time is None or frame.time < begin:
                        continue
                    if count == episode.length:
                        break
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    count += 1
        except (OSError, av.FFmpegError) as error:
            raise self._invalid(f"{file.relative_to(self.path)}: {cause(error)}") from None
        if count < episode.length:
            raise self._invalid(
                f"{file.relative_to(self.path)} has {count} of {episode.length} frames of episode "
                f"{episode.index}"
            )

    def posed(self, calibration: Path | None) -> list[Posed]:
        """Return the cameras whose calibration is known.

        Args:
            calibration: file that is given; None = the data set's own sidecar.

        Raises:
            AnyviewError: `no_calibration`, `invalid_calibration`, `invalid_dataset`.
        """
        if calibration is not None:
            return [self._given(calibration, k, e) for k, e in enumerate(_entries(calibration))]
        folder = self.path / sidecar.FOLDER
        if not (folder / sidecar.PROVENANCE).is_file():
            raise AnyviewError(
                "no_calibration",
                f"'{self.path}' does not say where its cameras are ({', '.join(self.shapes)}); "
                "give --calibration FILE.yaml (docs/exports.md)",
            )
        try:
            return list(self._told(folder))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
            raise self._invalid(f"{folder.name}/ is damaged: {cause(error)}") from None

    def _told(self, folder: Path) -> Iterator[Posed]:
        """Yield the recorded cameras of the sidecar."""
        told = json.loads((folder / sidecar.PROVENANCE).read_text(encoding="utf-8"))
        frames = max((e.start + e.length for e in self.episodes), default=0)
        for camera in told["cameras"].values():
            name = camera["name_here"].removeprefix(IMAGES)
            if name in self.shapes and not camera["synthetic"]:
                rows = np.load(folder / camera["rows"], allow_pickle=False)
                posed = Posed(name, rows["intrinsics"], rows["extrinsics"], self._size(name))
                count = min(len(posed.intrinsics), len(posed.world_from_cam))
                if count < frames:
                    raise self._invalid(
                        f"{folder.name}/{camera['rows']} tells {count} of {frames} poses"
                    )
                yield posed

    def _size(self, name: str) -> tuple[int, int]:
        height, width = self.shapes[name][:2]
        return int(width), int(height)

    def _given(self, file: Path, k: int, raw: Any) -> Posed:
        try:
            entry: CalibrationEntry = read_typed(CalibrationEntry, raw, f"cameras[{k}]")
        except WrongKindError as error:
            raise _invalid_calibration(file, str(error)) from None
        if entry.name not in self.shapes:
            raise _invalid_calibration(
                file, f"no camera '{entry.name}' in the data set: {', '.join(self.shapes)}"
            )
        if (entry.camera_info.width, entry.camera_info.height) != self._size(entry.name):
            width, height = self._size(entry.name)
            raise _invalid_calibration(file, f"images of '{entry.name}' are {width}x{height}")
        matrix = np.array(entry.camera_info.k, np.float64).reshape(1, 3, 3)
        p, q = entry.pose.position, entry.pose.orientation
        pose = transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
        return Posed(entry.name, matrix, pose[None], self._size(entry.name))

    def _invalid(self, reason: str) -> AnyviewError:
        return AnyviewError(
            "invalid_dataset", f"'{self.path}' is no LeRobot data set that can be read: {reason}"
        )


@dataclass(frozen=True)
class CalibrationEntry:
    """One camera of a calibration file: a pinhole that stands.

    Args:
        name: behind "observation.images.".
        camera_info: width, height and k.
        pose: of its optical frame, in the fixed frame.
    """

    name: str
    camera_info: CameraInfo
    pose: Pose


def is_lerobot(path: Path) -> bool:
    """Return whether a folder is such a data set."""
    return (path / INFO).is_file()


def _episodes(file: Path) -> list[RecordedEpisode]:
    columns = read_parquet(file)
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return [
        RecordedEpisode(r["episode_index"], r["dataset_from_index"], r["length"], r) for r in rows
    ]


def _entries(file: Path) -> list[Any]:
    try:
        raw = load_yaml(file.read_text(encoding="utf-8"), pure=True)
    except Exception as error:  # of the disk, and whatever YAML throws at a text that is none
        raise _invalid_calibration(file, cause(error)) from None
    entries = raw.get("cameras") if isinstance(raw, dict) else None
    if not isinstance(entries, list) or not entries:
        raise _invalid_calibration(file, "it must hold one list, `cameras:`")
    return entries


def _invalid_calibration(file: Path, reason: str) -> AnyviewError:
    return AnyviewError(
        "invalid_calibration", f"'{file}' is no calibration of a data set: {reason}; see exports.md"
    )
