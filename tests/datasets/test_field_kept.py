"""Recordings that people reported as odd, and that work: they stay so, or are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.node.messages import time_message
from anyview_ros.node.simulation.rig_sources import Link
from anyview_ros.node.simulation.sim_rig import tf_message
from tests.datasets.rig_bag import (
    BASE_FROM_FRONT,
    CAMERA,
    FIRST_NS,
    MS,
    RigRecording,
    stamps,
    world_from_base,
)
from tests.datasets.test_convert_bag import convert, names, refused
from tests.datasets.test_field_bags import FRONT
from tests.media.pictures import ramp

Change = Callable[[Any], None]
FISHEYE = [0.05, -0.01, 0.002, -0.0005]


def of_front(image: Change | None = None, info: Change | None = None) -> RigRecording:
    """The rig whose front camera has other images, or other infos."""
    recording = RigRecording()
    if image is not None:
        recording.front.change_image = lambda _, message: image(message)
    if info is not None:
        recording.front.change_info = lambda _, message: info(message)
    return recording


def jpegs(change: Change) -> RigRecording:
    recording = of_front(change)
    recording.front.compressed, recording.front.compression = True, "jpg"
    return recording


def fields(**values: Any) -> Change:
    return lambda message: [setattr(message, name, value) for name, value in values.items()]  # type: ignore[return-value]


def k_of(focal: float) -> NDArray[np.float64]:
    return np.array([focal, 0, 32, 0, focal, 24, 0, 0, 1], float)


# --- what works --------------------------------------------------------------------------------


def without_huffman_tables(message: Any) -> None:
    """cam2ip#20: as the cameras of USB send their jpegs."""
    data, kept, at = bytes(message.data), bytearray(b"\xff\xd8"), 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != 0xC4:
            kept += data[at:end]
        at = end
    message.data = bytes(kept) + data[at:]


def padded(message: Any) -> None:
    message.data = bytes(message.data) + bytes(600)


def a_second_in_nanoseconds(message: Any) -> None:
    message.header.stamp.sec -= 1
    message.header.stamp.nanosec += 10**9


def no_stamp(message: Any) -> None:
    message.header.stamp = time_message(0)


def a_frame_late(message: Any) -> None:
    stamp = message.header.stamp
    message.header.stamp = time_message(stamp.sec * 10**9 + stamp.nanosec - 67 * MS)


def other_log_times() -> RigRecording:
    recording = RigRecording()
    as_stamped = recording.messages
    recording.messages = lambda: [(t + 111_000 * MS, *rest) for t, *rest in as_stamped()]  # type: ignore[method-assign, misc]
    return recording


def mounted(*stamps_ns: int, turn: float = 1.0) -> RigRecording:
    """The front camera's mount with these stamps, and a quaternion of another length."""
    recording = RigRecording(renamed=lambda topic: "" if topic == "/tf_static" else topic)
    for k, stamp in enumerate(stamps_ns):
        mount = tf_message((Link("base_link", "front_optical", BASE_FROM_FRONT),), stamp)
        rotation = mount.transforms[0].transform.rotation
        for axis in "xyzw":
            setattr(rotation, axis, getattr(rotation, axis) * turn)
        recording.extra.append((k, "/tf_static", mount))
    return recording


def thirty_hertz() -> RigRecording:
    recording = RigRecording()
    recording.front.stamps_ns = stamps(60, FIRST_NS, 33_333_333)
    return recording


def slashed_tf() -> RigRecording:
    recording = RigRecording()
    as_recorded = recording.messages

    def messages() -> Any:
        for entry in as_recorded():
            for each in entry[2].transforms if entry[1].startswith("/tf") else ():
                each.header.frame_id = f"/{each.header.frame_id}"
            yield entry

    recording.messages = lambda: list(messages())  # type: ignore[method-assign]
    return recording


def looped_tf() -> RigRecording:
    loop = [
        (at + 1, "/tf", tf_message((Link("base_link", "odom", np.eye(4)),), at))
        for at in RigRecording().transforms_ns
    ]
    return RigRecording(extra=loop)


WORKS: dict[str, Callable[[], RigRecording]] = {
    "P and R zero, coefficients up to 282": lambda: of_front(
        info=fields(
            distortion_model="rational_polynomial",
            d=[1.3, -58.0, 0.0009, 0.0013, 282.0, 1.1, -56.0, 277.0],
            k=k_of(51.6),
            r=np.zeros(9),
            p=np.zeros(12),
        )
    ),
    "coefficients up to 1383": lambda: of_front(
        info=fields(
            distortion_model="rational_polynomial",
            d=[-13.2, -98.0, 0.0014, 0.0028, 1358.0, -13.0, -102.0, 1383.0],
            k=k_of(93.0),
            p=np.zeros(12),
        )
    ),
    "no model, no coefficients, R zero": lambda: of_front(
        info=fields(distortion_model="", d=[], r=np.zeros(9))
    ),
    "infos of stamp 0": lambda: of_front(info=no_stamp),
    "infos a frame late": lambda: of_front(info=a_frame_late),
    "format jpg": lambda: jpegs(fields(format="jpg")),
    "no format": lambda: jpegs(fields(format="")),
    "jpegs without Huffman tables": lambda: jpegs(without_huffman_tables),
    "jpegs padded at the end": lambda: jpegs(padded),
    "a second in nanosec": lambda: of_front(a_second_in_nanoseconds, a_second_in_nanoseconds),
    "log times 111 s off": other_log_times,
    "30 Hz on a grid of 10 Hz": thirty_hertz,
    "a quaternion off by 1e-3": lambda: mounted(0, turn=1.001),
    "/tf_static after the bag": lambda: mounted(FIRST_NS + 10**15),
    "/tf_static again and again": lambda: mounted(*stamps(20)),
    "frames of TF with slashes": slashed_tf,
    "a loop above the fixed frame": looped_tf,
}


@pytest.mark.parametrize("odd", WORKS)
def test_what_is_odd_and_works(tmp_path: Path, odd: str) -> None:
    out = convert(WORKS[odd](), tmp_path, *FRONT)
    assert names(out) == ["drive-0000", "drive-0001"]
    scene = SceneFolder(out / "drive-0000")
    placed = scene.track("front", range(9), (CAMERA.height, CAMERA.width)).world_from_cam
    expected = [world_from_base(FIRST_NS + k * 100 * MS) @ BASE_FROM_FRONT for k in range(9)]
    np.testing.assert_allclose(placed, expected, atol=1e-6)
    images = scene.images("front", range(9))
    seen = images.any(axis=-1)  # by the lens
    told = np.stack([ramp(3 * k if "30 Hz" in odd else k) for k in range(9)])
    assert seen.mean() > 0.5
    if "coefficients up" not in odd:
        assert np.abs(images.astype(int) - told)[seen].mean() < 4


# --- what is refused, in words that lead out -----------------------------------------------------


def an_unpadded_last_row(message: Any) -> None:
    row, step = 3 * CAMERA.width, 256
    rows = np.zeros((CAMERA.height, step), np.uint8)
    rows[:, :row] = np.frombuffer(bytes(message.data), np.uint8).reshape(-1, row)
    message.step, message.data = step, rows.tobytes()[: row - step]


def too_long(message: Any) -> None:
    message.data = bytes(message.data) + bytes(900)


def without_end(message: Any) -> None:
    message.data = bytes(message.data)[:-2]


def of_map() -> RigRecording:
    recording = RigRecording(renamed=lambda topic: "" if topic == "/tf" else topic)
    recording.extra = [
        (at, "/tf", tf_message((Link("map", "base_link", world_from_base(at)),), at))
        for at in recording.transforms_ns
    ]
    return recording


def ends_early() -> RigRecording:
    return RigRecording(transforms_ns=stamps(8, FIRST_NS - 95 * MS, 50 * MS))


REFUSED: dict[str, tuple[Callable[[], RigRecording], str]] = {
    "a fisheye of five": (
        lambda: of_front(info=fields(distortion_model="equidistant", d=[*FISHEYE, 0.0])),
        "equidistant has 4 coefficients, got 5",
    ),
    "a model called fisheye": (
        lambda: of_front(info=fields(distortion_model="fisheye", d=FISHEYE)),
        "write equidistant for the k1 k2 k3 k4 of a fisheye",
    ),
    "coefficients of no model": (
        lambda: of_front(info=fields(distortion_model="", d=[-0.1, 0.02, 0.0, 0.0, 0.0])),
        "got ''",
    ),
    "no calibration": (
        lambda: of_front(info=fields(k=np.zeros(9), p=np.zeros(12), r=np.zeros(9), d=[])),
        "K[0] = 0 (uncalibrated); calibrate the camera",
    ),
    "a jpeg without its end": (lambda: jpegs(without_end), "end marker is missing"),
    "step 0": (lambda: of_front(fields(step=0)), "at least 192 bytes for 64 pixels of rgb8"),
    "data too long": (lambda: of_front(too_long), "9216 bytes, got 10116"),
    "the last row unpadded": (lambda: of_front(an_unpadded_last_row), "256 x 48 = 12288 bytes"),
    "8UC3": (lambda: of_front(fields(encoding="8UC3")), "got '8UC3'; convert it in the driver"),
    "RGB8": (lambda: of_front(fields(encoding="RGB8")), "got 'RGB8'; convert it in the driver"),
    "webp": (
        lambda: jpegs(fields(format="webp", data=b"RIFF\0\0\0\0WEBPVP8 ")),
        "jpeg or png, got format 'webp'",
    ),
    "h264 in CompressedImage": (
        lambda: jpegs(fields(format="h264", data=b"\0\0\0\x01g\x42\0\x1e")),
        "got format 'h264'",
    ),
    "TF of map": (of_map, "--fixed-frame"),
    "TF that ends early": (ends_early, "tf_waiting"),
}


@pytest.mark.parametrize("odd", REFUSED)
def test_what_is_odd_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], odd: str
) -> None:
    make, text = REFUSED[odd]
    said = refused(make(), tmp_path, capsys, "--cameras", "front")
    assert text in said
    assert "start the node" not in said


def test_an_empty_image_costs_its_scene_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def emptied(message: Any) -> None:
        if message.header.stamp == time_message(FIRST_NS + 300 * MS):
            message.data = b""

    out = convert(jpegs(emptied), tmp_path, *FRONT)
    assert names(out) == ["drive-0001"]
    assert "1 scenes: " in capsys.readouterr().out


def test_a_rectified_topic_needs_k_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ensenso#131: P alone would do, but image_proc's users have K as well."""
    recording = RigRecording(renamed=lambda topic: topic.replace("image_raw", "image_rect"))
    recording.front.change_info = lambda _, info: setattr(info, "k", np.zeros(9))
    said = refused(recording, tmp_path, capsys, "--cameras", "front")
    assert "K[0] = 0 (uncalibrated); calibrate the camera" in said
