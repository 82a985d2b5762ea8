"""The files of a LeRobot v3.0 data set: an episode a file, tables in parquet, a video a camera."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.exports.arrow_tables import write_indexed_parquet, write_parquet
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.media.provenance import SYNTHETIC, WORDS
from anyview_ros.media.video_writer import VideoWriter

VERSION = "v3.0"
CHUNK_FILES = 1000
STAMPS = "stamp_ns"  # no name of "observation" or "action": it is not for a policy
PLACE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA, VIDEOS = f"data/{PLACE}.parquet", "videos/{video_key}/" + PLACE + ".mp4"
EPISODES, TASKS = f"meta/episodes/{PLACE}.parquet", "meta/tasks.parquet"
INFO, STATS = "meta/info.json", "meta/stats.json"
KEYFRAMES = 2  # frames between two that are whole: training reads single ones
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
Stats = dict[str, list[Any]]


def video_key(name: str) -> str:
    """Return the feature of a camera's images."""
    return f"observation.images.{name}"


def place(index: int) -> dict[str, int]:
    """Return chunk and file of an episode that has a file of its own."""
    return {"chunk_index": index // CHUNK_FILES, "file_index": index % CHUNK_FILES}


@dataclass(frozen=True)
class VideoSummary:
    """Hold what the tables say of the video of a camera in an episode.

    Args:
        key: of its feature.
        place: chunk and file.
        camera: of its images.
        frames, fps: their number and rate.
        stats: of its pixels, in 0..1.
    """

    key: str
    place: Mapping[str, int]
    camera: Camera
    frames: int
    fps: int
    stats: Stats

    def feature(self) -> dict[str, Any]:
        """Return its entry in info.json."""
        height, width = self.camera.height, self.camera.width
        return {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": self.fps,
                "video.channels": 3,
                "has_audio": False,
            },
        }

    def columns(self) -> dict[str, Any]:
        """Return its columns in the table of episodes."""
        return {
            **{f"videos/{self.key}/{name}": value for name, value in self.place.items()},
            f"videos/{self.key}/from_timestamp": 0.0,
            f"videos/{self.key}/to_timestamp": self.frames / self.fps,
        }


@dataclass(frozen=True)
class Episode:
    """One episode of a data set.

    Args:
        index, start: of the episode, and of its first frame in the data set.
        frames, fps: their number and rate.
        videos: one a camera.
    """

    index: int
    start: int
    frames: int
    fps: int
    videos: Sequence[VideoSummary]


class CameraVideo:
    """The video of a camera in one episode, at a constant rate.

    Args:
        folder: of the data set.
        key: of its feature.
        episode: index.
        fps: of the video.
        synthetic: whether the file says that it is.

    Attributes:
        counts: (3, 256) of the values of its pixels.
    """

    def __init__(self, folder: Path, key: str, episode: int, fps: int, synthetic: bool) -> None:
        self._key, self._place, self._fps = key, place(episode), fps
        self._file = folder / VIDEOS.format(video_key=key, **self._place)
        self._comment = WORDS[SYNTHETIC] if synthetic else ""
        self._writer: VideoWriter | None = None
        self._camera: Camera | None = None
        self._frames = 0
        self.counts = np.zeros((3, 256), np.int64)

    def add(self, frame: Frame) -> Frame:
        """Take the next frame; returns it as it is in the video, whose sides are even.

        Raises:
            AnyviewError: `calibration_changed`.
        """
        cut = _even(frame)
        if self._writer is None or self._camera is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._camera, size = cut.camera, (cut.camera.width, cut.camera.height)
            self._writer = VideoWriter(self._file, size, self._comment, self._fps, KEYFRAMES)
        if (cut.camera.width, cut.camera.height) != (self._camera.width, self._camera.height):
            raise AnyviewError(
                "calibration_changed",
                f"images of '{self._key}' change their size at {frame.stamp_ns / 1e9:.3f} s, and a "
                "video has one; split the bag there",
            )
        self._writer.write(cut.image, round(self._frames * 1e9 / self._fps))
        for channel in range(3):
            self.counts[channel] += np.bincount(cut.image[..., channel].ravel(), minlength=256)
        self._frames += 1
        return cut

    def close(self) -> VideoSummary:
        """Complete the file."""
        assert self._writer is not None, "there is a frame"
        assert self._camera is not None
        self._writer.__exit__(None)
        stats = pixel_stats(self.counts, self._frames)
        return VideoSummary(self._key, self._place, self._camera, self._frames, self._fps, stats)


def write_dataset(
    folder: Path,
    episode: Episode,
    task: str,
    more: Mapping[str, tuple[NDArray[np.int64], list[str]]],
) -> None:
    """Write the tables of a data set of one episode, whose videos are there.

    Args:
        folder: of the data set.
        task: in words.
        more: further features: (frames, n) integers, and names of the n.
    """
    count = episode.frames
    index = np.arange(count)
    columns: dict[str, Any] = {
        "timestamp": (index / episode.fps).astype(np.float32),
        "frame_index": index,
        "episode_index": np.full(count, episode.index),
        "index": episode.start + index,
        "task_index": np.zeros(count, np.int64),
    }
    stats = {name: number_stats(values[:, None]) for name, values in columns.items()}
    features: dict[str, dict[str, Any]] = {
        name: {"dtype": str(values.dtype), "shape": [1], "names": None}
        for name, values in columns.items()
    }
    types: dict[str, Any] = {}
    for name, (values, names) in more.items():
        width = values.shape[1]
        columns[name] = values[:, 0] if width == 1 else list(values)
        types[name] = "int64" if width == 1 else ("int64", width)
        stats[name] = number_stats(values)
        features[name] = {"dtype": "int64", "shape": [width], "names": names}
    for video in episode.videos:
        stats[video.key] = video.stats
        features[video.key] = video.feature()
    write_parquet(folder / DATA.format(**place(episode.index)), columns, types)
    write_indexed_parquet(folder / TASKS, [task], {"task_index": [0]})
    rows = episode_row(episode, task, stats)
    write_parquet(folder / EPISODES.format(**place(0)), {key: [v] for key, v in rows.items()})
    write_json(folder / STATS, stats)
    info = {
        "codebase_version": VERSION,
        "robot_type": None,
        "total_episodes": 1,
        "total_frames": count,
        "total_tasks": 1,
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": episode.fps,
        "splits": {"train": "0:1"},
        "data_path": DATA,
        "video_path": VIDEOS,
        "features": features,
    }
    write_json(folder / INFO, info)


def episode_row(episode: Episode, task: str, stats: Mapping[str, Stats]) -> dict[str, Any]:
    """Return the row of an episode in the table of episodes."""
    row: dict[str, Any] = {
        "episode_index": episode.index,
        "tasks": [task],
        "length": episode.frames,
        **{f"data/{name}": value for name, value in place(episode.index).items()},
        "dataset_from_index": episode.start,
        "dataset_to_index": episode.start + episode.frames,
    }
    for video in episode.videos:
        row |= video.columns()
    for feature, found in stats.items():
        row |= {f"stats/{feature}/{name}": value for name, value in found.items()}
    return row | {f"meta/episodes/{name}": value for name, value in place(0).items()}


def number_stats(values: NDArray[Any]) -> Stats:
    """Return statistics of (frames, n) numbers over the frames."""
    wide = values.astype(np.float64)
    found = {
        "min": wide.min(0),
        "max": wide.max(0),
        "mean": wide.mean(0),
        "std": wide.std(0),
        **{f"q{round(q * 100):02d}": np.quantile(wide, q, axis=0) for q in QUANTILES},
    }
    return {**{name: value.tolist() for name, value in found.items()}, "count": [len(values)]}


def pixel_stats(counts: NDArray[np.int64], frames: int) -> Stats:
    """Return statistics in 0..1 by channel, (3, 1, 1).

    Args:
        counts: (3, 256) of values 0 to 255.
        frames: in which they were counted.
    """
    levels = np.arange(256) / 255
    total = counts.sum(1)
    mean = counts @ levels / total
    variance = counts @ levels**2 / total - mean**2
    reached = np.cumsum(counts, axis=1) / total[:, None]

    def level(share: float) -> NDArray[np.float64]:
        found: NDArray[np.float64] = levels[(reached >= share).argmax(1)]
        return found

    found = {
        "min": levels[(counts > 0).argmax(1)],
        "max": levels[255 - (counts[:, ::-1] > 0).argmax(1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(variance, 0)),
        **{f"q{round(q * 100):02d}": level(q) for q in QUANTILES},
    }
    shaped = {name: value.reshape(3, 1, 1).tolist() for name, value in found.items()}
    return {**shaped, "count": [frames]}


def write_json(file: Path, value: Any) -> None:
    """Write a file of meta/."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=4), encoding="utf-8")


def _even(frame: Frame) -> Frame:
    """Return a frame without the last row or column that would make its sides odd."""
    seen_by = frame.camera
    width, height = seen_by.width // 2 * 2, seen_by.height // 2 * 2
    if (width, height) == (seen_by.width, seen_by.height):
        return frame
    camera = Camera(width, height, seen_by.fx, seen_by.fy, seen_by.cx, seen_by.cy)
    return Frame(frame.stamp_ns, frame.image[:height, :width], camera, frame.world_from_cam)
