"""Cameras that are drawn about a real one: where they are, by which rules, and the same again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.augment.cameras_file import CameraEntry, read_cameras_file
from anyview_ros.augment.rig_survey import Rig
from anyview_ros.augment.sampler_entry import (
    Box,
    GridSteps,
    IntrinsicsRanges,
    PositionRanges,
    Rejection,
    RotationRanges,
    SamplerEntry,
)
from anyview_ros.augment.sampling import Sampled, sampled
from anyview_ros.cli.__main__ import main
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import transform_from_pose
from anyview_ros.packages import load_package
from tests.augment.bags import arguments, augmented, digests, read
from tests.datasets.rig_bag import BASE_FROM_FRONT, BASE_FROM_LEFT, CAMERA, RigRecording
from tests.packages import make_package

SCALE = 1 / 16
WIDE = SamplerEntry(
    name="near",
    about="front",
    parent_frame="base_link",
    count=20,
    position=PositionRanges((-1.0, 1.0), (-2.0, 2.0), (-2.0, 2.0)),
    rotation=RotationRanges((-0.1, 0.1), (-0.3, 0.3), (-1.5, 1.5)),
    intrinsics=IntrinsicsRanges((0.5, 2.0), (-5.0, 5.0), (-4.0, 4.0)),
)
DRAWN = """
samplers:
  - name: near
    about: front
    parent_frame: base_link
    count: 2
    position: {y: [-0.5, 0.5], z: [0.2, 1.0]}
    intrinsics: {zoom: [0.8, 1.25]}
    reject: {below: 1.0, overlap: 0.3}
    sources: [front]
"""


def rig(cameras: Mapping[str, NDArray[np.float64]] | None = None) -> Rig:
    """Real cameras in `base_link`, which is where the fixed frame is."""
    poses = cameras or {"front": BASE_FROM_FRONT, "left": BASE_FROM_LEFT}
    firsts: Any = {
        name: SimpleNamespace(
            seen_by=SimpleNamespace(camera=CAMERA),
            frame=SimpleNamespace(world_from_cam=pose, stamp_ns=1),
        )
        for name, pose in poses.items()
    }
    lookup = lambda target, source, stamp_ns: np.eye(4)  # noqa: E731
    tree: Any = SimpleNamespace(buffer=SimpleNamespace(lookup=lookup))
    return Rig(firsts, tree, "odom")


def draw(sampler: SamplerEntry = WIDE, key: str = "drive", **changes: Any) -> Sampled:
    return sampled(replace(sampler, **changes), rig(), key, SCALE)


def pose(entry: CameraEntry) -> NDArray[np.float64]:
    p, q = entry.pose.position, entry.pose.orientation
    return transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))


def positions(found: Sampled) -> NDArray[np.float64]:
    return np.array([pose(entry)[:3, 3] for entry in found.entries])


def test_what_is_drawn_lies_within_the_ranges_and_fills_them() -> None:
    found = draw(count=300)
    away = positions(found) - BASE_FROM_FRONT[:3, 3]
    assert np.all(np.abs(away) <= (1.0, 2.0, 2.0))
    assert np.all(np.ptp(away, axis=0) > (1.8, 3.6, 3.6))
    k = np.array([entry.camera_info.k for entry in found.entries])
    assert np.all((k[:, 0] >= 0.5 * CAMERA.fx) & (k[:, 0] <= 2 * CAMERA.fx))
    assert k[:, 4] / k[:, 0] == pytest.approx(CAMERA.fy / CAMERA.fx)
    assert np.all(np.abs(k[:, 2] - CAMERA.cx) <= 5)
    assert np.all(np.abs(k[:, 5] - CAMERA.cy) <= 4)
    assert np.ptp(k[:, 2]) > 8
    assert np.ptp(k[:, 0]) > CAMERA.fx
    assert [entry.name for entry in found.entries] == [f"near_{n}" for n in range(300)]
    assert {entry.parent_frame for entry in found.entries} == {"base_link"}


@pytest.mark.parametrize(
    ("rotation", "axis", "wanted"),
    [
        (RotationRanges(yaw=(0.5, 0.5)), 2, (np.cos(0.5), np.sin(0.5), 0.0)),  # looks to the left
        (RotationRanges(pitch=(0.5, 0.5)), 2, (np.cos(0.5), 0.0, -np.sin(0.5))),  # and down
        (RotationRanges(roll=(0.5, 0.5)), 0, (0.0, -np.cos(0.5), -np.sin(0.5))),  # right side down
        (RotationRanges(), 2, (1.0, 0.0, 0.0)),
    ],
)
def test_rotations_are_about_the_real_camera_s_own_axes(
    rotation: RotationRanges, axis: int, wanted: tuple[float, ...]
) -> None:
    found = draw(count=1, rotation=rotation)
    assert pose(found.entries[0])[:3, axis] == pytest.approx(wanted, abs=1e-9)


def test_the_same_again_and_others_for_another_seed_name_or_recording() -> None:
    assert draw() == draw()
    for other in (draw(seed=1), draw(name="far"), draw(key="another drive")):
        assert not np.isin(positions(other), positions(draw())).any()
    more = draw(count=30)
    assert more.entries[:20] == draw().entries


def test_the_numbers_of_a_seed_are_always_these() -> None:
    """What was made of a recording a year ago can be made again."""
    first = (0.5484448202460139, -1.6032403475292605, 0.4574744819376151)
    assert tuple(positions(draw())[0]) == pytest.approx(first)


def test_a_grid_has_both_ends_and_the_middle_of_what_it_leaves_out() -> None:
    found = draw(
        count=0,
        grid=GridSteps(y=3, yaw=2),
        position=PositionRanges((0.0, 1.0), (-1.0, 1.0)),
        intrinsics=IntrinsicsRanges(),
    )
    away = positions(found) - BASE_FROM_FRONT[:3, 3]
    assert away.tolist() == pytest.approx(
        np.array([[0.5, y, 0.0] for y in (-1, -1, 0, 0, 1, 1)]), abs=1e-12
    )
    sides = [np.arctan2(*pose(entry)[[1, 0], 2]) for entry in found.entries]
    assert sides == pytest.approx([-1.5, 1.5] * 3)


def test_rules_reject_and_count_what_they_reject() -> None:
    box = Box((0.5, -0.5, 0.0), (1.5, 0.5, 2.0))
    found = draw(count=100, reject=Rejection(below=0.5, box=box, overlap=0.4))
    places = positions(found)
    assert places[:, 2].min() >= 0.5
    assert not any(box.holds((x, y, z)) for x, y, z in places.tolist())
    assert min(found.overlaps) >= 0.4
    assert set(found.rejected) == {"below the ground", "inside the box", "too little overlap"}
    assert all(count > 3 for count in found.rejected.values())
    assert min(draw(count=100).overlaps) < 0.1


def test_overlap_is_of_all_source_cameras_or_of_those_named() -> None:
    same = replace(
        WIDE,
        count=1,
        position=PositionRanges(),
        rotation=RotationRanges(yaw=(np.pi / 2, np.pi / 2)),
        intrinsics=IntrinsicsRanges(),
    )
    assert draw(same).overlaps[0] > 0.5  # it looks to the left, as `left` does
    assert draw(same, sources=("front",)).overlaps[0] < 0.05
    assert draw(replace(same, rotation=RotationRanges())).overlaps[0] == 1


def test_rules_that_leave_nothing() -> None:
    with pytest.raises(AnyviewError, match="found 0 of 2 cameras in 400 tries, rejected: 400"):
        draw(count=2, reject=Rejection(below=99.0))
    with pytest.raises(AnyviewError, match="widen its ranges, or ease its rules") as raised:
        draw(count=0, grid=GridSteps(), reject=Rejection(below=99.0))
    assert raised.value.code == "no_sampled_camera"
    eased = draw(reject=Rejection(below=1.0))
    assert len(eased.entries) == 20
    with pytest.raises(AnyviewError, match="no source camera 'rear'; there are: front, left"):
        draw(about="rear")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("about: front -> ", "samplers[0] lacks about"),
        ("count: 2 -> ", "samplers[0].count must be 1..1000, or give a grid in its place, got 0"),
        ("count: 2 -> count: many", "samplers[0].count must be a whole number, got 'many'"),
        ("count: 2 -> grid: {q: 3}", "samplers[0].grid has unknown fields q"),
        ("count: 2 -> grid: {y: 0}", "samplers[0].grid.y must be 1..100, got 0"),
        ("count: 2 -> grid: {yaw: 3}", "samplers[0].grid.yaw is 3, but its range is one value, 0"),
        ("count: 2 -> grid: {y: 99, z: 99}", "samplers[0].grid has 9801 cameras, of at most 1000"),
        ("seed -> ", ""),
        ("y: [-0.5, 0.5] -> y: 3", "samplers[0].position.y must be a list of 2, got 3"),
        ("y: [-0.5, 0.5] -> y: [1, 0]", "samplers[0].position.y must be [least, most], got [1, 0]"),
        ("[0.8, 1.25] -> [0, 1]", "samplers[0].intrinsics.zoom must be above 0, got [0.0, 1.0]"),
        ("overlap: 0.3 -> overlap: 30", "samplers[0].reject.overlap must be a share, 0 to 1"),
        ("below: 1.0 -> box: {min: [0, 0, 0]}", "samplers[0].reject.box lacks max"),
        (
            "below: 1.0 -> box: {min: [0, 0, 0], max: [1, 1, 0]}",
            "samplers[0].reject.box.min must be below max on each axis",
        ),
        ("name: near -> name: Near", "samplers[0].name: a virtual camera's name is a lower-case"),
    ],
)
def test_a_sampler_that_is_none_names_the_key(changed: str, said: str, tmp_path: Path) -> None:
    before, _, after = changed.partition(" -> ")
    file, contract = tmp_path / "cameras.yaml", load_package(make_package(tmp_path / "m")).contract
    file.write_text(DRAWN.replace(before, after))
    if not said:
        assert [s.name for s in read_cameras_file(file, contract).samplers] == ["near"]
        return
    with pytest.raises(AnyviewError) as raised:
        read_cameras_file(file, contract)
    assert raised.value.code == "invalid_cameras_file"
    assert said in raised.value.message


def test_drawn_cameras_of_a_recording(tmp_path: Path, capsys: Any) -> None:
    model = make_package(tmp_path / "tiny")
    bag = RigRecording().write(tmp_path / "drive")
    file = tmp_path / "cameras.yaml"
    file.write_text(DRAWN)
    out = augmented(bag, tmp_path / "out", model, cameras=file)
    assert "sampler near: 2 cameras, rejected: none" in capsys.readouterr().out
    bag.rename(tmp_path / "renamed")
    again = augmented(tmp_path / "renamed", tmp_path / "again", model, cameras=file)
    assert digests(again) == digests(out)
    _, standing = read(out, "/tf_static")[-1]
    assert {t.child_frame_id for t in standing.transforms} == {
        "near_0_optical_frame",
        "near_1_optical_frame",
    }
    for t in standing.transforms:
        move = t.transform.translation
        assert t.header.frame_id == "base_link"
        assert move.x == pytest.approx(1.0)
        assert abs(move.y) <= 0.5
        assert 1.7 <= move.z <= 2.5
    infos = [m for _, m in read(out, "/virtual/near_0/camera_info")]
    assert Camera(infos[0].width, infos[0].height, *infos[0].k[[0, 4, 2, 5]])
    assert infos[0].width == CAMERA.width
    file.write_text(DRAWN + "cameras:\n  - {name: near_1, parent_frame: base_link}\n")
    assert main(arguments(bag.with_name("renamed"), tmp_path / "x", model, cameras=file)) == 1
    assert "error [name_taken]: a sampler draws a camera 'near_1'" in capsys.readouterr().err
    file.write_text(file.read_text().replace("name: near_1", "name: near_7"))
    augmented(bag.with_name("renamed"), tmp_path / "x", model, cameras=file)
