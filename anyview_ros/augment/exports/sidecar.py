"""What every data set has beside it, whatever its format has a place for.

anyview/provenance.json   what is synthetic, by what it was made, the clock
anyview/<camera>.npz      a row a sample: stamps, intrinsics and extrinsics
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.exports.recording import ExportedCamera, Recording
from anyview_ros.frames import Camera, Frame
from anyview_ros.media.provenance import SYNTHETIC, WORDS

FOLDER, PROVENANCE = "anyview", "provenance.json"
CONVENTIONS = {
    "extrinsics": "world_from_cam: (4, 4), from the optical frame (x right, y down, z forward) to "
    "the fixed frame, metres",
    "intrinsics": "K: (3, 3), pixels of the image as it is here, without distortion; integer "
    "pixels are pixel centres",
    "stamp_ns": "when the frame was taken, nanoseconds; of a synthetic one: its source frame",
    "sample_ns": "the instant that it stands for, by the clock",
}


@dataclass(frozen=True, eq=False)
class _Row:
    index: int
    stamp_ns: int
    camera: Camera
    world_from_cam: NDArray[np.float64]


def clock_of(text: str) -> str:
    """Return by what clock provenance.json says it is; empty of one that is damaged."""
    try:
        return str(json.loads(text)["clock"]["by"])
    except (ValueError, KeyError, TypeError):
        return ""


class Sidecar:
    """The rows of one recording, and what is told of it.

    Args:
        recording: see `Recording`.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._rows: dict[str, list[_Row]] = {c.name: [] for c in recording.cameras}

    def add(self, camera: str, index: int, frame: Frame) -> None:
        """Take a row; the image is not held."""
        row = _Row(index, frame.stamp_ns, frame.camera, frame.world_from_cam)
        self._rows[camera].append(row)

    def write(self, folder: Path, names: Mapping[str, str]) -> None:
        """Write the files.

        Args:
            folder: is made.
            names: of the cameras in the data set; those of which it has none are left out.
        """
        folder.mkdir(parents=True)
        recording, files = self._recording, self._recording.file_names
        told = {
            "recording": recording.name,
            "synthetic": WORDS[SYNTHETIC],
            "cameras": {
                camera.name: self._told(camera, names[camera.name])
                for camera in recording.cameras
                if camera.name in names
            },
            "clock": {
                "by": str(recording.samples.clock),
                "samples": len(recording.samples),
                "mean_distance_s": recording.samples.mean_s,
                "worst_distance_s": recording.samples.worst_s,
            },
            "conventions": CONVENTIONS,
            "scene_scale": recording.scene_scale,
            "made_by": dict(recording.provenance),
        }
        text = json.dumps(told, indent=1, sort_keys=True)
        (folder / PROVENANCE).write_text(text + "\n", encoding="utf-8")
        for name in names:
            np.savez(folder / f"{files[name]}.npz", **self._arrays(name))

    def _told(self, camera: ExportedCamera, name: str) -> dict[str, Any]:
        seen_by = self._rows[camera.name][0].camera
        return {
            "synthetic": camera.synthetic,
            "topic": camera.topic,
            "name_here": name,
            "rows": f"{self._recording.file_names[camera.name]}.npz",
            "width": seen_by.width,
            "height": seen_by.height,
        }

    def _arrays(self, camera: str) -> dict[str, Any]:
        rows = self._rows[camera]
        index = np.array([row.index for row in rows], np.int64)
        return {
            "index": index,
            "stamp_ns": np.array([row.stamp_ns for row in rows], np.int64),
            "sample_ns": self._recording.samples.times_ns[index],
            "intrinsics": np.stack([row.camera.matrix for row in rows]),
            "extrinsics": np.stack([row.world_from_cam for row in rows]),
        }
