"""Files that people write and edit: virtual cameras, calibrations, poses, scenes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.cameras_file import read_cameras_file
from anyview_ros.datasets.calibration_file import read_calibration
from anyview_ros.datasets.safe_yaml import load_yaml
from anyview_ros.datasets.scene_layout import METADATA, SceneFolder
from anyview_ros.datasets.scene_storage import Lowdim, _arrays
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.media.video import read_trajectory
from anyview_ros.packages import load_package
from tests.fuzz.target import CrashError, Read, Target
from tests.packages import make_package

FRAMES = 5


def open_cameras(folder: Path) -> Read:
    contract = load_package(make_package(folder / "tiny")).contract

    def read(content: bytes) -> None:
        (folder / "cameras.yaml").write_bytes(content)
        found = read_cameras_file(folder / "cameras.yaml", contract)
        if not (found.named or found.samplers):
            raise CrashError("no camera at all")
        for camera in found.named:
            round(1e9 / camera.message.rate)

    return read


def cameras_seeds(folder: Path) -> dict[str, bytes]:
    pose = {"position": {"z": 1.5}, "orientation": {"x": -0.5, "y": 0.5, "z": -0.5, "w": 0.5}}
    stamped = [{"header": {"stamp": {"sec": k}}, "pose": pose} for k in (1, 2)]
    k = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
    asked: dict[str, list[dict[str, Any]]] = {
        "name": {"cameras": [{"name": "a"}]},
        "pose": {"cameras": [{"name": "a", "parent_frame": "b", "pose": pose, "rate": 5.0}]},
        "info": {"cameras": [{"name": "a", "camera_info": {"width": 64, "height": 48, "k": k}}]},
        "fov": {"cameras": [{"name": "a", "horizontal_fov": 1.2, "uncertainty_samples": 4}]},
        "trajectory": {"cameras": [{"name": "a", "trajectory": stamped}]},
        "sampler": {
            "samplers": [
                {
                    "name": "s",
                    "about": "front",
                    "count": 3,
                    "position": {"x": [-1.0, 1.0]},
                    "rotation": {"yaw": [-0.1, 0.1]},
                    "seed": 5,
                }
            ]
        },
    }
    found = {name: json.dumps(one).encode() for name, one in asked.items()}
    return found | {
        "yaml": b"cameras:\n- name: a\n  pose: &p {position: {z: 1}}\n- {name: b, pose: *p}"
    }


def open_calibration(folder: Path) -> Read:
    def read(content: bytes) -> None:
        (folder / "front.yaml").write_bytes(content)
        lens_from_info(read_calibration(folder / "front.yaml"))

    return read


def calibration_seeds(folder: Path) -> dict[str, bytes]:
    from tests.datasets.test_field_bags import calibration

    eye = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    k, p = [50, 0, 31, 0, 51, 24, 0, 0, 1], [50, 0, 31, 0, 0, 51, 24, 0, 0, 0, 1, 0]
    short = {
        "image_width": 64,
        "image_height": 48,
        "distortion_model": "plumb_bob",
        "camera_matrix": {"data": k},
        "distortion_coefficients": {"data": [0.1, 0, 0, 0, 0]},
        "rectification_matrix": {"data": eye},
        "projection_matrix": {"data": p},
    }
    written = calibration(folder / "front.yaml").read_text()
    whole = json.dumps(load_yaml(written)).encode()
    return {"yaml": written.encode(), "json": whole, "short": json.dumps(short).encode()}


def open_poses(folder: Path) -> Read:
    def read(content: bytes) -> None:
        (folder / "poses.txt").write_bytes(content)
        track = read_trajectory(folder / "poses.txt")
        first, last = track.times_ns[0], track.times_ns[-1]
        for time_ns in (first, (first + last) // 2, last):
            pose = track.at(time_ns)
            if pose is None or not np.isfinite(pose).all():
                raise CrashError(f"no pose at {time_ns}: {pose}")

    return read


def poses_seeds(folder: Path) -> dict[str, bytes]:
    lines = "# poses\n" + "".join(f"{k}.5 {k} 0 1 -0.5 0.5 -0.5 0.5\n" for k in range(3))
    return {"utf8": lines.encode(), "utf16": lines.encode("utf-16"), "one": b"1e3 0 0 0 0 0 0 1"}


class InMemory:
    """The images and arrays of every camera of a scene."""

    def num_poses(self, camera: str) -> int:
        return FRAMES

    def has_images(self, camera: str) -> bool:
        return True

    def size(self, camera: str) -> tuple[int, int]:
        return 4, 4

    def lowdim(self, camera: str, places: range) -> Lowdim:
        k = np.float64([[4, 0, 2], [0, 4, 2], [0, 0, 1]])
        eyes = np.stack([np.eye(4)] * len(places))
        return Lowdim(np.stack([k] * len(places)), eyes, None)

    def images(
        self, camera: str, places: range, at_least: tuple[int, int] = (0, 0)
    ) -> list[NDArray[np.uint8]]:
        return [np.zeros((4, 4, 3), np.uint8)] * len(places)

    def fault(self, camera: str) -> str:
        return ""


def open_scene(folder: Path) -> Read:
    """Open metadata alone: what lies beside it is there, and the same always."""
    (folder / "rgb").mkdir()

    def read(content: bytes) -> None:
        (folder / METADATA).write_bytes(content)
        scene = SceneFolder(folder)
        for camera in scene.cameras[:2]:
            scene.storage.has_images(camera)
        scene.storage = InMemory()
        episode = scene.episode()
        if not 0 < episode.scene_scale < np.inf:
            raise CrashError(f"a scene scale of {episode.scene_scale}")

    return read


def scene_seeds(folder: Path) -> dict[str, bytes]:
    from anyview_ros.datasets.scene_writer import SceneNotes, write_scene
    from tests.datasets.test_damaged_files import frames

    scene = folder / "scene"
    write_scene(scene, {"a": frames(0.0), "b": frames(1.0)}, SceneNotes("mine", 1 / 16, 10**9))
    written = json.loads((scene / METADATA).read_text())
    other = {
        "info": {"name": "ddad", "storage": "videos"},
        "cameras": ["cam0", "cam1"],
        "resolution": [4, 4],
        "num_frames": 5,
        "framerate": 10.0,
        "rgb": {"extension": "mp4"},
        "extrinsics": {"transform": "world2cam"},
        "specific": {
            "roles": {"input": "cam1", "target": "cam0"},
            "source": {"dataset": "ddad"},
            "resolution_per_camera": {"cam0": [8, 8]},
        },
    }
    return {"written": json.dumps(written).encode(), "other": json.dumps(other).encode()}


def open_arrays(folder: Path) -> Read:
    def read(content: bytes) -> None:
        stacked, data = bool(content[:1] == b"1"), content[1:]
        (folder / "0.npz").write_bytes(data)
        found = _arrays(folder / "0.npz", stacked)
        for values in found.values():
            values.astype(np.float64)

    return read


def arrays_seeds(folder: Path) -> dict[str, bytes]:
    one = {"intrinsics": np.eye(3), "extrinsics": np.eye(4, dtype=np.float32), "stamp_ns": 10**9}
    many = {name: np.stack([value, value]) for name, value in one.items()}
    found = {}
    for mark, arrays in ((b"0", one), (b"1", many)):
        for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
            file = io.BytesIO()
            save(file, **arrays)  # type: ignore[arg-type]
            found[f"{name}{mark.decode()}"] = mark + file.getvalue()
    return found


TARGETS = {
    "cameras-file": Target(open_cameras, cameras_seeds, is_json=True, max_bytes=1024),
    "calibration": Target(open_calibration, calibration_seeds, is_json=True, max_bytes=1024),
    "poses": Target(open_poses, poses_seeds, words=("1e9", "nan", "inf", "1/3"), max_bytes=256),
    "scene": Target(open_scene, scene_seeds, is_json=True, max_bytes=2048),
    "scene-arrays": Target(open_arrays, arrays_seeds, max_bytes=2048),
}
