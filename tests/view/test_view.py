"""What the page shows: frames of a recording, and of a virtual camera that is moved."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import yaml
from anyview_ros.srv import AddVirtualCamera
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from anyview_ros.augment.cameras_file import read_cameras
from anyview_ros.cli.__main__ import main
from anyview_ros.clips.placements import FramePose, Standing
from anyview_ros.clips.virtual.camera_request import camera_request
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import bag_cameras
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.datasets.scene_plan import plan_scenes
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import look_at, rigid
from anyview_ros.packages import load_package
from anyview_ros.view import serving
from anyview_ros.view.camera_file import add_command, camera_fields, write_camera
from anyview_ros.view.recording import Recording
from anyview_ros.view.serving import WishServer
from anyview_ros.view.virtual_view import Viewer
from anyview_ros.view.wishes import Wish, Wishes
from tests.datasets.rig_bag import (
    BASE_FROM_FRONT,
    BASE_FROM_LEFT,
    CAMERA,
    FIRST_NS,
    MS,
    RigCameraRecording,
    RigRecording,
    stamps,
    world_from_base,
)
from tests.datasets.test_damaged_bags import ros1_bag
from tests.media.pictures import ramp
from tests.packages import make_package
from tests.remedies.listed import code_of
from tests.test_doc_commands import filled

ASIDE = rigid(np.eye(3), (-1.0, 0.0, 0.0))
AROUND = rigid(np.diag([-1.0, 1.0, -1.0]), (0.0, 0.0, 0.0))  # looks back
PERIOD_NS = 100 * MS


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RigRecording().write(tmp_path_factory.mktemp("view") / "bag")


@pytest.fixture(scope="module")
def recording(bag: Path) -> Iterator[Recording]:
    with Bag(bag) as opened:
        cameras = bag_cameras(opened, BagOptions())
        yield Recording(opened, cameras, plan_scenes(cameras.by_name, 9, PERIOD_NS))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    return Pipeline(load_package(make_package(folder, max_sources=2)))


@pytest.fixture(scope="module")
def viewer(recording: Recording, pipeline: Pipeline) -> Viewer:
    return Viewer(recording, pipeline)


def wish(pose: FramePose, instant: int = 11, hfov: float = 1.0, dragging: bool = False) -> Wish:
    return Wish(instant, pose, hfov, dragging)


def test_frames_are_those_that_were_recorded(recording: Recording) -> None:
    assert recording.names == ("front", "left")
    assert len(recording.instants) == 18  # two clips of nine; two frames are left over
    assert recording.seconds() == pytest.approx(np.arange(18) / 10)
    for k in (13, 2):  # in any order
        frame = recording.frame("front", k)
        assert frame.stamp_ns == FIRST_NS + k * PERIOD_NS
        assert np.array_equal(frame.image, ramp(k, CAMERA))
        expected = world_from_base(frame.stamp_ns) @ BASE_FROM_FRONT
        assert frame.world_from_cam == pytest.approx(expected)
        known = recording.known("front", k)
        assert (known.stamp_ns, known.camera) == (frame.stamp_ns, frame.camera)
        assert np.array_equal(known.world_from_cam, frame.world_from_cam)


def test_a_ros1_bag_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = pytest.importorskip("anyview_ros.view.page", reason="viser is not installed")
    monkeypatch.setattr(page, "Page", MagicMock())
    monkeypatch.setattr(serving, "serve", lambda *_: None)
    model = make_package(tmp_path / "tiny")
    old = ros1_bag(tmp_path / "drive.bag", RigRecording())
    assert main(["view", str(old), "--port", "0", "--model", str(model)]) == 0
    assert "2 clips of front, left" in capsys.readouterr().out


@pytest.mark.parametrize("frame", ["front_optical", "odom", "base_link", ""])
def test_a_camera_moves_with_the_frame_that_carries_it(viewer: Viewer, frame: str) -> None:
    view = viewer.view(wish(FramePose(frame, ASIDE)))
    carried = {"front_optical": BASE_FROM_FRONT, "base_link": np.eye(4)}
    for k, pose in zip(range(9, 18), view.world_from_cam, strict=True):
        moving = world_from_base(FIRST_NS + k * PERIOD_NS)
        world_from_frame = moving @ carried[frame] if frame in carried else np.eye(4)
        assert pose == pytest.approx(world_from_frame @ ASIDE)
    assert (view.camera.width, view.camera.height) == (CAMERA.width, CAMERA.height)
    assert 2 * np.arctan(view.camera.width / 2 / view.camera.fx) == pytest.approx(1.0)


def test_a_pose_becomes_frames(viewer: Viewer, pipeline: Pipeline) -> None:
    here, aside = (
        viewer.make(wish(FramePose("front_optical", pose), instant=4), lambda: False)
        for pose in (np.eye(4), ASIDE)
    )
    assert here.frames.shape == aside.frames.shape == (9, CAMERA.height, CAMERA.width, 3)
    assert np.abs(here.frames.astype(int) - aside.frames).mean() > 1
    assert (here.speed, here.sources[0]) == ("exact", "front")
    clips = [viewer.recording.clip(name, range(9)) for name in aside.sources]
    made = pipeline.synthesize(clips, aside.view, SynthesisOptions())
    assert np.array_equal(aside.frames, made.frames)


def test_coverage_is_all_ahead_and_nothing_behind(viewer: Viewer) -> None:
    ahead, back, back_later = (
        viewer.make(wish(FramePose("front_optical", pose), instant, 0.5), lambda: False).seen
        for pose, instant in ((np.eye(4), 3), (AROUND, 3), (AROUND, 12))
    )
    assert ahead == pytest.approx(np.ones(9))
    assert back == pytest.approx(np.zeros(9))
    assert (back_later > 0.1).all()  # of what the car passed meanwhile


def test_a_camera_in_the_hand_is_drafted(viewer: Viewer) -> None:
    pose = FramePose("front_optical", ASIDE)
    draft = viewer.make(wish(pose, dragging=True), lambda: False)
    assert draft.speed == "draft"
    clip = viewer.recording.clip_of(11)
    assert draft.shows(wish(pose, instant=14, dragging=True), clip)
    assert not draft.shows(wish(pose), clip)  # which is to be exact
    assert not draft.shows(wish(pose, instant=3, dragging=True), viewer.recording.clip_of(3))
    assert not draft.shows(wish(FramePose("odom", ASIDE), dragging=True), clip)
    assert not draft.shows(wish(pose, hfov=1.1, dragging=True), clip)


def test_what_was_seen_before_helps(recording: Recording, tmp_path: Path) -> None:
    """Where the car was a second ago, looking back over its shoulder, now nobody looks."""
    package = load_package(make_package(tmp_path / "tiny", max_sources=5))
    behind = rigid(np.eye(3), (0.0, 0.0, -5.0))
    made = Viewer(recording, Pipeline(package)).make(
        wish(FramePose("front_optical", behind), hfov=2.0), lambda: False
    )
    assert any(words.endswith("s before") for words in made.sources), made.sources


def test_a_bag_too_short_is_refused(bag: Path) -> None:
    with Bag(bag) as opened:
        cameras = bag_cameras(opened, BagOptions())
        with pytest.raises(AnyviewError, match="record for longer") as refused:
            Recording(opened, cameras, plan_scenes(cameras.by_name, 41, PERIOD_NS))
    assert refused.value.code == "no_complete_clip"
    assert "20 instants: in runs too short" in str(refused.value)


def test_cameras_that_were_recorded_together_are_shown(tmp_path: Path) -> None:
    """What the text advises."""
    late = RigCameraRecording("left", BASE_FROM_LEFT, stamps(20, FIRST_NS + 15 * PERIOD_NS))
    with Bag(RigRecording(left=late).write(tmp_path / "bag")) as opened:
        both, one = (bag_cameras(opened, BagOptions(names)) for names in ((), ("front",)))
        with pytest.raises(AnyviewError, match="choose cameras that were recorded together"):
            Recording(opened, both, plan_scenes(both.by_name, 9, PERIOD_NS))
        shown = Recording(opened, one, plan_scenes(one.by_name, 9, PERIOD_NS))
    assert shown.names == ("front",)


def test_the_newest_wish_wins() -> None:
    wishes = Wishes()
    taken: list[Wish] = []
    waiter = threading.Thread(target=lambda: taken.append(wishes.take()))
    waiter.start()
    first, second, third = (wish(FramePose("", ASIDE), instant=k) for k in range(3))
    wishes.put(first)
    waiter.join(timeout=30)
    assert taken == [first]
    assert not wishes.waiting
    wishes.put(second)
    wishes.put(third)
    assert wishes.waiting
    assert wishes.take() is third
    assert not wishes.waiting


class Shown:
    """Notes what it is told to show."""

    def __init__(self) -> None:
        self.instants: list[int] = []
        self.said: list[str] = []

    def show_sources(self, *_: Any) -> None: ...

    def show(self, made: Any, instant: int) -> None:
        self.instants.append(instant)

    def tell(self, text: str) -> None:
        self.said.append(text)


def server_of(viewer: Any, wishes: Wishes) -> tuple[Any, Shown]:
    shown: Any = Shown()
    return WishServer(shown, viewer, wishes), shown


def test_exact_work_stops_for_a_newer_wish(viewer: Viewer) -> None:
    wishes = Wishes()
    server, shown = server_of(viewer, wishes)
    old, new = (wish(FramePose("front_optical", ASIDE), instant=k) for k in (3, 12))
    wishes.put(new)
    server.fulfil(old)
    assert shown.instants == []
    server.fulfil(wishes.take())
    assert shown.instants == [12]
    assert not any("cancelled" in said for said in shown.said)


def test_a_draft_is_finished_so_that_a_long_drag_is_seen(viewer: Viewer) -> None:
    wishes = Wishes()
    server, shown = server_of(viewer, wishes)
    wishes.put(wish(FramePose("front_optical", ASIDE), instant=4))
    server.fulfil(wish(FramePose("front_optical", ASIDE), instant=3, dragging=True))
    assert shown.instants == [3]


def test_drafts_that_are_slow_are_not_made(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    server, shown = server_of(viewer, Wishes())
    monkeypatch.setattr("anyview_ros.view.serving.QUICK_S", 0.0)
    for k in (1, 2):
        server.fulfil(wish(FramePose("front_optical", ASIDE), instant=k, dragging=True))
    assert shown.instants == [1]


def test_what_cannot_be_made_is_said(viewer: Viewer) -> None:
    server, shown = server_of(viewer, Wishes())
    server.fulfil(wish(FramePose("front_optical", ASIDE)))
    server.fulfil(wish(FramePose("no_such_frame", ASIDE)))
    assert shown.said[-1].startswith("**tf_unknown_frame**")


@pytest.mark.parametrize("compression", [None, CompressionMode.MESSAGE])
@pytest.mark.parametrize("storage", StoragePlugin)
def test_any_bag_is_read_in_any_order(
    storage: StoragePlugin, compression: CompressionMode | None, tmp_path: Path
) -> None:
    written = RigRecording(storage=storage, compression=compression).write(tmp_path / "bag")
    with Bag(written) as opened:
        cameras = bag_cameras(opened, BagOptions())
        shown = Recording(opened, cameras, plan_scenes(cameras.by_name, 9, PERIOD_NS))
        for name, k in (("front", 17), ("left", 3), ("front", 0)):
            assert np.array_equal(shown.frame(name, k).image, ramp(k, CAMERA))


def test_a_camera_is_what_augment_and_the_service_take(pipeline: Pipeline, tmp_path: Path) -> None:
    turned = look_at((0.1, -2.0, 3.7), (5.0, 1.0, 0.0))
    fields = camera_fields("beside", FramePose("front_optical", turned), (64, 48), 1.3)
    contract = pipeline.package.contract
    [from_file] = read_cameras(write_camera(tmp_path / "new", fields), contract)
    *command, text = shlex.split(add_command(fields))
    assert command[:3] == ["ros2", "service", "call"]
    request = filled(AddVirtualCamera.Request(), yaml.safe_load(text))
    for asked in (from_file, camera_request(request.camera, contract)):
        assert (asked.name, asked.size, asked.horizontal_fov) == ("beside", (64, 48), 1.3)
        assert isinstance(asked.placement, Standing)
        assert asked.placement.pose.frame == "front_optical"
        assert asked.placement.pose.frame_from_cam == pytest.approx(turned)


def test_files_are_refused_by_name(tmp_path: Path) -> None:
    here = FramePose("", np.eye(4))
    assert code_of(camera_fields, "../x", here, (64, 48), 1.0) == "invalid_name"
    fields = camera_fields("x", here, (64, 48), 1.0)
    assert code_of(write_camera, Path("/dev/null/x"), fields) == "not_writable"


def test_a_surface_lies_where_its_depth_says(viewer: Viewer) -> None:
    made = viewer.make(wish(FramePose("front_optical", ASIDE)), lambda: False)
    depth = np.full(made.frames.shape[:3], 7.0, np.float32)
    depth[:, 0, 0] = np.nan
    points, colours = type(made)(**{**vars(made), "depth": depth}).surface(2)
    assert len(points) == len(colours) == CAMERA.width * CAMERA.height - 1
    assert points[:, 2] == pytest.approx(7.0)
    assert np.array_equal(colours[0], made.frames[2, 0, 1])
