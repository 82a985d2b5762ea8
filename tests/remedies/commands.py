"""Remedies of the commands around the node, done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from anyview_ros.chaos.own_folder import take_folder
from anyview_ros.cli import export, train
from anyview_ros.cli.bag_arguments import bag_options
from anyview_ros.cli.convert_scenes import folders_from
from anyview_ros.cli.surroundings import may_write
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import bag_cameras
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.datasets.scene_plan import plan_scenes
from anyview_ros.datasets.scene_writer import SceneNotes, SceneWriter
from anyview_ros.node.simulation.rig_sources import VideoSource
from anyview_ros.packages import find_package
from anyview_ros.view.camera_file import write_camera
from tests.datasets.recording import Recording
from tests.datasets.test_scene_plan import PERIOD_NS, Recorded, plan_of, times
from tests.doctor.test_checks import MODEL, troubles, with_status
from tests.remedies.listed import code_of, does, is_done_by, is_outside, parsed, shipped

CONVERT = ("convert", "bag", "b", "--out", "o")


@does("cli.convert_scenes", "lower --frames", "raise --period to that of the camera")
def scenes_of_what_there_is(folder: Path) -> None:
    short = {"front": Recorded(times(*range(0, 500, 100)))}
    slow = {"front": Recorded(times(*range(0, 3000, 200)))}
    assert not plan_scenes(short, 9, PERIOD_NS).scenes + plan_scenes(slow, 9, PERIOD_NS).scenes
    fewer, slower = ("--frames", "5"), ("--frames", "9", "--period", "0.2")
    for timeline, given in ((short, fewer), (slow, slower)):
        args = parsed(*CONVERT, *given)
        folders_from(args, folder)
        assert plan_scenes(timeline, args.frames, round(args.period * 1e9)).scenes


@does("cli.distill", "give --config")
def scenes_of_a_student(folder: Path) -> None:
    config = "config/distillation/joint.toml"
    args = parsed("distill", "anyview-2b", "--out", "o", "--config", config)
    assert (Path(__file__).parents[2] / args.config).is_file()


is_done_by(
    "tests/training/test_distill_cli.py::test_distill_stop_resume_export",
    "cli.distill",
    "give the training run's checkpoint, or the imported weights",
)


@does("cli.export", "name its package with --into, as in --into models/worlds-composite-10m")
def package_of_surfaces(folder: Path) -> None:
    args = parsed("export", "w", "--into", "worlds-composite-10m")
    export.refuse(args, "w", {**export.OF_IMPORTED, **export.OF_PACKAGE}, "a package of its own")
    find_package(args.into)  # test_surfaces.py adds to one


@does("cli.train", "give one of them")
def one_way_to_begin(folder: Path) -> None:
    there = (str(folder / "no.toml"), "--out", str(folder))
    both = parsed("train", *there, "--from", "p", "--resume")
    assert code_of(train.run, both) == "wrong_option"
    for one in (("--from", "p"), ("--resume",)):
        assert code_of(train.run, parsed("train", *there, *one)) == "invalid_config"  # no such file


@does("live_view.node_choice", "name one of them (--node)")
def a_node_is_named(folder: Path) -> None:
    assert parsed("view", "--node", "/robot/anyview").node == "/robot/anyview"


@does("view.camera_file", "name another folder (--out)")
def folder_of_cameras(folder: Path) -> None:
    (folder / "taken").touch()
    taken, free = (parsed("view", "b", "--out", str(folder / n)).out for n in ("taken", "free"))
    assert code_of(write_camera, taken, {"name": "beside"}) == "not_writable"
    write_camera(free, {"name": "beside"})


is_done_by(
    "tests/view/test_view.py::test_cameras_that_were_recorded_together_are_shown",
    "view.recording",
    "choose cameras that were recorded together",
)
is_done_by(
    "tests/view/test_page.py::test_a_taken_port_is_refused",
    "view.local_server",
    "name another port (--port; 0: any that is free)",
)


@does("node.simulation.rig_sources", "give --hfov DEGREES")
def lens_of_a_video(folder: Path) -> None:
    Image.new("RGB", (64, 48)).save(folder / "0.png")
    assert code_of(VideoSource, folder, 0.0, None, 10**8) == "missing_hfov"
    VideoSource(folder, np.radians(parsed("demo", "--hfov", "65").hfov), None, 10**8)


@does(
    "cli.surroundings",
    "name files that you can read, and a folder that you can write to with --out",
)
def folder_of_ones_own(folder: Path) -> None:
    assert may_write(parsed("demo", "--out", str(folder / "demo")).out)
    assert may_write(parsed("report", "bag", "--out", str(folder)).out)


@does("augment.job", "give the folder that `ros2 bag record` wrote")
@does("datasets.bag_opening", "give the folder that `ros2 bag record` wrote", "give '{}'")
def recorded_folder(folder: Path) -> None:
    bag = Recording().write(folder / "bag")
    assert (bag / "metadata.yaml").is_file()
    with Bag(bag) as opened:
        assert opened.sources()


@does("datasets.bag_cameras", "name one that does not move (--fixed-frame)")
def frame_of_the_recording(folder: Path) -> None:
    with Bag(Recording().write(folder / "bag")) as bag:
        assert code_of(bag_cameras, bag, options("--fixed-frame", "map")) == "tf_unknown_frame"
        bag_cameras(bag, options("--fixed-frame", "odom"))


@does("datasets.bag_cameras", "leave it out")
def cameras_with_images(folder: Path) -> None:
    recording = Recording()
    with Bag(recording.write(folder / "bag")) as bag:
        assert list(bag_cameras(bag, options("--cameras", "front")).by_name) == ["front"]


def options(*given: str) -> BagOptions:
    args = parsed(*CONVERT, *given)
    return bag_options(args, args.cameras)


FIELD = "tests/datasets/test_field_bags.py"
DAMAGED = "tests/datasets/test_damaged_bags.py"
is_done_by(
    f"{DAMAGED}::test_a_folder_without_its_index_leads_to_its_file",
    "datasets.bag_opening",
    "give '{}' itself",
)
is_done_by(
    "tests/datasets/test_bag_unpacking.py::test_a_file_takes_no_more_than_the_disk_has",
    "datasets.bag_unpacking",
    "set TMPDIR to a folder with more room",
)
is_done_by(
    f"{FIELD}::test_frames_of_images_that_no_tf_has_are_named",
    "datasets.bag_cameras",
    "name their optical frame, as in -p {}.frame_id:={}_optical_frame",
)
is_done_by(
    f"{FIELD}::test_another_frame_of_the_info_is_named",
    "datasets.bag_infos",
    "name the right one, as in -p {}.frame_id:={}",
)
is_done_by(
    f"{FIELD}::test_a_calibration_file_mends_a_camera_info",
    "datasets.bag_infos",
    "give a calibration file, as in -p {}.camera_info_url:=front.yaml",
)
is_done_by(
    f"{FIELD}::test_tf_of_nobody_is_to_be_chosen",
    "datasets.bag_transforms",
    "name the topics of one with --tf-topics",
)
is_done_by(
    f"{FIELD}::test_two_parents_are_named",
    "datasets.bag_transforms",
    "leave one out with --ignore-frames {}",
)


is_done_by(
    "tests/evaluation/test_run.py::test_a_folder_belongs_to_one_run",
    "evaluation.run",
    "give another --out",
)


@does("evaluation.run", "perhaps with fewer --workers")
def fewer_workers(folder: Path) -> None:
    assert parsed("bench", "--worlds", "--model", "m", "--workers", "1").workers == 1


@does("doctor.rules", "give the check more --seconds")
def longer_check(folder: Path) -> None:
    assert parsed("check", "--seconds", "20").seconds == 20


@does("doctor.rules", "raise the camera's rate to {} Hz or more")
def camera_as_fast_as_clips(folder: Path) -> None:
    period = shipped().frame_period
    model = replace(MODEL, frame_period=period)
    (slow,) = troubles(with_status(rate_hz=0.5 / period), model=model)
    assert "slower than" in slow.text
    assert not troubles(with_status(rate_hz=1 / period), model=model)


is_outside("the camera driver's", "doctor.rules", "name it in the images' frame_id")
is_outside("ros2's", "doctor.rules", "play the recording with --clock")
is_outside("ros2's", "doctor.rules", "start the node with use_sim_time:=true")
is_outside("the shell's", "doctor.rules", "set both", "export {}")
is_outside("the container's", "doctor.rules", "with --shm-size=1g", "with --ipc=host")


@does("chaos.own_folder", "give a new or an empty folder (--out)")
def folder_of_a_laboratory(folder: Path) -> None:
    (folder / "mine").touch()
    assert code_of(take_folder, folder) == "output_exists"
    for _ in range(2):  # new, then its own
        take_folder(parsed("chaos", "--out", str(folder / "new")).out)


@does("demo.recorder", "give another folder")
@does("datasets.scene_writer", "write to another folder")
@does("datasets.scene_writer", "write elsewhere")
def another_folder(folder: Path) -> None:
    notes = SceneNotes("drive", 1 / 16, PERIOD_NS, "png")
    assert code_of(SceneWriter, folder, ["front"], notes) == "scene_exists"
    SceneWriter(folder / "other", ["front"], notes)
    parsed("demo", "--out", "other")
    parsed("convert", "bag", "b", "--out", "other")


@does("datasets.scene_plan", "choose cameras that were")
def cameras_of_one_time(folder: Path) -> None:
    front, left = Recorded(times(*range(0, 900, 100))), Recorded(times(*range(9000, 9900, 100)))
    assert code_of(lambda: plan_of(front=front, left=left)) == "no_common_time"
    assert plan_of(front=front).scenes
    assert parsed(*CONVERT, "--cameras", "front").cameras == ["front"]
