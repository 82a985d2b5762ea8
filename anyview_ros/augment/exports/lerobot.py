"""LeRobot v3.0: one episode, https://huggingface.co/docs/lerobot/lerobot-dataset-v3."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.clock import constant_rate
from anyview_ros.augment.exports.lerobot_files import (
    STAMPS,
    CameraVideo,
    Episode,
    video_key,
    write_dataset,
)
from anyview_ros.augment.exports.recording import Recording
from anyview_ros.frames import Frame


class LerobotExport:
    """See `Export`."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        self._folder, self._recording = folder, recording
        self._fps = constant_rate(recording.samples)
        files = recording.file_names
        self.camera_names = {name: video_key(file) for name, file in files.items()}
        self.sidecar = folder / sidecar.FOLDER
        synthetic = {camera.name for camera in recording.cameras if camera.synthetic}
        self._videos = {
            name: CameraVideo(folder, key, 0, self._fps, name in synthetic)
            for name, key in self.camera_names.items()
        }

    def add(self, camera: str, index: int, frame: Frame) -> Frame:
        return self._videos[camera].add(frame)

    def close(self) -> None:
        videos = [video.close() for video in self._videos.values()]
        stamps = np.stack([*self._recording.samples.stamps_ns.values()], axis=1)
        episode = Episode(0, 0, len(stamps), self._fps, videos)
        names = list(self._recording.file_names.values())
        write_dataset(self._folder, episode, self._recording.name, {STAMPS: (stamps, names)})
