"""`anyview bench` as people call it: on roots with bad episodes, resumed, interrupted."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyview_ros.cli.__main__ import main
from anyview_ros.evaluation.run import EPISODES
from tests.evaluation.scenes import CAMERA, poses, write_root
from tests.packages import make_package

TIMEOUT_S = 240


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "anyview_ros.cli", "bench", *map(str, arguments)]


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments, "--no-perceptual"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("root"))


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def test_a_root_is_evaluated_and_resumed(root: Path, package: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = bench(root, "--model", package, "--out", out, "--splits", "DDAD")
    assert first.returncode == 0, first.stderr
    assert re.search(r"^DDAD +PSNR dB +SSIM +sharpness +unsteadiness$", first.stdout, re.M)
    assert re.search(r"^copy of the source +\d+\.\d\d ", first.stdout, re.M)
    assert re.search(r"\d\.\d+ clips/s", first.stderr)
    content = results(out)
    assert [e["name"] for e in content["episodes"]] == [
        "ddad_FL_ep000",
        "ddad_FL_ep001",
        "ddad_FR_ep000",
    ]
    for name in ("results.csv", "index.html", "contact_sheet.png"):
        assert (out / name).is_file()
    lost = out / EPISODES / "ddad_FR" / "ddad_FR_ep000"
    lost.with_suffix(".json").unlink()
    kept = (out / EPISODES / "ddad_FL" / "ddad_FL_ep000.mp4").stat().st_mtime_ns
    options = ("--out", out, "--splits", "DDAD", "--workers", 2)
    again = bench(root, "--model", package, *options, "--json")
    assert again.returncode == 0, again.stderr
    assert "2 of 3 episodes are done in" in again.stderr
    assert results(out) == content == json.loads(again.stdout)
    assert (out / EPISODES / "ddad_FL" / "ddad_FL_ep000.mp4").stat().st_mtime_ns == kept

    other = bench(root, "--model", package, "--out", out)
    assert other.returncode == 1
    assert "error [other_run]" in other.stderr


def test_two_workers_find_what_one_finds(package: Path, tmp_path: Path) -> None:
    arguments = ("--worlds", "--kinds", "street", "--seeds", "3:5", "--splits", "narrow,long")
    for workers in (1, 2):
        out = tmp_path / str(workers)
        answer = bench(*arguments, "--model", package, "--out", out, "--workers", workers)
        assert answer.returncode == 0, answer.stderr
        assert "not reached: street: " in answer.stdout
    assert results(tmp_path / "1") == results(tmp_path / "2")
    rows = results(tmp_path / "1")["groups"]["street"]
    assert {"ground-plane warp", "true-depth warp", "another noise seed"} <= rows.keys()


def test_what_comes_without_pixels_is_no_failure(package: Path, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    shutil.rmtree(root / "alone" / "alone_ep000" / "rgb")
    shutil.rmtree(root / "zero_shot")
    out = tmp_path / "out"
    answer = bench(root, "--model", package, "--out", out, "--workers", 1)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("left out: ddad_FL: it is not unpacked") == 1
    assert answer.stdout.count("left out: alone: 1 of 1 episodes have no pixels") == 1
    assert [e["name"] for e in results(out)["episodes"]] == ["ddad_FR_ep000"]


def test_bad_episodes_are_named_and_the_others_are_done(package: Path, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    splits = json.loads((root / "splits.json").read_text())
    good = root / "ddad_FR" / "ddad_FR_ep000"
    names = ["ddad_FR_ep000"]
    for name, spoil in SPOILED.items():
        names.append(name)
        if name != "absent":
            shutil.copytree(good, good.parent / name)
            spoil[1](good.parent / name)
    splits["splits"]["ddad_FR"]["episodes"] = names
    (root / "splits.json").write_text(json.dumps(splits))
    out = tmp_path / "out"
    arguments = (root, "--model", package, "--out", out, "--splits", "ddad_FR")
    answer = bench(*arguments, "--workers", 2)
    assert answer.returncode == 1
    content = results(out)
    assert [e["name"] for e in content["episodes"]] == ["ddad_FR_ep000"]
    codes = {failure["name"]: failure["code"] for failure in content["failed"]}
    assert codes == {name: code for name, (code, _) in SPOILED.items()}
    for name, (code, _) in SPOILED.items():
        assert f"failed: {name}: [{code}]" in answer.stdout
        assert f"{name}: [{code}]" in (out / "index.html").read_text()


def _without_frame(scene: Path) -> None:
    (scene / "rgb" / "cam1" / f"{2:010d}.png").unlink()


def _nan_pose(scene: Path) -> None:
    file = scene / "lowdim" / "cam0" / f"{1:010d}.npz"
    np.savez(file, intrinsics=CAMERA.matrix, extrinsics=np.full((4, 4), np.nan))


def _sheared(scene: Path) -> None:
    file = scene / "lowdim" / "cam1" / f"{1:010d}.npz"
    np.savez(file, intrinsics=CAMERA.matrix, extrinsics=poses(0.0)[1] @ np.diag([2, 1, 1, 1.0]))


def _nan_intrinsics(scene: Path) -> None:
    file = scene / "lowdim" / "cam1" / f"{0:010d}.npz"
    np.savez(file, intrinsics=np.full((3, 3), np.nan), extrinsics=poses(0.0)[0])


def _image_too_many(scene: Path) -> None:
    images = scene / "rgb" / "cam1"
    shutil.copy(images / f"{0:010d}.png", images / f"{5:010d}.png")


def _no_metadata(scene: Path) -> None:
    (scene / "metadata.json").unlink()


def _broken_image(scene: Path) -> None:
    (scene / "rgb" / "cam1" / f"{2:010d}.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")


def _broken_arrays(scene: Path) -> None:
    (scene / "lowdim" / "cam1" / f"{2:010d}.npz").write_bytes(b"PK\x03\x04 nothing")


def _broken_video(scene: Path) -> None:
    metadata = json.loads((scene / "metadata.json").read_text())
    metadata["info"]["storage"] = "videos"
    (scene / "metadata.json").write_text(json.dumps(metadata))
    for camera in ("cam0", "cam1"):
        (scene / "rgb" / f"{camera}.mp4").write_bytes(b"no video")
        stacked = {"intrinsics": np.stack([CAMERA.matrix] * 5), "extrinsics": poses(0.0)}
        np.savez(scene / "lowdim" / f"{camera}.npz", **stacked)


SPOILED = {
    "absent": ("missing_episode", _no_metadata),
    "without_frame": ("incomplete_scene", _without_frame),
    "image_too_many": ("incomplete_scene", _image_too_many),
    "nan_pose": ("invalid_pose", _nan_pose),
    "sheared": ("invalid_pose", _sheared),
    "nan_intrinsics": ("invalid_camera", _nan_intrinsics),
    "no_metadata": ("invalid_scene", _no_metadata),
    "broken_image": ("unreadable_image", _broken_image),
    "broken_arrays": ("incomplete_scene", _broken_arrays),
    "broken_video": ("unreadable_video", _broken_video),
}


def test_ctrl_c_stops_it_and_what_is_done_is_kept(root: Path, tmp_path: Path) -> None:
    slow = make_package(tmp_path / "slow", work=30)
    out = tmp_path / "out"
    one = ("--workers", "1")  # so that three are left after the first, on any machine
    arguments = (root, "--model", slow, "--out", out, *one, "--no-perceptual")
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while not any((out / EPISODES).rglob("*.json")):
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
    assert running.returncode == 130
    assert "Traceback" not in rest
    done = list((out / EPISODES).rglob("*.json"))
    assert 1 <= len(done) < 4
    finished = bench(*arguments[:-1])
    assert finished.returncode == 0, finished.stderr
    assert "of 4 episodes are done in" in finished.stderr
    assert len(results(out)["episodes"]) == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--worlds", "--kinds", "moon"), "error [unknown_kind]: there is no kind 'moon'"),
        (("--worlds", "--splits", "wide"), "error [unknown_split]: there is no split 'wide'"),
        (("--worlds", "--speeds", "warp"), "error [unknown_speed]: there is no speed 'warp'"),
        (("--real", "--splits", "moon"), "error [unknown_split]: there is no split 'moon'"),
        (("--worlds", "--seeds", "4:5"), "error [invalid_seeds]: seeds need at least two"),
        (("nowhere",), "error [invalid_benchmark]"),
    ],
)
def test_wrong_arguments_are_one_line(
    package: Path, arguments: tuple[str, ...], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments, "--model", str(package), "--no-perceptual"]) == 1
    said = capfd.readouterr().err
    assert said.startswith(says)
    assert len(said.splitlines()) == 1
