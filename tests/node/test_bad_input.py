"""Everything callers and drivers get wrong, sent through DDS to one live node.

Each answer's text is asserted, and after each the same good request gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from anyview_ros.msg import ClipRequest, ClipResult, VirtualCamera
from geometry_msgs.msg import Pose, PoseStamped
from sensor_msgs.msg import CameraInfo, Image

from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.node.messages import image_message, info_message, time_message
from tests.graph import Graph
from tests.node.rig import (
    CAMERA,
    END,
    SENT,
    Caller,
    Rig,
    asked,
    base_from_cam,
    live,
    picture,
    raised_camera,
    transform,
    wait_for,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

Change = Callable[[Any], None]


@dataclass(frozen=True)
class Street:
    """The live node, and what it answered to the good request at first."""

    opened: Graph
    rig: Rig
    caller: Caller
    first: list[bytes]

    def good(self) -> list[bytes]:
        answer = self.caller.synthesize_when_ready(asked("chase", seed=5, return_frames=True))
        assert answer.success, answer.message
        return [bytes(frame.data) for frame in answer.frames]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    model = make_package(tmp_path_factory.mktemp("models") / "tiny")
    with live(50, model, "tf_timeout_s:=0.2") as (opened, rig, caller):
        rig.publish_static(
            [transform("base_link", "owned_optical_frame", base_from_cam("front"), SENT[0])]
        )
        rig.send(SENT)
        caller.status("tf", lambda status: status.message == "4 frames")
        assert caller.add(raised_camera("chase")).success
        street = Street(opened, rig, caller, [])
        street.first.extend(street.good())
        yield street


@pytest.fixture
def street(running: Street) -> Iterator[Street]:
    yield running
    assert running.good() == running.first


def with_fields(**fields: Any) -> Change:
    def change(message: Any) -> None:
        for name, value in fields.items():
            setattr(message, name, value)

    return change


def info(width: int = 64, height: int = 48, **fields: Any) -> Change:
    """A camera info in the request, of an otherwise good camera."""

    def change(camera: VirtualCamera) -> None:
        camera.camera_info = info_message(CAMERA, 0, "")
        camera.camera_info.p = [0.0] * 12
        with_fields(width=width, height=height, **fields)(camera.camera_info)

    return change


def orientation(x: float, y: float, z: float, w: float) -> Change:
    def change(camera: VirtualCamera) -> None:
        with_fields(x=x, y=y, z=z, w=w)(camera.pose.orientation)

    return change


def position(z: float) -> Change:
    return lambda camera: with_fields(z=z)(camera.pose.position)


def timed(*poses: tuple[float, float]) -> list[PoseStamped]:
    """Poses at seconds, at heights."""
    found = []
    for second, height in poses:
        pose = PoseStamped()
        pose.header.stamp = time_message(round(second * 1e9))
        pose.pose.position.z = height
        found.append(pose)
    return found


def trajectory(*poses: tuple[float, float]) -> Change:
    return with_fields(trajectory=timed(*poses), pose=Pose())


BAD_CAMERAS = {
    "empty name": (with_fields(name=""), "invalid_name", "at most 64 in all, got ''"),
    "capital": (with_fields(name="Chase"), "invalid_name", "got 'Chase'"),
    "slash": (with_fields(name="a/b"), "invalid_name", "got 'a/b'"),
    "two underscores": (with_fields(name="a__b"), "invalid_name", "got 'a__b'"),
    "long name": (with_fields(name="a" * 65), "invalid_name", "at most 64"),
    "taken name": (
        with_fields(name="chase"),
        "name_taken",
        "there is a virtual camera 'chase'; update or remove it",
    ),
    "name of a source": (with_fields(name="front"), "name_taken", "'front' is a source camera"),
    "frame of another": (
        with_fields(name="owned"),
        "frame_taken",
        "another node publishes the frame 'owned_optical_frame'; choose another name",
    ),
    "zero quaternion": (
        orientation(0.0, 0.0, 0.0, 0.0),
        "invalid_pose",
        "orientation must be a unit quaternion (x, y, z, w), got [0.0, 0.0, 0.0, 0.0] with norm 0",
    ),
    "unnormalised quaternion": (
        orientation(0.0, 0.0, 0.0, 2.0),
        "invalid_pose",
        "with norm 2; set w = 1 for no rotation",
    ),
    "NaN position": (position(math.nan), "invalid_pose", "pose must be finite, got position"),
    "infinite position": (position(math.inf), "invalid_pose", "pose must be finite"),
    "unknown frame": (
        with_fields(parent_frame="base_lonk"),
        "tf_unknown_frame",
        "frame 'base_lonk' is unknown; there are: base_link, chase_optical_frame, "
        "front_optical_frame, odom, owned_optical_frame",
    ),
    "own frame": (
        with_fields(parent_frame="bad_optical_frame"),
        "tf_unknown_frame",
        "frame 'bad_optical_frame' is unknown",
    ),
    "width without height": (
        info(64, 0),
        "invalid_camera",
        "width and height must be given together, and with k, got 64x0",
    ),
    "no size": (info(0, 0), "invalid_camera", "and with k, got 0x0"),
    "giant": (
        info(100_000, 100_000),
        "invalid_camera",
        "image size must be 1..8192 pixels a side, got 100000x100000",
    ),
    "giant without K": (
        info(100_000, 100_000, k=[0.0] * 9),
        "invalid_camera",
        "image size must be 1..8192 pixels a side, got 100000x100000",
    ),
    "skew": (
        info(k=[50.0, 1.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]),
        "invalid_camera",
        "k must be [fx 0 cx; 0 fy cy; 0 0 1]",
    ),
    "no focal length": (
        info(k=[0.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]),
        "invalid_camera",
        "focal lengths must be positive, got fx 0.0",
    ),
    "NaN in K": (
        info(k=[math.nan, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]),
        "invalid_camera",
        "intrinsics must be finite",
    ),
    "distortion": (info(d=[0.1] * 5), "invalid_camera", "d must be empty or zero"),
    "rotated": (
        info(r=[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        "invalid_camera",
        "r must be zero or the identity",
    ),
    "another P": (info(p=[9.0] * 12), "invalid_camera", "p is derived from k: leave it zero"),
    "binning": (info(binning_x=2), "invalid_camera", "binning and roi must be unset"),
    "field of view": (
        with_fields(horizontal_fov=4.0),
        "invalid_camera",
        "horizontal field of view must be between 0 and 180 degrees, got 229.2 degrees (4 radians)",
    ),
    "NaN field of view": (with_fields(horizontal_fov=math.nan), "invalid_camera", "got nan"),
    "two sources": (
        with_fields(sources=["front", "left"]),
        "invalid_sources",
        "model 'tiny' takes 1..1 different sources, got 2 (front, left)",
    ),
    "short trajectory": (
        trajectory((1.0, 0.0)),
        "invalid_trajectory",
        "a trajectory is poses at times: 2 to 10000 poses are needed, got 1",
    ),
    "trajectory back in time": (
        trajectory((1.0, 0.0), (3.0, 0.0), (3.0, 0.0)),
        "invalid_trajectory",
        "stamps must be above 0 and increase, got 3.000 s at trajectory[2] after 3.000 s",
    ),
    "trajectory without stamps": (
        trajectory((0.0, 0.0), (0.0, 0.0)),
        "invalid_trajectory",
        "stamps must be above 0 and increase, got 0.000 s at trajectory[0]",
    ),
    "NaN in a trajectory": (
        trajectory((1.0, 0.0), (2.0, math.nan)),
        "invalid_pose",
        "trajectory[1]: pose must be finite",
    ),
    "pose and trajectory": (
        with_fields(trajectory=timed((1.0, 0.0), (2.0, 0.0))),
        "invalid_trajectory",
        "pose and trajectory exclude each other; leave pose at its default",
    ),
    "rate": (
        with_fields(rate=30.0),
        "invalid_rate",
        "makes frames 0.1 s apart: rate must be 0 (on request only) to 10 Hz, got 30",
    ),
    "rate that is not a number": (with_fields(rate=math.nan), "invalid_rate", "to 10 Hz, got nan"),
    "negative rate": (with_fields(rate=-1.0), "invalid_rate", "to 10 Hz, got -1"),
    "endless rate": (with_fields(rate=math.inf), "invalid_rate", "to 10 Hz, got inf"),
    "lossless": (with_fields(mode=1), "invalid_mode", "is for continuous cameras: set rate"),
    "unknown mode": (
        with_fields(mode=7),
        "invalid_mode",
        "mode must be 0 (LIVE) or 1 (LOSSLESS), got 7",
    ),
    "priority": (
        with_fields(priority=3),
        "invalid_priority",
        "priority 3 is for continuous cameras: set rate, or leave it at 0",
    ),
    "uncertainty": (
        with_fields(uncertainty_samples=1),
        "invalid_uncertainty_samples",
        "uncertainty is the spread over 2 seeds or more, got uncertainty_samples 1; 0 for none",
    ),
}


@pytest.mark.parametrize(("change", "code", "text"), BAD_CAMERAS.values(), ids=BAD_CAMERAS)
def test_bad_cameras_are_refused(street: Street, change: Change, code: str, text: str) -> None:
    camera = raised_camera("bad")
    change(camera)
    added = street.caller.add(camera)
    assert (added.success, added.code) == (False, code), added.message
    assert text in added.message
    request = asked("bad")
    request.camera = camera
    if code != "tf_unknown_frame":  # a request waits for the poses of its clip, see below
        in_request = street.caller.synthesize(request)
        assert (in_request.code, in_request.message) == (added.code, added.message)


BAD_CLIPS = {
    "no camera": (asked(""), "invalid_name", "got ''"),
    "unknown camera": (
        asked("nobody"),
        "unknown_camera",
        "no virtual camera 'nobody'; there are: chase; add it first, or give the camera whole",
    ),
    "unknown source": (
        ClipRequest(camera=VirtualCamera(name="bad", sources=["rear"])),
        "unknown_source",
        "no source camera 'rear'; there are: front",
    ),
    "frames": (
        asked("chase", num_frames=8),
        "invalid_num_frames",
        "model 'tiny' makes clips of 5 or 9 frames, got 8",
    ),
    "two clips": (
        asked("chase", num_frames=17),
        "invalid_num_frames",
        "got 17; longer sequences are not available in this version",
    ),
    "period": (
        asked("chase", frame_period=0.2),
        "invalid_frame_period",
        "model 'tiny' makes frames 0.1 s apart, got frame_period 0.2; leave it at 0",
    ),
    "NaN period": (
        asked("chase", frame_period=math.nan),
        "invalid_frame_period",
        "frame_period nan",
    ),
    "missing speed": (
        asked("chase", speed="fast"),
        "unknown_speed",
        "model 'tiny' has the speeds exact or draft, got 'fast'",
    ),
    "unknown speed": (asked("chase", speed="warp"), "unknown_speed", "got 'warp'"),
    "steps": (
        asked("chase", steps=5),
        "invalid_steps",
        "model 'tiny' takes 1..4 steps, got 5; 0 means the speed's own number",
    ),
    "seed": (
        asked("chase", seed=MAX_SEED + 1),
        "invalid_seed",
        "seed must be 0..42949672, got 42949673",
    ),
    "end before start": (
        asked("chase", start_time=time_message(SENT[-1] + 1)),
        "invalid_times",
        "end_time must be after start_time, got start_time 2.100 s and end_time 2.100 s",
    ),
    "times and frames": (
        asked("chase", start_time=time_message(SENT[0]), num_frames=5),
        "invalid_times",
        "5 frames from 1.000 s end at 1.400 s, end_time says 2.100 s",
    ),
    "length by times": (
        asked("chase", start_time=time_message(SENT[0])),
        "invalid_num_frames",
        "makes clips of 5 or 9 frames, got 12",
    ),
    "future": (
        ClipRequest(
            camera=VirtualCamera(name="chase"), end_time=time_message(SENT[-1] + 5_000_000_000)
        ),
        "not_yet",
        "need frames until 7.100 s, the newest of '/front/image_raw' is of 2.100 s",
    ),
    "past": (
        ClipRequest(camera=VirtualCamera(name="chase"), end_time=time_message(SENT[2])),
        "clip_gap",
        "no frame of '/front/image_raw' within half a period of 0.",
    ),
    "unknown frame": (
        ClipRequest(camera=VirtualCamera(name="bad", parent_frame="base_lonk"), end_time=END),
        "tf_unknown_frame",
        "'base_lonk'",
    ),
}


@pytest.mark.parametrize(("request_", "code", "text"), BAD_CLIPS.values(), ids=BAD_CLIPS)
def test_bad_requests_are_refused(
    street: Street, request_: ClipRequest, code: str, text: str
) -> None:
    answer = street.caller.synthesize(request_)
    assert (answer.success, answer.code) == (False, code), answer.message
    assert text in answer.message
    assert not answer.stamps


@pytest.mark.parametrize(
    ("size", "returned", "text"),
    [
        ((1920, 1080), True, "9 frames of 1920x1080 are 56.0 MB, an answer holds at most 16 MB"),
        (
            (8192, 8192),
            False,
            "9 frames of 8192x8192 are 603979776 pixels, the parameter max_clip_pixels",
        ),
    ],
)
def test_answers_that_are_too_large_are_refused_before_the_work(
    street: Street, size: tuple[int, int], returned: bool, text: str
) -> None:
    request = ClipRequest(camera=raised_camera("large"), end_time=END, return_frames=returned)
    request.camera.camera_info.width, request.camera.camera_info.height = size
    answer = street.caller.synthesize(request)
    assert answer.code == "too_large"
    assert text in answer.message


def test_a_loop_of_virtual_cameras_is_refused(street: Street) -> None:
    caller = street.caller
    assert caller.add(raised_camera("lower")).success
    upper = raised_camera("upper")
    upper.parent_frame = "lower_optical_frame"
    assert caller.add(upper).success
    lower = raised_camera("lower")
    lower.parent_frame = "upper_optical_frame"
    refused = caller.call("update_virtual_camera", camera=lower)
    assert refused.code == "invalid_parent"
    assert refused.message == (
        "'upper_optical_frame' stands on 'lower_optical_frame' itself; name another parent_frame"
    )
    for name in ("upper", "lower"):
        assert caller.call("remove_virtual_camera", name=name).success


def no_tf(image: Image, info: CameraInfo) -> None:
    image.header.frame_id = info.header.frame_id = "loose_optical_frame"


def both(**fields: Any) -> Callable[[Image, CameraInfo], None]:
    def change(image: Image, info: CameraInfo) -> None:
        with_fields(**fields)(info)

    return change


def image_only(**fields: Any) -> Callable[[Image, CameraInfo], None]:
    return lambda image, info: with_fields(**fields)(image)


def truncated(image: Image, info: CameraInfo) -> None:
    image.data = image.data[:-1]


def empty_frame(image: Image, info: CameraInfo) -> None:
    image.header.frame_id = ""


def zero_stamp(image: Image, info: CameraInfo) -> None:
    image.header.stamp = info.header.stamp = time_message(0)


NO_K = [0.0] * 9
BAD_STREAMS = {
    "uncalibrated": (both(k=NO_K, p=[0.0] * 12), "got K[0] = 0 (uncalibrated); calibrate"),
    "inconsistent": (
        both(k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 2.0]),
        "camera info contradicts itself",
    ),
    "skewed": (
        both(k=[50.0, 1.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0], p=[0.0] * 12),
        "K[0][1] must be within 0.01 of fx 50, got 1; calibrate again",
    ),
    "coefficients": (both(d=[0.1] * 3), "plumb_bob has 4, 5, 8, 12 or 14 coefficients, got 3"),
    "absurd": (both(d=[1e9] * 5), "coefficients must be within 1e+06, got"),
    "lensless": (both(distortion_model="magic", d=[0.1] * 5), "the model must be one of plumb_bob"),
    "telescope": (
        both(k=[1e9, 0.0, 32.0, 0.0, 1e9, 24.0, 0.0, 0.0, 1.0]),
        "focal lengths in K must be 0.01 to 1000 times the image's width and height",
    ),
    "encoding": (image_only(encoding="16UC1"), "encoding must be one of rgb8, "),
    "truncated": (truncated, "data must be step x height = 192 x 48 = 9216 bytes, got 9215"),
    "step": (
        image_only(step=100),
        "step must be at least 192 bytes for 64 pixels of rgb8, got 100",
    ),
    "empty_image": (
        image_only(width=0, height=0),
        "image size must be 1..8192 pixels a side, got 0x0",
    ),
    "giant_image": (image_only(width=100_000), "pixels a side, got 100000x48"),
    "frameless": (empty_frame, "got an empty header.frame_id; set the camera driver's frame_id"),
    "unstamped": (zero_stamp, "image needs its acquisition time, got stamp 0"),
    "loose": (no_tf, "loose_optical_frame"),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
def test_a_camera_that_sends_nonsense_is_named_in_the_answer(street: Street, name: str) -> None:
    """One camera of its own for each kind of nonsense; the good one beside it goes on."""
    change, text = BAD_STREAMS[name]
    node, caller = street.opened.node, street.caller
    images = node.create_publisher(Image, f"/{name}/image_raw", 10)
    infos = node.create_publisher(CameraInfo, f"/{name}/camera_info", 10)
    wait_for(lambda: min(images.get_subscription_count(), infos.get_subscription_count()) > 0, name)
    request = ClipRequest(camera=VirtualCamera(name="bad", sources=[name]))
    answers: list[ClipResult] = []

    def refused_for_the_reason() -> bool:
        stamp, frame = SENT[0] + len(answers), "front_optical_frame"
        image = image_message(picture(name, 1), stamp, frame)
        info = info_message(CAMERA, stamp, frame)
        change(image, info)
        infos.publish(info)
        images.publish(image)
        answers.append(caller.synthesize(request))
        return text in answers[-1].message

    wait_for(refused_for_the_reason, f"'{text}'")
    assert answers[-1].code == "empty_buffer"
    node.destroy_publisher(images)
    node.destroy_publisher(infos)
