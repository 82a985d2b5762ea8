"""Argoverse 2, sensor data set: calibration, poses and images of one log, https://argoverse.org.

<log>/calibration/*.feather, <log>/city_SE3_egovehicle.feather and
<log>/sensors/cameras/<camera>/<stamp>.jpg, stamps in nanoseconds. The format has one place on the
robot for a camera: one that moves there is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.arrow_tables import write_feather
from anyview_ros.augment.exports.pictures import OneCalibration, write_jpeg
from anyview_ros.augment.exports.recording import Recording
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Frame
from anyview_ros.geometry import inverse, quaternion_xyzw

STILL = 1e-3  # metres, and entries of a rotation: what a camera on the robot may seem to move


class Argoverse2Export:
    """See `Export`."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        self._log, self._recording = folder / recording.name, recording
        self.camera_names = recording.file_names
        self.sidecar = self._log / sidecar.FOLDER
        self._synthetic = {camera.name for camera in recording.cameras if camera.synthetic}
        self._calibrations = {name: OneCalibration() for name in self.camera_names}
        self._placed: dict[str, NDArray[np.float64]] = {}  # ego_from_cam
        self._poses: dict[int, NDArray[np.float64]] = {}  # world_from_ego
        for name in self.camera_names.values():
            self._images(name).mkdir(parents=True)

    def add(self, camera: str, index: int, frame: Frame) -> Frame:
        self._calibrations[camera].check(camera, frame)
        world_from_ego = self._recording.world_from_ego(frame.stamp_ns)
        ego_from_cam = inverse(world_from_ego) @ frame.world_from_cam
        first = self._placed.setdefault(camera, ego_from_cam)
        if np.abs(first - ego_from_cam).max() > STILL:
            raise AnyviewError(
                "moving_camera",
                f"'{camera}' moves on the robot, and Argoverse 2 has one place for a camera; take "
                "--export nuscenes=FOLDER, which has one for each picture",
            )
        self._poses[frame.stamp_ns] = world_from_ego
        file = self._images(self.camera_names[camera]) / f"{frame.stamp_ns}.jpg"
        write_jpeg(file, frame.image, camera in self._synthetic)
        return frame

    def close(self) -> None:
        folder, names = self._log / "calibration", list(self.camera_names.values())
        write_feather(folder / "intrinsics.feather", self._intrinsics())
        placed = [self._placed[camera] for camera in self.camera_names]
        poses = {"sensor_name": names, **_poses(placed)}
        write_feather(folder / "egovehicle_SE3_sensor.feather", poses)
        stamps = sorted(self._poses)
        city = {"timestamp_ns": stamps, **_poses([self._poses[stamp] for stamp in stamps])}
        write_feather(self._log / "city_SE3_egovehicle.feather", city)

    def _images(self, name: str) -> Path:
        return self._log / "sensors" / "cameras" / name

    def _intrinsics(self) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {"sensor_name": list(self.camera_names.values())}
        for name in self.camera_names:
            camera = self._calibrations[name].camera
            assert camera is not None, "there is a sample"
            row = {"fx_px": camera.fx, "fy_px": camera.fy, "cx_px": camera.cx, "cy_px": camera.cy}
            row |= {"k1": 0.0, "k2": 0.0, "k3": 0.0}
            for key, value in {
                **row,
                "height_px": camera.height,
                "width_px": camera.width,
            }.items():
                columns.setdefault(key, []).append(value)
        return columns


def _poses(b_from_a: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    """Return columns of quaternions, w first, and translations."""
    turns = np.array([quaternion_xyzw(pose) for pose in b_from_a])
    moves = np.array([pose[:3, 3] for pose in b_from_a])
    found = {f"q{axis}": turns[:, k] for axis, k in zip("wxyz", (3, 0, 1, 2), strict=True)}
    return {**found, **{f"t{axis}_m": moves[:, k] for k, axis in enumerate("xyz")}}
