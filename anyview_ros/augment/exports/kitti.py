"""KITTI odometry: one sequence a virtual camera, https://www.cvlibs.net/datasets/kitti/.

sequences/NN/image_2, calib.txt, times.txt; poses/NN.txt from the camera of each frame to that of
the first. The format knows four cameras and a laser scanner: P0 to P3 are this one camera, and Tr,
that of a scanner which is not there, is the identity.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.pictures import OneCalibration, write_png
from anyview_ros.augment.exports.recording import Recording
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import inverse


class KittiExport:
    """See `Export`."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        made = [camera.name for camera in recording.cameras if camera.synthetic]
        self.camera_names = {name: f"{k:02d}" for k, name in enumerate(made)}
        self.sidecar = folder / sidecar.FOLDER
        self._sequences = {
            name: _Sequence(name, folder, number) for name, number in self.camera_names.items()
        }

    def add(self, camera: str, index: int, frame: Frame) -> Frame:
        self._sequences[camera].add(index, frame)
        return frame

    def close(self) -> None:
        for sequence in self._sequences.values():
            sequence.close()


class _Sequence:
    """The files of one camera."""

    def __init__(self, name: str, folder: Path, number: str) -> None:
        self._name = name
        self._folder = folder / "sequences" / number
        self._poses_file = folder / "poses" / f"{number}.txt"
        self._images = self._folder / "image_2"
        self._images.mkdir(parents=True)
        self._poses_file.parent.mkdir(exist_ok=True)
        self._calibration = OneCalibration()
        self._stamps_ns: list[int] = []
        self._poses: list[NDArray[np.float64]] = []

    def add(self, index: int, frame: Frame) -> None:
        self._calibration.check(self._name, frame)
        write_png(self._images / f"{index:06d}.png", frame.image, synthetic=True)
        self._stamps_ns.append(frame.stamp_ns)
        self._poses.append(frame.world_from_cam)

    def close(self) -> None:
        assert self._calibration.camera is not None, "there is a sample"
        first_from_world = inverse(self._poses[0])
        poses = [first_from_world @ pose for pose in self._poses]
        _write(self._poses_file, [_numbers(pose[:3]) for pose in poses])
        times = [(stamp - self._stamps_ns[0]) / 1e9 for stamp in self._stamps_ns]
        _write(self._folder / "times.txt", [f"{time:.9f}" for time in times])
        _write(self._folder / "calib.txt", _calibration(self._calibration.camera))


def _calibration(camera: Camera) -> list[str]:
    projection = np.hstack([camera.matrix, np.zeros((3, 1))])
    lines = [f"P{k}: {_numbers(projection)}" for k in range(4)]
    return [*lines, f"Tr: {_numbers(np.eye(4)[:3])}"]


def _numbers(matrix: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.12e}" for value in matrix.ravel())


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
