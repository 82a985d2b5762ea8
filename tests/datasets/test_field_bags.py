"""Recordings as people have them: public reports, each made small, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.cli.__main__ import main
from anyview_ros.datasets.bag_infos import calibration_doubt
from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.node.messages import image_message, info_message, time_message
from anyview_ros.node.simulation.rig_sources import Link
from anyview_ros.node.simulation.sim_rig import tf_message
from tests.datasets.rig_bag import (
    BASE_FROM_FRONT,
    CAMERA,
    FIRST_NS,
    MS,
    Recorded,
    RigCameraRecording,
    RigRecording,
    stamps,
    world_from_base,
)
from tests.datasets.test_convert_bag import convert, names, refused
from tests.media.pictures import ramp

YEARS_NS = 47 * 365 * 86400 * 1_000_000_000
FRONT = ("--frames", 9, "--cameras", "front")
Change = Callable[[int, Any], None]


def of_front(change: Change | None = None, **fields: Any) -> RigRecording:
    """The rig whose front camera has infos that are changed, or images."""
    recording = RigRecording(**fields)
    if change is not None:
        recording.front.change_info = change
    return recording


def restamped(change: Callable[[int], int]) -> RigRecording:
    recording = RigRecording()
    recording.front.change_image = lambda stamp, image: setattr(
        image.header, "stamp", time_message(change(stamp))
    )
    return recording


def first_image(out: Path) -> NDArray[np.uint8]:
    """Of the first scene's first camera."""
    scene = SceneFolder(out / "drive-0000")
    return np.asarray(scene.images(scene.cameras[0], range(1))[0])


def first_pose(out: Path) -> NDArray[np.float64]:
    scene = SceneFolder(out / "drive-0000")
    return scene.track(scene.cameras[0], range(9), (48, 64)).world_from_cam[0]


# --- stamps ---------------------------------------------------------------------------------


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("wrong", "ahead_ns"),
    [(12, YEARS_NS), (19, YEARS_NS), (12, 4_400 * MS), (0, YEARS_NS)],
)
def test_a_wrong_stamp_costs_its_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: int, ahead_ns: int
) -> None:
    at = FIRST_NS + wrong * 100 * MS
    recording = restamped(lambda stamp: stamp + ahead_ns if stamp == at else stamp)
    out = convert(recording, tmp_path, *FRONT)
    scenes = {0: 2, 12: 1, 19: 2}[wrong]
    assert len(names(out)) == scenes
    assert "1 images: wrong_stamp (front), e.g. one of " in capsys.readouterr().out


@pytest.mark.timeout(60)
def test_a_clock_that_is_set_while_recording(tmp_path: Path) -> None:
    """WendyOS#1171: it boots in 1970, then NTP answers. TF has the same clock."""

    def clock(stamp: int) -> int:
        return stamp + (YEARS_NS if stamp >= FIRST_NS + 1000 * MS else 0)

    recording = restamped(clock)
    recording.transforms_ns = [clock(stamp) for stamp in recording.transforms_ns]
    out = convert(recording, tmp_path, *FRONT)
    assert names(out) == ["drive-0000", "drive-0001"]
    lowdim = SceneFolder(out / "drive-0001").storage.lowdim("front", range(9))
    assert lowdim.stamps_ns is not None
    assert lowdim.stamps_ns[0] == FIRST_NS + 1000 * MS + YEARS_NS


# --- which topics are the cameras' -------------------------------------------------------------


def picture(
    make: Callable[[int, Camera], Any], topic: str, folder: str = "/front"
) -> list[Recorded]:
    """More images of the front camera, on another topic."""
    frame = "front_optical"
    return [
        (s, f"{folder}/{topic}", image_message(make(k, CAMERA), s, frame))
        for k, s in enumerate(stamps(20))
    ]


def grey(k: int, camera: Camera) -> NDArray[np.uint8]:
    return cv2.cvtColor(ramp(k, camera), cv2.COLOR_RGB2GRAY)


def boxes(k: int, camera: Camera) -> NDArray[np.uint8]:
    return np.zeros_like(ramp(k, camera))


def depth(k: int, camera: Camera) -> NDArray[np.float32]:
    return np.full((camera.height, camera.width), 1.5, np.float32)


def test_colour_is_taken_and_the_choice_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that image_proc publishes in one folder, and what a detector adds."""
    extra = [*picture(grey, "image_rect"), *picture(grey, "image_mono")]
    extra += [*picture(ramp, "image_rect_color"), *picture(boxes, "detections_image")]
    out = convert(of_front(extra=extra), tmp_path, *FRONT)
    np.testing.assert_array_equal(first_image(out), ramp(0))
    said = capsys.readouterr().out
    others = "/front/image_raw, /front/image_rect, /front/image_mono"
    assert f"front: images of /front/image_rect_color, there are also {others} (-p front." in said
    assert "not a camera: /front/detections_image, by its name something was drawn in it" in said
    option = ("-p", "front.image_topic:=/front/image_mono")
    out = convert(of_front(extra=extra), tmp_path / "mono", *FRONT, *option)
    np.testing.assert_array_equal(first_image(out), grey(0, CAMERA)[..., None].repeat(3, 2))


def test_grey_images_come_last_whatever_they_are_called(tmp_path: Path) -> None:
    out = convert(of_front(extra=picture(grey, "image_rect")), tmp_path, *FRONT)
    np.testing.assert_array_equal(first_image(out), ramp(0))


@pytest.mark.parametrize(
    ("folder", "reason"),
    [("/camera/depth", "by its name it is depth"), ("/tof", "its images are depth (32FC1)")],
)
def test_depth_is_no_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, reason: str
) -> None:
    infos = [
        (s, f"{folder}/camera_info", info_message(CAMERA, s, "front_optical")) for s in stamps(20)
    ]
    recording = of_front(extra=[*picture(depth, "image_rect_raw", folder), *infos])
    out = convert(recording, tmp_path)
    assert SceneFolder(out / "drive-0000").cameras == ("front", "left")
    assert f"not a camera: {folder}/image_rect_raw, {reason}" in capsys.readouterr().out


@pytest.mark.parametrize("info", ["/front/image_rect/camera_info", "/front/camera_info_rect"])
def test_a_camera_info_elsewhere_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], info: str
) -> None:
    def renamed(topic: str) -> str:
        return {"/front/camera_info": info}.get(topic, "" if "left" in topic else topic)

    said = refused(of_front(renamed=renamed), tmp_path, capsys)
    option = f"front.camera_info_topic:={info}"
    assert said.startswith("[no_cameras]")
    assert f"camera infos are on {info}: name one, as in -p {option}" in said
    out = convert(of_front(renamed=renamed), tmp_path / "b", "--frames", 9, "-p", option)
    assert len(names(out)) == 2


def test_videos_are_to_be_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def renamed(topic: str) -> str:
        return "" if "image" in topic else topic

    video = {"/front/image_raw/h264": ("foxglove_msgs/msg/CompressedVideo", "uint8[] data\n")}
    said = refused(of_front(renamed=renamed, others=video), tmp_path, capsys)
    assert (
        "images are video on /front/image_raw/h264 (foxglove_msgs/msg/CompressedVideo): decode"
        in said
    )


def test_images_without_any_camera_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def renamed(topic: str) -> str:
        return "" if "camera_info" in topic or "left" in topic else topic

    said = refused(of_front(renamed=renamed), tmp_path, capsys)
    assert "no camera info was recorded: record both, or give a calibration file, as in " in said
    option = f"front.camera_info_url:={calibration(tmp_path / 'front.yaml')}"
    out = convert(of_front(renamed=renamed), tmp_path / "b", "--frames", 9, "-p", option)
    assert SceneFolder(out / "drive-0000").track("front", range(9), (48, 64)).camera == CAMERA


@pytest.mark.parametrize(
    ("option", "code", "text"),
    [
        ("front.image_topic=/a", "invalid_parameter", "CAMERA.NAME:=VALUE with NAME one of image_"),
        ("front.colour:=/a", "invalid_parameter", "got 'front.colour:=/a'"),
        ("front.rectify:=maybe", "invalid_parameter", "one of auto, on, off, got 'maybe'"),
        ("frnt.rectify:=off", "unknown_camera", "there are: front, left"),
        ("front.image_topic:=/a", "unknown_topic", "nothing was recorded on '/a'; topics of"),
        ("front.camera_info_topic:=/a", "unknown_topic", "/front/camera_info, /left/camera_info"),
        ("front.image_topic:=/tf", "unknown_topic", "it is of tf2_msgs/msg/TFMessage; such topics"),
        ("front.camera_info_topic:=/tf", "unknown_topic", "must be of sensor_msgs/msg/CameraInfo"),
        ("front.camera_info_url:=/none", "invalid_calibration", "no calibration as camera_cal"),
    ],
)
def test_wrong_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, code: str, text: str
) -> None:
    said = refused(RigRecording(), tmp_path, capsys, "-p", option)
    assert said.startswith(f"[{code}]")
    assert text in said


# --- camera infos ------------------------------------------------------------------------------


def calibration(file: Path, camera: Camera = CAMERA) -> Path:
    """As camera_calibration writes it."""
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    file.write_text(
        f"image_width: {camera.width}\nimage_height: {camera.height}\ncamera_name: front\n"
        f"camera_matrix:\n  rows: 3\n  cols: 3\n  data: {k}\n"
        "distortion_model: plumb_bob\n"
        "distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0.0, 0.0, 0.0, 0.0, 0.0]\n"
        "rectification_matrix:\n  rows: 3\n  cols: 3\n  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]\n"
        f"projection_matrix:\n  rows: 3\n  cols: 4\n  data: {p}\n"
    )
    return file


def frame(name: str) -> Change:
    return lambda stamp, info: setattr(info.header, "frame_id", name)


@pytest.mark.parametrize("name", ["", "/front_optical"])
def test_an_empty_or_slashed_frame_of_the_info_is_the_images(tmp_path: Path, name: str) -> None:
    assert len(names(convert(of_front(frame(name)), tmp_path, *FRONT))) == 2


def test_another_frame_of_the_info_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = of_front(frame("front/Scene_optical"))
    said = refused(recording, tmp_path, capsys, "--cameras", "front")
    option = "front.frame_id:=front_optical"
    assert (
        f"got 'front_optical' and 'front/Scene_optical'; name the right one, as in -p {option}"
        in said
    )
    out = convert(recording, tmp_path / "b", *FRONT, "-p", option)
    expected = world_from_base(FIRST_NS) @ BASE_FROM_FRONT
    np.testing.assert_allclose(first_pose(out), expected, atol=1e-9)


@pytest.mark.parametrize("name", ["", "camera"])
def test_frames_of_images_that_no_tf_has_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    recording = of_front(frame(name))
    recording.front.change_image = frame(name)
    said = refused(recording, tmp_path, capsys, "--cameras", "front")
    assert ("empty_frame_id" if not name else "no frame 'camera' in the recorded TF") in said
    out = convert(recording, tmp_path / "b", *FRONT, "-p", "front.frame_id:=front_optical")
    assert len(names(out)) == 2


def no_size(_: int, info: Any) -> None:
    info.width = info.height = 0


def region(_: int, info: Any) -> None:
    info.roi.width, info.roi.height = CAMERA.width - 1, CAMERA.height - 1


def uncalibrated(_: int, info: Any) -> None:
    info.k, info.p = np.zeros(9), np.zeros(12)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (no_size, "says 0x0, a calibration without the image's size; give a calibration file"),
        (region, "an image is 64x48, its camera info says 63x47 (of 64x48, region of interest 63x"),
        (uncalibrated, "K[0] = 0 (uncalibrated); calibrate the camera or give its driver the"),
    ],
)
def test_a_calibration_file_mends_a_camera_info(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Change, text: str
) -> None:
    said = refused(of_front(change), tmp_path, capsys, "--cameras", "front")
    assert text in said
    assert "give a calibration file, as in -p front.camera_info_url:=front.yaml" in said
    option = f"front.camera_info_url:=file://{calibration(tmp_path / 'front.yaml')}"
    out = convert(of_front(change), tmp_path / "b", *FRONT, "-p", option)
    np.testing.assert_array_equal(first_image(out), ramp(0))


def test_a_calibration_of_another_binning_is_questioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def binned(_: int, info: Any) -> None:
        info.width, info.height = 4 * CAMERA.width, 4 * CAMERA.height
        info.binning_x = info.binning_y = 4
        info.d = [-0.098, 0.08, -0.004, 0.002, 0.0]

    convert(of_front(binned), tmp_path, *FRONT)
    said = capsys.readouterr().out
    assert " % of the rectified picture is black and the optical centre (7, 6) is far from" in said
    assert "is its camera info of this resolution and binning? If not, give the right" in said


def test_good_calibrations_are_not_questioned() -> None:
    info = info_message(CAMERA, FIRST_NS, "front_optical")
    assert calibration_doubt(lens_from_info(info)) == ""
    info.d = [-0.2, 0.05, 0.001, -0.002, 0.0]
    assert calibration_doubt(lens_from_info(info)) == ""


# --- transforms --------------------------------------------------------------------------------


def test_each_robot_has_its_own_tf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two robots with the same frames: the camera is placed by the one whose it is."""
    recording = RigRecording(renamed=lambda topic: f"/robot1{topic}")
    aside = rigid(np.eye(3), (0.0, 500.0, 0.0))
    moving = [("/robot2/tf", world_from_base(s) @ aside, s + 7) for s in recording.transforms_ns]
    recording.extra = [
        (at, topic, tf_message((Link("odom", "base_link", pose),), at - 7))
        for topic, pose, at in moving
    ]
    out = convert(recording, tmp_path, "--frames", 9, "--cameras", "robot1_front")
    here = world_from_base(FIRST_NS) @ BASE_FROM_FRONT
    np.testing.assert_allclose(first_pose(out), here, atol=1e-9)
    said = capsys.readouterr().out
    placed = "robot1_front: placed by /robot1/tf, /robot1/tf_static"
    assert f"{placed}, TF is also on /robot2/tf (--tf-topics)\n" in said
    option = ("--tf-topics", "/robot2/tf", "/robot1/tf_static")
    out = convert(recording, tmp_path / "b", "--frames", 9, "--cameras", "robot1_front", *option)
    np.testing.assert_allclose(first_pose(out), aside @ here, atol=1e-9)


def test_tf_of_nobody_is_to_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = RigRecording(renamed=lambda t: t.replace("/tf", "/robot1/tf"))
    other = tf_message((Link("odom", "base_link", np.eye(4)),), FIRST_NS)
    recording.extra = [(FIRST_NS, "/robot2/tf", other)]
    said = refused(recording, tmp_path, capsys)
    assert said.startswith("[ambiguous_tf]")
    assert "name the topics of one with --tf-topics" in said
    option = ("--tf-topics", "/robot1/tf", "/robot1/tf_static")
    assert len(names(convert(recording, tmp_path / "b", "--frames", 9, *option))) == 2
    said = refused(recording, tmp_path / "c", capsys, "--tf-topics", "/tf")
    assert said.startswith("[unknown_topic]")


def test_a_refused_transform_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mount = tf_message((Link("base_link", "front_optical", BASE_FROM_FRONT),), 0)
    turn = mount.transforms[0].transform.rotation
    turn.x = turn.y = turn.z = turn.w = 0.0
    recording = RigRecording(renamed=lambda topic: "" if topic == "/tf_static" else topic)
    recording.extra = [(0, "/tf_static", mount)]
    said = refused(recording, tmp_path, capsys, "--cameras", "front")
    assert "its transform was refused: transform from 'front_optical' to 'base_link'" in said
    assert "rotation (0.0, 0.0, 0.0, 0.0)" in said
    assert "start the node" not in said


def test_a_split_without_static_transforms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = RigRecording(renamed=lambda topic: "" if topic == "/tf_static" else topic)
    said = refused(recording, tmp_path, capsys)
    assert "no /tf_static is in this recording (TF: /tf): the first file of a split bag" in said
    assert "start the node" not in said


def test_two_parents_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = tf_message((Link("other", "front_optical", np.eye(4)),), 0)
    recording = RigRecording(extra=[(1, "/tf_static", second)])
    said = refused(recording, tmp_path, capsys, "--cameras", "front")
    assert "'front_optical' has 2 parents, base_link, other: leave one out with " in said
    out = convert(recording, tmp_path / "b", *FRONT, "--ignore-frames", "other")
    expected = world_from_base(FIRST_NS) @ BASE_FROM_FRONT
    np.testing.assert_allclose(first_pose(out), expected, atol=1e-9)


def test_slashes_of_old_are_left_out(tmp_path: Path) -> None:
    """geometry2#12, of images too: a recording cannot be mended in its driver."""
    recording = of_front(frame("/front_optical"))
    recording.front.change_image = frame("/front_optical")
    assert len(names(convert(recording, tmp_path, *FRONT))) == 2


# --- healthy robots that have more than is needed ----------------------------------------------


def camera_of(folder: str, frame_id: str, **fields: Any) -> Iterator[Recorded]:
    """Images and infos of one more camera."""
    name = folder.strip("/")
    one = RigCameraRecording(name, BASE_FROM_FRONT, stamps(20), **fields)
    one.change_image = one.change_info = frame(frame_id)
    yield from one.messages()


def driving_rig() -> RigRecording:
    """Six cameras of two drivers, rectified pictures, a detector, tags in TF of another clock."""
    odd = [
        (s, "/tf", tf_message((Link("front_optical", "tag_7", np.eye(4)),), s % 3))
        for s in stamps(9)
    ]
    extra = [*picture(ramp, "image_rect_color"), *picture(boxes, "image_annotated"), *odd]
    for side in ("rear", "right", "tele", "wide"):
        extra += camera_of(f"/rig/{side}", f"{side}_optical", compressed=True, compression="jpg")
        mount = Link("base_link", f"{side}_optical", BASE_FROM_FRONT)
        extra += [(0, "/tf_static", tf_message([mount], 0))]
    return RigRecording(extra=extra)


ALIGNED_AND_DEPTH = ["/camera/aligned_depth_to_color/image_raw", "/camera/depth/image_raw"]


def arm_with_depth() -> RigRecording:
    """A RealSense: colour, depth, aligned depth, infrared; joints of the arm in TF."""
    folders = ("/camera/depth", "/camera/aligned_depth_to_color")
    extra: list[Recorded] = []
    for folder in folders:
        extra += picture(depth, "image_raw", folder)
        extra += [
            (s, f"{folder}/camera_info", info_message(CAMERA, s, "front_optical"))
            for s in stamps(20)
        ]
    joints = tf_message([Link("base_link", f"joint_{k}", np.eye(4)) for k in range(7)], FIRST_NS)
    return RigRecording(extra=[*extra, (FIRST_NS, "/tf", joints)])


def drone() -> RigRecording:
    """A fisheye whose info comes once, images in a frame with a slash, and h264 beside."""

    def fisheye(_: int, info: Any) -> None:
        info.distortion_model, info.d = "equidistant", [0.05, -0.01, 0.002, -0.0005]
        info.header.stamp = time_message(0)

    video = {"/front/image_raw/ffmpeg": ("ffmpeg_image_transport_msgs/msg/FFMPEGPacket", "")}
    return of_front(fisheye, others=video)


def two_robots() -> RigRecording:
    """The same frames, each below its namespace; the second has no camera."""
    recording = RigRecording(renamed=lambda topic: f"/robot1{topic}")
    recording.extra = [
        (s + 7, "/robot2/tf", tf_message((Link("odom", "base_link", np.eye(4)),), s))
        for s in recording.transforms_ns
    ]
    return recording


def simulator() -> RigRecording:
    """From stamp 0 on, with empty frames of the infos and a depth camera of floats."""
    recording = of_front(frame(""))
    recording.extra = [*picture(depth, "depth_image"), *picture(boxes, "segmentation")]
    unset = image_message(ramp(0), 0, "front_optical")
    recording.extra += [(FIRST_NS - MS, "/front/image_raw", unset)]
    return recording


@pytest.mark.parametrize(
    ("robot", "scenes", "notes"),
    [
        (driving_rig, 2, 2),
        (arm_with_depth, 2, 2),
        (drone, 2, 0),
        (two_robots, 2, 1),
        (simulator, 2, 2),
    ],
)
def test_a_healthy_robot_gives_its_scenes_and_a_line_a_choice(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    robot: Callable[[], RigRecording],
    scenes: int,
    notes: int,
) -> None:
    assert len(names(convert(robot(), tmp_path))) == scenes
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("reading the stamps of ")
    assert len(said[1 : said.index(next(s for s in said if s.startswith("2 scenes of ")))]) == notes
    assert not any("unreadable" in line or "wrong_stamp" in line for line in said)


@pytest.mark.parametrize(
    ("robot", "left_out", "prefix"),
    [
        (driving_rig, ["/front/image_annotated", "/front/image_raw"], ""),
        (arm_with_depth, ALIGNED_AND_DEPTH, ""),
        (drone, ["/front/image_raw/ffmpeg"], ""),
        (two_robots, [], "robot1_"),
        (simulator, ["/front/depth_image", "/front/segmentation"], ""),
    ],
)
def test_a_healthy_robot_is_usable_and_what_is_left_out_is_said_once(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    robot: Callable[[], RigRecording],
    left_out: list[str],
    prefix: str,
) -> None:
    assert main(["inspect", str(robot().write(tmp_path / "drive")), "--no-timing"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith(f"usable: `anyview augment` can take {prefix}front, {prefix}left")
    named = [line.partition("not a camera: ")[2].partition(",")[0] for line in said]
    assert [topic for topic in named if topic] == left_out
    assert not any("unreadable" in line or "0000 Hz" in line for line in said)


def test_images_in_a_body_frame_are_questioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(RigRecording(), tmp_path / "body", *FRONT, "-p", "front.frame_id:=base_link")
    said = capsys.readouterr().out
    assert "front: by TF it looks up, 90 degrees above the horizon; is 'base_link' its" in said
    assert "name the one that is (-p front.frame_id:=FRAME)" in said
    convert(RigRecording(), tmp_path / "optical", *FRONT)
    assert "looks up" not in capsys.readouterr().out
