"""LeRobot in, LeRobot out with one camera more: of two episodes whose every frame is known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml

pytest.importorskip("pyarrow")
from pyarrow import parquet

from anyview_ros.augment import lerobot_augment
from anyview_ros.augment.exports.arrow_tables import write_indexed_parquet, write_parquet
from anyview_ros.augment.exports.lerobot_files import CameraVideo, write_json
from anyview_ros.augment.lerobot_source import CalibrationEntry, LerobotSource
from anyview_ros.augment.stores import StorePath
from anyview_ros.cli.__main__ import main
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid
from anyview_ros.typed_json import read_typed
from tests.augment.bags import arguments, augmented, cameras_file, digests

LENGTHS, FPS = (9, 7), 30
STARTS = (0, 9)
LENS = Camera(64, 48, 50.0, 51.0, 31.0, 24.5)
TOP, ASIDE = "observation.images.top", "observation.images.aside"
VIEW = """
  - name: aside
    parent_frame: top_optical_frame
    pose: {position: {x: 0.5}}
    sources: [top]
"""
POSE = "{position: {x: 1.0, z: 1.5}, orientation: {x: -0.5, y: 0.5, z: -0.5, w: 0.5}}"
CALIBRATION = f"""
cameras:
  - name: top
    camera_info: {{width: 64, height: 48, k: [50, 0, 31, 0, 51, 24.5, 0, 0, 1]}}
    pose: {POSE}
"""
WORLD_FROM_TOP = rigid(np.eye(3), (1.0, 0.0, 1.5)) @ BODY_FROM_OPTICAL


def level(index: int) -> int:
    """Grey of a frame of the data set."""
    return 40 + 11 * index


def dataset(folder: Path) -> Path:
    """Two episodes in one file of each kind, as LeRobot itself writes them."""
    video = CameraVideo(folder, TOP, 0, FPS, synthetic=False)
    for index in range(sum(LENGTHS)):
        image = np.full((48, 64, 3), level(index), np.uint8)
        video.add(Frame(index, image, LENS, np.eye(4)))
    told = video.close()
    index = np.arange(sum(LENGTHS))
    episodes = np.repeat([0, 1], LENGTHS)
    inside = index - np.repeat(STARTS, LENGTHS)
    columns: dict[str, Any] = {
        "action": list(np.stack([index, -index], 1).astype(np.float32)),
        "timestamp": (inside / FPS).astype(np.float32),
        "frame_index": inside,
        "episode_index": episodes,
        "index": index,
        "task_index": 0 * index,
    }
    write_parquet(folder / "data/chunk-000/file-000.parquet", columns)
    write_indexed_parquet(folder / "meta/tasks.parquet", ["push"], {"task_index": [0]})
    rows = {
        "episode_index": [0, 1],
        "tasks": [["push"], ["push"]],
        "length": list(LENGTHS),
        "data/chunk_index": [0, 0],
        "data/file_index": [0, 0],
        "dataset_from_index": list(STARTS),
        "dataset_to_index": [9, 16],
        f"videos/{TOP}/chunk_index": [0, 0],
        f"videos/{TOP}/file_index": [0, 0],
        f"videos/{TOP}/from_timestamp": [0.0, 9 / FPS],
        f"videos/{TOP}/to_timestamp": [9 / FPS, 16 / FPS],
        "meta/episodes/chunk_index": [0, 0],
        "meta/episodes/file_index": [0, 0],
    }
    write_parquet(folder / "meta/episodes/chunk-000/file-000.parquet", rows)
    write_json(folder / "meta/stats.json", {TOP: told.stats})
    features = {
        TOP: told.feature(),
        "action": {"dtype": "float32", "shape": [2], "names": ["a", "b"]},
        **{
            name: {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1]}
            for name in columns
            if name != "action"
        },
    }
    info = {
        "codebase_version": "v3.0",
        "robot_type": "arm",
        "total_episodes": 2,
        "total_frames": 16,
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": "0:2"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
    }
    write_json(folder / "meta/info.json", info)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("source") / "push")


def calibration(folder: Path, text: str = CALIBRATION) -> list[str]:
    (folder / "calibration.yaml").write_text(text)
    return ["--calibration", str(folder / "calibration.yaml")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, source: Path, model: Path) -> Path:
    folder = tmp_path_factory.mktemp("made")
    more = calibration(folder)
    return augmented(source, folder / "out", model, *more, cameras=cameras_file(folder, VIEW))


def test_from_a_store_to_a_store(source: Path, made: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    pushes, out = (StorePath(f"file://{tmp_path}/store/{name}") for name in ("push", "out"))
    pushes.upload(source)
    more = [*calibration(tmp_path), "--work", str(tmp_path / "work")]
    file = cameras_file(tmp_path, VIEW)
    given = ["augment", pushes.url, out.url, "--cameras", str(file), "--model", str(model)]
    assert main([*given, "--provider", "cpu", *more]) == 0
    assert digests(tmp_path / "store" / "out") == digests(made)


def test_what_the_data_set_has_is_there_byte_for_byte(source: Path, made: Path) -> None:
    before, after = digests(source), digests(made)
    changed = {name for name in before if after[name] != before[name]}
    tables = {"meta/episodes/chunk-000/file-000.parquet", "meta/info.json", "meta/stats.json"}
    assert changed == tables
    infos = [json.loads((folder / "meta/info.json").read_text()) for folder in (source, made)]
    added = infos[1]["features"].pop(ASIDE)
    assert infos[0] == infos[1]
    assert (added["dtype"], added["shape"]) == ("video", [48, 64, 3])
    rows = [parquet.read_table(folder / max(tables, key=len)) for folder in (source, made)]
    assert rows[1].select(rows[0].column_names).equals(rows[0])


def test_every_frame_of_every_episode_has_a_picture(made: Path) -> None:
    row = parquet.read_table(made / "meta/episodes/chunk-000/file-000.parquet").to_pydict()
    assert row[f"videos/{ASIDE}/file_index"] == [0, 1]
    assert row[f"videos/{ASIDE}/from_timestamp"] == [0.0, 0.0]
    assert row[f"videos/{ASIDE}/to_timestamp"] == pytest.approx([9 / FPS, 7 / FPS])
    found = []
    for episode, length in enumerate(LENGTHS):
        file = made / f"videos/{ASIDE}/chunk-000/file-{episode:03d}.mp4"
        with av.open(str(file)) as container:
            decoded = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
        assert [time for time, _ in decoded] == pytest.approx(np.arange(length) / FPS, abs=1e-4)
        found += [image.mean() for _, image in decoded]
    # The tiny model shows the source's colours, which get brighter from frame to frame.
    assert np.corrcoef(found, [level(index) for index in range(16)])[0, 1] > 0.95
    assert min(found[9:]) > max(found[:5])
    whole = json.loads((made / "meta/stats.json").read_text())[ASIDE]
    assert whole["count"] == [16]
    assert np.ravel(whole["mean"]) == pytest.approx(np.mean(found) / 255, abs=0.03)


def test_the_sidecar_says_where_all_cameras_are_and_which_is_made(made: Path) -> None:
    told = json.loads((made / "anyview/provenance.json").read_text())["cameras"]
    assert {name: camera["synthetic"] for name, camera in told.items()} == {
        "top": False,
        "aside": True,
    }
    assert told["aside"]["made_by"]["model"] == "tiny"
    rows = np.load(made / "anyview/aside.npz")
    expected = WORLD_FROM_TOP @ rigid(np.eye(3), (0.5, 0, 0))
    assert rows["extrinsics"] == pytest.approx(np.broadcast_to(expected, (16, 4, 4)))
    assert (rows["intrinsics"] == LENS.matrix).all()


def test_a_data_set_with_a_sidecar_needs_no_calibration(
    made: Path, model: Path, tmp_path: Path
) -> None:
    cameras = cameras_file(tmp_path, VIEW.replace("aside", "second"))
    out = augmented(made, tmp_path / "out", model, cameras=cameras)
    told = json.loads((out / "anyview/provenance.json").read_text())["cameras"]
    assert sorted(told) == ["aside", "second", "top"]
    second = digests(out)["videos/observation.images.second/chunk-000/file-001.mp4"]
    assert second == digests(made)[f"videos/{ASIDE}/chunk-000/file-001.mp4"]


def test_stopped_between_two_episodes_and_resumed(
    source: Path, made: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras, whole = cameras_file(tmp_path, VIEW), lerobot_augment.augment
    calls = []

    def stopped(*given: Any, **named: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*given, **named)

    more = calibration(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(lerobot_augment, "augment", stopped)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            raise SystemExit(
                main(arguments(source, tmp_path / "out", model, *more, cameras=cameras))
            )
    assert not (tmp_path / "out").exists()
    again: list[Any] = []
    monkeypatch.setattr(
        lerobot_augment, "augment", lambda *a, **n: (again.append(a), whole(*a, **n))[1]
    )
    augmented(source, tmp_path / "out", model, *more, "--resume", cameras=cameras)
    assert len(again) == 1
    assert digests(tmp_path / "out") == digests(made)


def test_frames_of_an_episode_in_the_midst_of_a_file(source: Path) -> None:
    found = LerobotSource(source)
    levels = [round(image.mean()) for image in found.frames("top", found.episodes[1])]
    assert levels == pytest.approx([level(index) for index in range(9, 16)], abs=2)


REFUSED: dict[str, tuple[str, str, list[str], str]] = {
    "no calibration": (VIEW, "", [], "no_calibration"),
    "a name that is there": (VIEW.replace("aside", "top"), CALIBRATION, [], "name_taken"),
    "an option of bags": (VIEW, CALIBRATION, ["--fps", "10"], "invalid_parameter"),
    "another camera": (
        VIEW,
        CALIBRATION.replace("name: top", "name: wrist"),
        [],
        "no camera 'wrist'",
    ),
    "another size": (VIEW, CALIBRATION.replace("64", "640"), [], "images of 'top' are 64x48"),
    "no list": (VIEW, "cameras: 3", [], "invalid_calibration"),
    "a source that is not calibrated": (
        VIEW,
        CALIBRATION,
        ["--sources", "wrist"],
        "where wrist is, is not known",
    ),
    "a frame that is not there": (
        VIEW.replace("top_optical_frame", "flange"),
        CALIBRATION,
        [],
        "no frame 'flange'",
    ),
    "a trajectory": (
        """
  - name: aside
    trajectory:
      - header: {stamp: {sec: 1}}
      - header: {stamp: {sec: 9}}
""",
        CALIBRATION,
        [],
        "give it a pose",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(
    kind: str, source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view, text, more, said = REFUSED[kind]
    given = [*more, *(calibration(tmp_path, text) if text else [])]
    cameras = cameras_file(tmp_path, view)
    assert main(arguments(source, tmp_path / "out", model, *given, cameras=cameras)) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_a_data_set_of_another_version(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataset(tmp_path / "other")
    info = json.loads((other / "meta/info.json").read_text())
    write_json(other / "meta/info.json", info | {"codebase_version": "v2.1"})
    assert main(arguments(other, tmp_path / "out", model, *calibration(tmp_path))) == 1
    assert "it is of version v2.1" in capsys.readouterr().err


def test_a_calibration_of_a_bag(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, tmp_path / "out", model, *calibration(tmp_path))) == 1
    assert "give -p CAMERA.camera_info_url:=FILE" in capsys.readouterr().err


def test_the_calibration_of_the_document() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (raw,) = yaml.safe_load(block)["cameras"]
    entry: CalibrationEntry = read_typed(CalibrationEntry, raw, "cameras[0]")
    assert (entry.name, entry.camera_info.width, entry.pose.position.z) == ("top", 640, 1.2)
