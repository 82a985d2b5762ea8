"""Data sets that augment writes: what is in their files, against the bag that is beside them."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from anyview_ros.augment.exports import formats
from anyview_ros.augment.job import Job
from anyview_ros.cli.__main__ import main
from anyview_ros.cli.commands import parser_of
from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid, transform_from_pose
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.packages import load_package
from tests.augment.bags import MOVING, RAISED, arguments, augmented, cameras_file, digests, read
from tests.datasets.rig_bag import (
    BASE_FROM_FRONT,
    BASE_FROM_LEFT,
    CAMERA,
    FIRST_NS,
    MS,
    RigRecording,
    stamps,
    world_from_base,
)

PLAIN = ("scenes", "kitti", "nuscenes")
TABLES = ("lerobot", "argoverse2") if find_spec("pyarrow") else ()
NEEDS_ARROW = pytest.mark.skipif(not TABLES, reason="pyarrow is not installed")
BASE_FROM_RAISED = rigid(np.eye(3), (1.0, 0.0, 2.5)) @ BODY_FROM_OPTICAL
FRONT = stamps(19)  # those nearest to the samples, which begin with the later camera
TIMES = stamps(19, FIRST_NS + 20 * MS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, source: Path, model: Path) -> Path:
    """The augmented bag `out`, and every format beside it."""
    folder = tmp_path_factory.mktemp("made")
    wanted = [name for name in (*PLAIN, *TABLES) if name != "argoverse2"]
    augmented(
        source, folder / "out", model, "--seed", "7", "--fps", "10", *exports(folder, *wanted)
    )
    if TABLES:
        cameras = cameras_file(folder, RAISED)
        more = ["--fps", "10", *exports(folder, "argoverse2")]
        augmented(source, folder / "still", model, *more, cameras=cameras)
    return folder


def exports(folder: Path, *names: str) -> list[str]:
    return [word for name in names for word in ("--export", f"{name}={folder / name}")]


def images(bag: Path, camera: str) -> dict[int, NDArray[np.uint8]]:
    """Pictures of a virtual camera by stamp."""
    found = read(bag, f"/virtual/{camera}/image_raw")
    return {stamp_ns(m.header.stamp): rgb_from_image(m) for _, m in found}


def sidecar(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    told = json.loads((folder / "anyview" / "provenance.json").read_text())
    rows = {name: np.load(folder / "anyview" / c["rows"]) for name, c in told["cameras"].items()}
    return told, rows


def refused(
    source: Path, out: Path, model: Path, *more: str, cameras: Path | None = None
) -> tuple[int, list[str]]:
    """Exit status, and what lies beside `out` then."""
    status = main(arguments(source, out, model, *more, cameras=cameras))
    there = sorted(file.name for file in out.parent.iterdir())
    return status, [name for name in there if name != "cameras.yaml"]


def test_the_sidecar_has_every_frame_and_says_what_is_synthetic(made: Path, model: Path) -> None:
    told, rows = sidecar(made / "nuscenes")
    flags = {name: camera["synthetic"] for name, camera in told["cameras"].items()}
    assert flags == {"front": False, "left": False, "raised": True, "moving": True}
    assert told["made_by"]["model_sha256"] == load_package(model).sha256
    assert told["made_by"]["settings"]["sampling"]["seed"] == 7
    assert told["clock"]["samples"] == 19
    assert (told["clock"]["mean_distance_s"], told["clock"]["worst_distance_s"]) == (0.015, 0.02)
    for name, base_from_cam in {"front": BASE_FROM_FRONT, "raised": BASE_FROM_RAISED}.items():
        assert rows[name]["stamp_ns"].tolist() == FRONT
        assert rows[name]["sample_ns"].tolist() == TIMES
        poses = [world_from_base(stamp) @ base_from_cam for stamp in FRONT]
        assert rows[name]["extrinsics"] == pytest.approx(np.array(poses), abs=1e-9)
    assert rows["left"]["stamp_ns"].tolist() == TIMES
    assert (rows["front"]["intrinsics"] == CAMERA.matrix).all()
    assert rows["raised"]["intrinsics"][3, 0, 0] == pytest.approx(48 / np.tan(0.6))
    moves = [30 + 50 * (stamp / 1e9 - 5) / 45 for stamp in FRONT]
    assert rows["moving"]["extrinsics"][:, 0, 3] == pytest.approx(moves)


@pytest.mark.parametrize("name", [*PLAIN, "lerobot"])
def test_every_format_has_the_sidecar(name: str, made: Path) -> None:
    if name not in (*PLAIN, *TABLES):
        pytest.skip("pyarrow is not installed")
    told, rows = sidecar(made / name)
    assert set(told["cameras"]) >= {"raised", "moving"}
    assert {len(row["index"]) for row in rows.values()} == {19}


def test_the_bag_is_the_one_without_exports(
    made: Path, source: Path, model: Path, tmp_path: Path
) -> None:
    alone = augmented(source, tmp_path / "out", model, "--seed", "7")
    assert digests(alone) == digests(made / "out")


def test_data_sets_are_the_same_every_time(
    made: Path, source: Path, model: Path, tmp_path: Path
) -> None:
    more = ["--seed", "7", "--fps", "10", *exports(tmp_path, *PLAIN)]
    augmented(source, tmp_path / "out", model, *more)
    for name in PLAIN:
        assert digests(tmp_path / name) == digests(made / name)


def test_kitti_one_sequence_a_virtual_camera(made: Path) -> None:
    folder = made / "kitti"
    told, _ = sidecar(folder)
    assert {n: c["name_here"] for n, c in told["cameras"].items()} == {
        "raised": "00",
        "moving": "01",
    }
    poses = np.loadtxt(folder / "poses" / "00.txt").reshape(-1, 3, 4)
    assert poses[0] == pytest.approx(np.eye(4)[:3])
    assert poses[18][:, 3] == pytest.approx([0, 0, 9.0], abs=1e-9)  # ahead, at 5 m/s
    times = np.loadtxt(folder / "sequences" / "00" / "times.txt")
    assert times == pytest.approx(np.arange(19) / 10)
    lines = (folder / "sequences" / "00" / "calib.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["P0", "P1", "P2", "P3", "Tr"]
    assert float(lines[2].split()[1]) == pytest.approx(48 / np.tan(0.6))
    truth = images(made / "out", "raised")
    for k in (0, 18):
        file = folder / "sequences" / "00" / "image_2" / f"{k:06d}.png"
        assert (np.asarray(Pillow.open(file)) == truth[FRONT[k]]).all()
        assert "Synthetic" in Pillow.open(file).info["Comment"]


def test_nuscenes_tables(made: Path) -> None:
    folder = made / "nuscenes"
    tables = {f.stem: json.loads(f.read_text()) for f in (folder / "v1.0-anyview").iterdir()}
    assert len(tables) == 13
    by_token = {name: {row["token"]: row for row in rows} for name, rows in tables.items()}
    samples, pictures = tables["sample"], tables["sample_data"]
    # 2 Hz, in microseconds
    assert [s["timestamp"] for s in samples] == [TIMES[k] // 1000 for k in (0, 5, 10, 15)]
    assert [s["prev"] for s in samples] == ["", *(s["token"] for s in samples[:-1])]
    assert (tables["scene"][0]["nbr_samples"], len(pictures)) == (4, 4 * 19)
    assert (folder / tables["map"][0]["filename"]).is_file()
    channels = {s["token"]: s["channel"] for s in tables["sensor"]}
    raised = []
    for row in pictures:
        calibration = by_token["calibrated_sensor"][row["calibrated_sensor_token"]]
        pose = by_token["ego_pose"][row["ego_pose_token"]]
        assert pose["timestamp"] == row["timestamp"]
        assert pose["translation"] == pytest.approx([5e-6 * row["timestamp"], 0, 0])
        assert pose["rotation"] == pytest.approx([1, 0, 0, 0])
        assert row["filename"].split("/")[0] == ("samples" if row["is_key_frame"] else "sweeps")
        assert (folder / row["filename"]).is_file()
        if channels[calibration["sensor_token"]] == "CAM_RAISED":
            raised.append((row, calibration))
    assert [row["is_key_frame"] for row, _ in raised] == [k % 5 == 0 for k in range(19)]
    w, x, y, z = raised[0][1]["rotation"]
    placed = transform_from_pose(raised[0][1]["translation"], (x, y, z, w))
    assert placed == pytest.approx(BASE_FROM_RAISED)
    assert len({calibration["token"] for _, calibration in raised}) == 1
    # One that moves on the robot has a calibration for each picture.
    assert len(tables["calibrated_sensor"]) == 3 + 19
    picture = Pillow.open(folder / raised[5][0]["filename"])
    difference = np.asarray(picture).astype(int) - images(made / "out", "raised")[FRONT[5]]
    assert np.abs(difference).mean() < 4
    assert b"Synthetic" in picture.info["comment"]
    front = next(row for row in pictures if "CAM_FRONT" in row["filename"])
    assert "comment" not in Pillow.open(folder / front["filename"]).info


def test_scenes_are_read_as_those_of_convert(made: Path) -> None:
    scene = SceneFolder(made / "scenes" / "drive-0000")
    assert scene.cameras == ("front", "left", "raised", "moving")
    assert scene.framerate == pytest.approx(10)
    episode = scene.episode("front", "raised", 5)
    poses = [world_from_base(stamp) @ BASE_FROM_RAISED for stamp in FRONT[:5]]
    assert episode.target.world_from_cam == pytest.approx(np.array(poses))
    truth = images(made / "out", "raised")[FRONT[4]]
    assert episode.truth is not None
    assert np.abs(episode.truth[4].astype(int) - truth).mean() < 4


@NEEDS_ARROW
def test_lerobot_tables_and_videos(made: Path) -> None:
    from pyarrow import parquet

    folder = made / "lerobot"
    info = json.loads((folder / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_frames"]) == ("v3.0", 10, 19)
    rows = parquet.read_table(folder / "data/chunk-000/file-000.parquet").to_pydict()
    seconds = np.array(rows["timestamp"], np.float32)
    assert (seconds == (np.arange(19) / 10).astype(np.float32)).all()
    assert info["features"]["stamp_ns"]["names"] == ["front", "left", "raised", "moving"]
    assert np.array(rows["stamp_ns"])[:, :3].T.tolist() == [FRONT, TIMES, FRONT]
    episode = parquet.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pydict()
    assert (episode["length"], episode["dataset_to_index"]) == ([19], [19])
    key = "observation.images.raised"
    assert episode[f"videos/{key}/to_timestamp"] == [1.9]
    stats = json.loads((folder / "meta" / "stats.json").read_text())[key]
    truth = images(made / "out", "raised")
    stacked = np.stack([truth[stamp] for stamp in FRONT]) / 255
    for name, value in {
        "mean": stacked.mean((0, 1, 2)),
        "std": stacked.std((0, 1, 2)),
        "max": stacked.max((0, 1, 2)),
        "q50": np.quantile(stacked, 0.5, axis=(0, 1, 2), method="inverted_cdf"),
    }.items():
        assert np.ravel(stats[name]) == pytest.approx(value)
    with av.open(str(folder / f"videos/{key}/chunk-000/file-000.mp4")) as file:
        assert "Synthetic" in file.metadata["comment"]
        decoded = [
            (f.time, f.key_frame, f.to_ndarray(format="rgb24")) for f in file.decode(video=0)
        ]
    assert [time for time, *_ in decoded] == pytest.approx(np.arange(19) / 10)
    assert [key for _, key, _ in decoded] == [k % 2 == 0 for k in range(19)]
    assert np.abs(decoded[7][2].astype(int) - truth[FRONT[7]]).mean() < 8


@NEEDS_ARROW
def test_argoverse2_calibration_and_images(made: Path) -> None:
    from pyarrow import feather

    folder = made / "argoverse2" / "drive"
    placed = feather.read_table(folder / "calibration/egovehicle_SE3_sensor.feather").to_pylist()
    for name, truth in {"raised": BASE_FROM_RAISED, "left": BASE_FROM_LEFT}.items():
        (row,) = [row for row in placed if row["sensor_name"] == name]
        turn = tuple(row[f"q{axis}"] for axis in "xyzw")
        pose = transform_from_pose([row[f"t{axis}_m"] for axis in "xyz"], turn)
        assert pose == pytest.approx(truth, abs=1e-9)
    lenses = feather.read_table(folder / "calibration/intrinsics.feather").to_pylist()
    (lens,) = [row for row in lenses if row["sensor_name"] == "raised"]
    assert (lens["width_px"], lens["height_px"], lens["k1"]) == (96, 64, 0)
    assert lens["fx_px"] == pytest.approx(48 / np.tan(0.6))
    files = sorted((folder / "sensors/cameras/raised").iterdir())
    assert [int(file.stem) for file in files] == FRONT
    city = feather.read_table(folder / "city_SE3_egovehicle.feather").to_pylist()
    assert [row["timestamp_ns"] for row in city] == sorted({*FRONT, *TIMES})
    assert city[0]["tx_m"] == pytest.approx(5e-9 * FIRST_NS)


@NEEDS_ARROW
def test_what_one_format_refuses_another_takes_and_the_frames_are_kept(
    made: Path, source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, wanted = tmp_path / "out", ["--seed", "7", "--fps", "10"]
    status, there = refused(source, out, model, *wanted, *exports(tmp_path, "argoverse2"))
    assert (status, there) == (1, ["out.unfinished"])
    said = capsys.readouterr().err
    assert "'moving' moves on the robot" in said
    assert "take --export nuscenes=FOLDER" in said
    assert "kept for --resume" in said
    augmented(source, out, model, *wanted, *exports(tmp_path, "nuscenes"), "--resume")
    assert digests(out) == digests(made / "out")
    assert digests(tmp_path / "nuscenes") == digests(made / "nuscenes")


def test_the_messages_of_a_camera_as_the_clock(source: Path, model: Path, tmp_path: Path) -> None:
    cameras = cameras_file(tmp_path, RAISED)
    more = ["--clock", "/front/image_raw", *exports(tmp_path, "kitti")]
    augmented(source, tmp_path / "out", model, *more, cameras=cameras)
    told, rows = sidecar(tmp_path / "kitti")
    assert told["clock"]["by"] == "messages of /front/image_raw"
    assert rows["raised"]["sample_ns"].tolist() == rows["raised"]["stamp_ns"].tolist()


def test_of_compressed_images_the_same_samples(source: Path, model: Path, tmp_path: Path) -> None:
    cameras = cameras_file(tmp_path, RAISED)
    more = ["--images", "jpeg", "--fps", "10", *exports(tmp_path, "kitti")]
    augmented(source, tmp_path / "out", model, *more, cameras=cameras)
    assert len(list((tmp_path / "kitti/sequences/00/image_2").iterdir())) == 19


def test_cameras_that_were_not_on_at_one_time(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = RigRecording()
    rig.left.stamps_ns = stamps(5, FIRST_NS + 3000 * MS)
    rig.transforms_ns = stamps(100, FIRST_NS - 95 * MS, 50 * MS)
    bag = rig.write(tmp_path / "drive")
    cameras = cameras_file(tmp_path, RAISED)
    wanted = ["--fps", "10", *exports(tmp_path, "kitti")]
    assert refused(bag, tmp_path / "out", model, *wanted, cameras=cameras) == (1, ["drive"])
    assert "no_common_time" in capsys.readouterr().err
    more = [*wanted, "--sources", "front"]
    augmented(bag, tmp_path / "out", model, *more, cameras=cameras)
    assert len(list((tmp_path / "kitti/sequences/00/image_2").iterdir())) == 20


def test_a_calibration_that_changes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def focus(stamp: int, info: Any) -> None:
        if stamp > FIRST_NS + 1000 * MS:
            info.k[0] = info.p[0] = 60.0

    rig = RigRecording()
    rig.left.change_info = focus
    bag = rig.write(tmp_path / "drive")
    cameras = cameras_file(tmp_path, RAISED)
    out, wanted = tmp_path / "out", ["--fps", "10"]
    one = exports(tmp_path, "scenes")
    status, there = refused(bag, out, model, *wanted, *one, cameras=cameras)
    assert (status, there) == (1, ["drive", "out.unfinished"])
    assert "the calibration of 'left' changes at 11.020 s" in capsys.readouterr().err
    more = [*wanted, *exports(tmp_path, "nuscenes"), "--resume"]
    augmented(bag, out, model, *more, cameras=cameras)
    focal = sidecar(tmp_path / "nuscenes")[1]["left"]["intrinsics"][:, 0, 0]
    assert sorted(set(focal)) == [50.0, 60.0]


SLOW = MOVING.replace("name: moving", "name: moving\n    rate: 2.0")
REFUSED: dict[str, tuple[list[str], str, str]] = {
    "no clock": ([], "invalid_parameter", "pass --fps N or --clock TOPIC"),
    "two clocks": (["--fps", "10", "--clock", "/a"], "invalid_parameter", "by one clock"),
    "no such topic": (["--clock", "/lidar"], "unknown_topic", "take another topic as the clock"),
    "too fast": (["--fps", "50"], "clock_mismatch", "or lower"),
    "no robot": (["--fps", "10", "--ego-frame", "body"], "tf_unknown_frame", "'body'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_before_anything_is_made(
    kind: str, source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more, code, text = REFUSED[kind]
    wanted = exports(tmp_path, "nuscenes")
    status, there = refused(source, tmp_path / "out", model, *wanted, *more)
    assert (status, there) == (1, [])
    said = capsys.readouterr().err
    assert code in said
    assert text in said


def test_a_virtual_camera_slower_than_the_clock(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cameras = cameras_file(tmp_path, SLOW)
    wanted = exports(tmp_path, "kitti")
    out = tmp_path / "out"
    status, there = refused(source, out, model, *wanted, "--fps", "10", cameras=cameras)
    assert (status, there) == (1, [])
    assert "pass --fps 2 or lower" in capsys.readouterr().err
    augmented(source, out, model, *wanted, "--fps", "2", cameras=cameras)
    assert len(list((tmp_path / "kitti/sequences/00/image_2").iterdir())) == 3


@pytest.mark.parametrize("folder", ["out", "out/kitti", "."])
def test_a_folder_that_is_not_apart_from_the_bag(
    folder: str, source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = ("--export", f"kitti={tmp_path / folder}", "--fps", "10")
    assert refused(source, tmp_path / "out", model, *export) == (1, [])
    assert "lie one inside the other; give each a folder" in capsys.readouterr().err


def test_a_data_set_by_another_clock_is_not_taken_for_that_of_the_run(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = exports(tmp_path, "kitti")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "finish", _interrupted)
        assert main(arguments(source, tmp_path / "out", model, *wanted, "--fps", "10")) == 130
    again = arguments(source, tmp_path / "out", model, *wanted, "--resume", "--fps")
    assert main([*again, "5"]) == 1
    assert "give another folder to --export" in capsys.readouterr().err
    assert main([*again, "10"]) == 0


def _interrupted(job: Job) -> None:
    raise KeyboardInterrupt


def test_options_of_an_export_without_one(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(source, tmp_path / "out", model, "--fps", "10") == (1, [])
    assert "pass --export FORMAT=FOLDER too" in capsys.readouterr().err
    export = ("--export", f"scenes={tmp_path / 'scenes'}")
    assert refused(source, tmp_path / "out", model, *export, "--only", "/tf") == (1, [])
    assert "leave --only out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["coco=a"], "FORMAT one of scenes, kitti, nuscenes, lerobot, argoverse2, got 'coco=a'"),
        (["kitti"], "got 'kitti'"),
        (["kitti=a", "scenes=a"], "give each a folder of its own"),
    ],
)
def test_what_is_no_export(
    texts: list[str],
    reason: str,
    source: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = [word for text in texts for word in ("--export", text)]
    assert refused(source, tmp_path / "out", model, "--fps", "10", *more) == (1, [])
    assert reason in capsys.readouterr().err


def test_a_folder_that_exists(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kitti").mkdir()
    wanted = [*exports(tmp_path, "kitti"), "--fps", "10"]
    assert refused(source, tmp_path / "out", model, *wanted) == (1, ["kitti"])
    assert "give another folder to --export" in capsys.readouterr().err
    assert refused(source, tmp_path / "out", model, *wanted, "--resume") == (1, ["kitti"])
    assert not list((tmp_path / "kitti").iterdir())


def test_without_pyarrow(
    source: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    wanted = [*exports(tmp_path, "lerobot"), "--fps", "10"]
    assert refused(source, tmp_path / "out", model, *wanted) == (1, [])
    assert "pip install pyarrow" in capsys.readouterr().err


def test_the_document_names_every_format_and_option() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
    table = text.split("| `--export` |", 1)[1].split("\n\n", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(formats.FORMATS)
    assert re.findall(r"--export (\w+)=", text) == ["nuscenes", "kitti"]
    help_text = next(a.help for a in parser_of("augment")._actions if a.dest == "export")
    assert help_text is not None
    assert ", ".join(formats.FORMATS) in help_text
    tables = {name for name, found in formats.FORMATS.items() if found.needs_arrow}
    assert set(launcher_tables()) == tables


def launcher_tables() -> tuple[str, ...]:
    """Formats for which `./anyview` installs pyarrow."""
    text = (Path(__file__).resolve().parents[2] / "scripts" / "launcher.py").read_text()
    return tuple(re.findall(r'"(\w+)"', re.findall(r"^TABLES = \((.*?)\)", text, re.M)[0]))
