"""Exports opened by their own readers, each in an environment of its own.

Marked `long`: they install gigabytes. `ANYVIEW_READERS=FOLDER pytest -m long tests/augment` keeps
the environments in that folder for the next time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from tests.augment.bags import RAISED, augmented, cameras_file, read
from tests.augment.test_lerobot_in import CALIBRATION, VIEW, dataset
from tests.datasets.rig_bag import RigRecording, stamps
from tests.packages import make_package

KEEP = os.environ.get("ANYVIEW_READERS", "")
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not KEEP, reason="ANYVIEW_READERS names no folder for environments"),
]
PACKAGES = {
    "kitti": ("pykitti==0.3.1", "opencv-python-headless"),  # it imports cv2, and does not say so
    "nuscenes": ("nuscenes-devkit==1.2.0", "numpy<2"),
    "lerobot": ("lerobot==0.4.4",),
    "argoverse2": ("av2==0.3.6",),
}
FOCAL = 48 / np.tan(0.6)
BASE_FROM_RAISED = rigid(np.eye(3), (1.0, 0.0, 2.5)) @ BODY_FROM_OPTICAL
FRONT = stamps(19)
# LeRobot's default decoder, torchcodec, needs the libraries of a system's FFmpeg; PyAV has its own.
# Each prints what it found: figures as JSON, and the picture of sample 5 as a file of numpy.
READERS = {
    "kitti": """
import pykitti
found = pykitti.odometry(root, "00")
tell(np.asarray(found.get_cam2(5)), count=len(found), fx=found.calib.K_cam2[0, 0],
     moved=found.poses[5][:3, 3].tolist(), seconds=found.timestamps[5].total_seconds())
""",
    "nuscenes": """
from nuscenes.nuscenes import NuScenes
from PIL import Image
found = NuScenes(version="v1.0-anyview", dataroot=root, verbose=False)
sample = found.sample[1]
token = sample["data"]["CAM_RAISED"]
path, boxes, matrix = found.get_sample_data(token)
row = found.get("sample_data", token)
placed = found.get("calibrated_sensor", row["calibrated_sensor_token"])
pose = found.get("ego_pose", row["ego_pose_token"])
count, first = 1, found.get("sample_data", found.sample[0]["data"]["CAM_RAISED"])
while first["next"]:
    count, first = count + 1, found.get("sample_data", first["next"])
tell(np.asarray(Image.open(path)), count=count, fx=matrix[0][0], keys=len(found.sample),
     translation=placed["translation"], rotation=placed["rotation"], ego=pose["translation"],
     channels=sorted(sample["data"]), map=list(found.map[0]["mask"].mask().shape))
""",
    "lerobot": """
from lerobot.datasets.lerobot_dataset import LeRobotDataset
found = LeRobotDataset("local/drive", root=root, video_backend="pyav")
item = found[5]
image = item["observation.images.raised"]
tell((image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), count=len(found),
     fps=found.fps, episodes=found.num_episodes, seconds=item["timestamp"].item(),
     stamps=[int(v) for v in item["stamp_ns"]], task=item["task"], keys=found.meta.camera_keys,
     mean=np.ravel(found.meta.stats["observation.images.raised"]["mean"]).tolist())
""",
    "argoverse2": """
from pathlib import Path
from av2.datasets.sensor.av2_sensor_dataloader import AV2SensorDataLoader
from av2.utils.io import read_img
found = AV2SensorDataLoader(data_dir=Path(root), labels_dir=Path(root))
(log,) = found.get_log_ids()
files = found.get_ordered_log_cam_fpaths(log, "raised")
camera = found.get_log_pinhole_camera(log, "raised")
pose = found.get_city_SE3_ego(log, int(files[5].stem))
tell(read_img(files[5], channel_order="RGB"), count=len(files), fx=camera.intrinsics.fx_px,
     size=[camera.width_px, camera.height_px], placed=camera.ego_SE3_cam.transform_matrix.tolist(),
     stamp=int(files[5].stem), ego=pose.translation.tolist())
""",
}
HEAD = """
import json, sys
import numpy as np
root, picture = sys.argv[1:]
def tell(image, **figures):
    np.save(picture, image)
    print("\\n" + json.dumps(figures))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    bag = RigRecording().write(folder / "drive")
    model = make_package(folder / "tiny")
    more = [f"--export={name}={folder / name}" for name in PACKAGES]
    cameras = cameras_file(folder, RAISED)
    augmented(bag, folder / "out", model, "--fps", "10", *more, cameras=cameras)
    return folder


@pytest.fixture(scope="module")
def truth(made: Path) -> np.ndarray[Any, Any]:
    """The picture of sample 5."""
    found = read(made / "out", "/virtual/raised/image_raw")
    return {stamp_ns(m.header.stamp): rgb_from_image(m) for _, m in found}[FRONT[5]]


def environment(name: str) -> Path:
    """Python of an environment with the reader; made where it is not there."""
    folder = Path(KEEP) / name
    python = folder / "bin" / "python"
    if not (folder / "complete").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return python


def opened(name: str, folder: Path, code: str = "") -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """What the reader of a format found, and its picture of sample 5."""
    picture = folder / f"{name}.npy"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    clean |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    ended = subprocess.run(
        [environment(name), "-c", HEAD + (code or READERS[name]), folder / name, picture],
        capture_output=True,
        text=True,
        check=False,
        env=clean,
        cwd=folder,
    )
    assert ended.returncode == 0, ended.stderr
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures, np.load(picture)


def test_pykitti(made: Path, truth: np.ndarray[Any, Any]) -> None:
    found, picture = opened("kitti", made)
    assert found["count"] == 19
    assert found["fx"] == pytest.approx(FOCAL)
    assert found["moved"] == pytest.approx([0, 0, 2.5], abs=1e-9)
    assert found["seconds"] == pytest.approx(0.5)
    assert (picture == truth).all()


def test_the_nuscenes_devkit(made: Path, truth: np.ndarray[Any, Any]) -> None:
    found, picture = opened("nuscenes", made)
    assert (found["count"], found["keys"], found["map"]) == (19, 4, [100, 100])
    assert found["channels"] == ["CAM_FRONT", "CAM_LEFT", "CAM_RAISED"]
    assert found["fx"] == pytest.approx(FOCAL)
    assert found["translation"] == pytest.approx([1, 0, 2.5])
    assert found["rotation"] == pytest.approx([0.5, -0.5, 0.5, -0.5])
    assert found["ego"] == pytest.approx([5e-9 * FRONT[5], 0, 0])
    assert np.abs(picture.astype(int) - truth).mean() < 4


def test_lerobot(made: Path, truth: np.ndarray[Any, Any]) -> None:
    found, picture = opened("lerobot", made)
    assert (found["count"], found["fps"], found["episodes"]) == (19, 10, 1)
    assert found["seconds"] == pytest.approx(0.5)
    assert found["stamps"] == [FRONT[5], FRONT[5] + 20_000_000, FRONT[5]]
    assert found["task"] == "drive"
    assert found["keys"] == [f"observation.images.{name}" for name in ("front", "left", "raised")]
    assert found["mean"] == pytest.approx(truth.mean((0, 1)) / 255, abs=0.1)
    assert np.abs(picture.astype(int) - truth).mean() < 8


def test_av2(made: Path, truth: np.ndarray[Any, Any]) -> None:
    found, picture = opened("argoverse2", made)
    assert (found["count"], found["size"], found["stamp"]) == (19, [96, 64], FRONT[5])
    assert found["fx"] == pytest.approx(FOCAL)
    assert np.array(found["placed"]) == pytest.approx(BASE_FROM_RAISED)
    assert found["ego"] == pytest.approx([5e-9 * FRONT[5], 0, 0])
    assert np.abs(picture.astype(int) - truth).mean() < 4


def test_lerobot_with_one_camera_more(made: Path, tmp_path: Path) -> None:
    source = dataset(tmp_path / "push")
    (tmp_path / "calibration.yaml").write_text(CALIBRATION)
    more = ["--calibration", str(tmp_path / "calibration.yaml")]
    cameras = cameras_file(tmp_path, VIEW)
    out = augmented(source, tmp_path / "lerobot", made / "tiny", *more, cameras=cameras)
    code = """
from lerobot.datasets.lerobot_dataset import LeRobotDataset
found = LeRobotDataset("local/push", root=root, video_backend="pyav")
items = [found[index] for index in range(len(found))]
image = lambda item: item["observation.images.aside"].permute(1, 2, 0).numpy() * 255
tell(image(items[12]).round().astype(np.uint8), count=len(found), episodes=found.num_episodes,
     keys=found.meta.camera_keys, action=items[12]["action"].tolist(),
     seconds=items[12]["timestamp"].item(), levels=[float(image(item).mean()) for item in items])
"""
    found, picture = opened("lerobot", tmp_path, code)
    assert (found["count"], found["episodes"], found["action"]) == (16, 2, [12, -12])
    assert found["keys"] == ["observation.images.top", "observation.images.aside"]
    assert found["seconds"] == pytest.approx(3 / 30)
    assert np.corrcoef(found["levels"], range(16))[0, 1] > 0.95
    with av.open(str(out / "videos/observation.images.aside/chunk-000/file-001.mp4")) as file:
        truth = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)][3]
    assert np.abs(picture.astype(int) - truth).mean() < 2
