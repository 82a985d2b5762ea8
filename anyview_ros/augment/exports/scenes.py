"""The unified scene layout, as `anyview convert` writes it: one scene of all samples."""

from __future__ import annotations

from pathlib import Path

from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.pictures import OneCalibration
from anyview_ros.augment.exports.recording import Recording
from anyview_ros.datasets.scene_writer import SceneNotes, SceneWriter
from anyview_ros.frames import Frame


class ScenesExport:
    """See `Export`."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        self.camera_names = recording.file_names
        self.sidecar = folder / sidecar.FOLDER
        period_ns = recording.samples.period_ns
        notes = SceneNotes(recording.name, recording.scene_scale, period_ns)
        path = folder / f"{recording.name}-0000"
        self._writer = SceneWriter(path, self.camera_names.values(), notes)
        self._calibrations = {name: OneCalibration() for name in self.camera_names}

    def add(self, camera: str, index: int, frame: Frame) -> Frame:
        self._calibrations[camera].check(camera, frame)
        self._writer.add(self.camera_names[camera], frame)
        return frame

    def close(self) -> None:
        self._writer.close()
