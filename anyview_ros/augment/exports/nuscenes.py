"""nuScenes: its 13 tables, https://www.nuscenes.org/nuscenes#data-format.

Key frames lie half a second apart, in samples/; the frames between them in sweeps/. Times are in
microseconds, quaternions w x y z, and each picture has the calibration and the pose of its time:
a camera that moves on the robot is not held still. Nothing is annotated, so five tables are empty;
no map is known either, and its picture is black.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.pictures import write_jpeg
from anyview_ros.augment.exports.recording import Recording
from anyview_ros.frames import Frame
from anyview_ros.geometry import inverse, quaternion_xyzw

VERSION = "v1.0-anyview"  # folder of the tables; the argument `version` of the devkit
KEY_NS = 500_000_000
MAP_SIDE = 100  # pixels, of a decimetre each
UNKNOWN = ("category", "attribute", "visibility", "instance", "sample_annotation")
DIGITS = 9  # that calibrations agree in, where they are one
Row = dict[str, Any]


class NuscenesExport:
    """See `Export`."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        self._folder, self._recording = folder, recording
        files = recording.file_names
        self.camera_names = {name: f"CAM_{file.upper()}" for name, file in files.items()}
        self.sidecar = folder / sidecar.FOLDER
        self._synthetic = {camera.name for camera in recording.cameras if camera.synthetic}
        self._keys = key_frames(recording.samples.times_ns)
        self._calibrations: dict[str, Row] = {}
        self._poses: list[Row] = []
        self._pictures: dict[str, list[Row]] = {name: [] for name in self.camera_names}
        for kind in ("samples", "sweeps"):
            for channel in self.camera_names.values():
                (folder / kind / channel).mkdir(parents=True)

    def add(self, camera: str, index: int, frame: Frame) -> Frame:
        channel, time_us = self.camera_names[camera], frame.stamp_ns // 1000
        is_key = index in self._keys
        name = f"{self._recording.name}__{channel}__{index:06d}_{time_us}.jpg"
        file = f"{'samples' if is_key else 'sweeps'}/{channel}/{name}"
        write_jpeg(self._folder / file, frame.image, camera in self._synthetic)
        world_from_ego = self._recording.world_from_ego(frame.stamp_ns)
        token = self._token("sample_data", channel, index)
        self._poses.append({"token": token, "timestamp": time_us, **_placed(world_from_ego)})
        nearest = int(np.abs(self._keys - index).argmin())
        self._pictures[camera].append(
            {
                "token": token,
                "sample_token": self._token("sample", nearest),
                "ego_pose_token": token,
                "calibrated_sensor_token": self._calibration(channel, world_from_ego, frame),
                "timestamp": time_us,
                "fileformat": "jpg",
                "is_key_frame": is_key,
                "height": frame.camera.height,
                "width": frame.camera.width,
                "filename": file,
            }
        )
        return frame

    def close(self) -> None:
        tables = self._folder / VERSION
        tables.mkdir()
        for name, rows in self._tables().items():
            (tables / f"{name}.json").write_text(json.dumps(rows, indent=0), encoding="utf-8")
        (self._folder / "maps").mkdir()
        blank = np.zeros((MAP_SIDE, MAP_SIDE), np.uint8)
        Pillow.fromarray(blank).save(self._folder / self._map_file, "png")

    @property
    def _map_file(self) -> str:
        return f"maps/{self._token('map')}.png"

    def _tables(self) -> dict[str, list[Row]]:
        name, times = self._recording.name, self._recording.samples.times_ns
        log, scene = self._token("log"), self._token("scene")
        samples = [
            {
                "token": self._token("sample", k),
                "timestamp": int(times[index]) // 1000,
                "scene_token": scene,
            }
            for k, index in enumerate(self._keys)
        ]
        date = datetime.fromtimestamp(times[0] / 1e9, UTC).strftime("%Y-%m-%d")
        found: dict[str, list[Row]] = {table: [] for table in UNKNOWN}
        found["log"] = [
            {"token": log, "logfile": name, "vehicle": "", "date_captured": date, "location": name}
        ]
        found["map"] = [
            {
                "token": self._token("map"),
                "log_tokens": [log],
                "category": "semantic_prior",
                "filename": self._map_file,
            }
        ]
        found["sensor"] = [
            {"token": self._token("sensor", channel), "channel": channel, "modality": "camera"}
            for channel in self.camera_names.values()
        ]
        found["scene"] = [
            {
                "token": scene,
                "log_token": log,
                "nbr_samples": len(samples),
                "first_sample_token": samples[0]["token"],
                "last_sample_token": samples[-1]["token"],
                "name": name,
                "description": self._description(),
            }
        ]
        found["sample"] = _chained(samples)
        found["calibrated_sensor"] = list(self._calibrations.values())
        found["ego_pose"] = self._poses
        found["sample_data"] = [row for rows in self._pictures.values() for row in _chained(rows)]
        return found

    def _description(self) -> str:
        channels = [n for camera, n in self.camera_names.items() if camera in self._synthetic]
        return f"synthetic, made by a generative model: {', '.join(channels)}"

    def _calibration(self, channel: str, world_from_ego: NDArray[np.float64], frame: Frame) -> str:
        """Return the token of the calibration, entered where it is new."""
        ego_from_cam = inverse(world_from_ego) @ frame.world_from_cam
        matrix = frame.camera.matrix
        known_by = np.vstack([ego_from_cam[:3], np.pad(matrix, ((0, 0), (0, 1)))]).round(DIGITS)
        token = self._token("calibrated_sensor", channel, (known_by + 0.0).tolist())
        if token not in self._calibrations:
            self._calibrations[token] = {
                "token": token,
                "sensor_token": self._token("sensor", channel),
                **_placed(ego_from_cam),
                "camera_intrinsic": matrix.tolist(),
            }
        return token

    def _token(self, *of: object) -> str:
        """Return 32 digits that are the same every time."""
        text = json.dumps([self._recording.name, *map(str, of)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def key_frames(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the samples nearest to every half second from the first one on."""
    wanted = np.arange(times_ns[0], times_ns[-1] + 1, KEY_NS)
    nearest = [int(np.abs(times_ns - time).argmin()) for time in wanted]
    return np.unique(np.array(nearest, np.int64))


def _placed(b_from_a: NDArray[np.float64]) -> Row:
    x, y, z, w = quaternion_xyzw(b_from_a)
    return {"translation": b_from_a[:3, 3].tolist(), "rotation": [w, x, y, z]}


def _chained(rows: list[Row]) -> list[Row]:
    """Return rows that name the ones before and after them; nothing at the ends."""
    tokens = ["", *(row["token"] for row in rows), ""]
    return [{**row, "prev": tokens[k], "next": tokens[k + 2]} for k, row in enumerate(rows)]
