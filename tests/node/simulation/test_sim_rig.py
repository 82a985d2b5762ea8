"""The rig over DDS, in a process of its own: what it publishes is true, complete and pure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from anyview_ros.clips.transform_buffer import TransformBuffer
from anyview_ros.geometry import STANDING_CAMERA, look_at, quaternion_xyzw
from anyview_ros.imaging.camera_info import camera_from_info
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.media.stereo_pair import motorcycle
from anyview_ros.media.video_writer import VideoWriter
from anyview_ros.node.simulation import sim_rig
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.rigs import BASE
from anyview_ros.worlds.world import World, make_world
from tests.graph import Graph, child, graph

pytestmark = pytest.mark.graph

PERIOD_NS = 100_000_000
SEED = 3
MOMENTS = 15
RIG = "anyview_ros.node.simulation.sim_rig"
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def parameters(**values: object) -> list[str]:
    pairs = [["-p", f"{name}:={value}"] for name, value in values.items()]
    return [RIG, "--ros-args", *[word for pair in pairs for word in pair]]


@dataclass
class Heard:
    """What the rig published, and the transforms of it."""

    images: dict[str, list[Image]]
    infos: dict[str, list[CameraInfo]]
    tf: list[TFMessage]
    static: list[TFMessage]
    clock: list[Clock]
    world: list[String]

    def stamps(self, camera: str) -> list[int]:
        return [stamp_ns(m.header.stamp) for m in self.images[camera]]

    def shown(self) -> World:
        """The world that the rig says it shows."""
        named = json.loads(self.world[0].data)
        return make_world(named["kind"], named["seed"])

    def transforms(self) -> TransformBuffer:
        buffer = TransformBuffer(cache_ns=10**12)
        for messages, static in ((self.tf, False), (self.static, True)):
            for message in messages:
                for transform in message.transforms:
                    buffer.insert(transform, static)
        return buffer


def listen(live: Graph, cameras: tuple[str, ...]) -> Heard:
    return Heard(
        {c: live.listen(Image, f"/{c}/image_raw") for c in cameras},
        {c: live.listen(CameraInfo, f"/{c}/camera_info") for c in cameras},
        live.listen(TFMessage, "/tf"),
        live.listen(TFMessage, "/tf_static", LATCHED),
        live.listen(Clock, "/clock"),
        live.listen(String, "/sim_rig/world", LATCHED),
    )


@pytest.fixture(scope="module", params=["street", "table"])
def robot(request: pytest.FixtureRequest) -> Iterator[Heard]:
    """A second and a half of a world, heard to its end."""
    last_ns = 1_000_000_000 + (MOMENTS - 1) * PERIOD_NS
    cameras = tuple(camera.name for camera in make_world(request.param, SEED).rig)
    arguments = parameters(world=request.param, seed=SEED, seconds=MOMENTS * 0.1, readers=1)
    with graph(71) as live:
        heard = listen(live, cameras)
        with child(arguments, 71):
            live.wait_until(
                lambda: all(heard.stamps(c)[-1:] == [last_ns] for c in cameras), "last images", 60
            )
            live.wait_until(
                lambda: stamp_ns(heard.clock[-1].clock) > last_ns + 2 * PERIOD_NS, "a later clock"
            )
        yield heard


def test_stamps_advance_by_exactly_the_period(robot: Heard) -> None:
    for camera in robot.images:
        stamps = robot.stamps(camera)
        assert stamps == [1_000_000_000 + k * PERIOD_NS for k in range(MOMENTS)]


def test_the_cameras_stop_and_the_clock_goes_on(robot: Heard) -> None:
    clock = [stamp_ns(message.clock) for message in robot.clock]
    assert {b - a for a, b in pairwise(clock)} == {PERIOD_NS}
    assert set(robot.stamps("front")) <= set(clock)
    assert clock[-1] > robot.stamps("front")[-1]


def test_images_and_infos_come_in_pairs(robot: Heard) -> None:
    for rig_camera in robot.shown().rig:
        images, infos = robot.images[rig_camera.name], robot.infos[rig_camera.name]
        assert [m.header for m in images] == [m.header for m in infos]
        assert images[0].header.frame_id == f"{rig_camera.name}_optical_frame"
        assert camera_from_info(infos[0]).camera == rig_camera.camera


def test_every_image_can_be_placed(robot: Heard) -> None:
    transforms, world = robot.transforms(), robot.shown()
    for rig_camera in robot.shown().rig:
        for stamp in robot.stamps(rig_camera.name):
            placed = transforms.lookup("odom", f"{rig_camera.name}_optical_frame", stamp)
            expected = world.world_from_link(rig_camera.link, stamp) @ rig_camera.link_from_cam
            np.testing.assert_allclose(placed, expected, atol=1e-9)


def test_images_are_the_world_and_nothing_else(robot: Heard) -> None:
    named = json.loads(robot.world[0].data)
    assert named == {"kind": robot.shown().kind, "seed": SEED, "fixed_frame": "odom"}
    world = robot.shown()
    for rig_camera in robot.shown().rig:
        message = robot.images[rig_camera.name][-1]
        stamp = stamp_ns(message.header.stamp)
        world_from_cam = world.world_from_link(rig_camera.link, stamp) @ rig_camera.link_from_cam
        rendered = render(world.scene_at(stamp), rig_camera.camera, world_from_cam)
        np.testing.assert_array_equal(rgb_from_image(message), rendered)


def test_the_hand_has_a_frame_of_its_own_at_every_image(robot: Heard) -> None:
    """Exactly the links that move against the base are children of it in /tf."""
    moving = {camera.link for camera in robot.shown().rig} - {BASE}
    expected = [("odom", "base_link"), *(("base_link", f"{link}_link") for link in moving)]
    first = sorted(robot.images)[0]
    assert len(robot.tf) == len(robot.stamps(first))
    for message, stamp in zip(robot.tf, robot.stamps(first), strict=True):
        links = [(t.header.frame_id, t.child_frame_id) for t in message.transforms]
        assert links == expected
        assert {stamp_ns(t.header.stamp) for t in message.transforms} == {stamp}
    places = [m.transforms[-1].transform.translation for m in robot.tf]
    assert len({(p.x, p.y, p.z) for p in places}) > 1  # it moves


def test_a_still_is_seen_for_ever() -> None:
    with graph(72) as live:
        heard = listen(live, ("left",))
        with child(parameters(world="motorcycle", seconds=0.3, readers=1), 72):
            live.wait_until(
                lambda: len(heard.images["left"]) == len(heard.infos["left"]) == 3, "images", 60
            )
    assert heard.stamps("left") == [1_000_000_000, 1_100_000_000, 1_200_000_000]
    pair = motorcycle()
    for message, info in zip(heard.images["left"], heard.infos["left"], strict=True):
        np.testing.assert_array_equal(rgb_from_image(message), pair.left)
        assert camera_from_info(info).camera == pair.left_camera
    placed = heard.transforms().lookup("odom", "left_optical_frame", 1_200_000_000)
    np.testing.assert_allclose(placed, STANDING_CAMERA, atol=1e-9)
    assert json.loads(heard.world[0].data) == {"kind": "motorcycle", "fixed_frame": "odom"}


def test_a_video_keeps_its_times_and_its_poses(tmp_path: Path) -> None:
    times_ms = [0, 110, 190, 310, 400, 520]
    with VideoWriter(tmp_path / "v.mp4", (64, 48)) as writer:
        for k, time_ms in enumerate(times_ms):
            writer.write(np.full((48, 64, 3), 30 * k, np.uint8), time_ms * 1_000_000)
    poses = {0.1: look_at((0, 0, 2), (5, 0, 1)), 0.45: look_at((1, 0, 2), (5, 0, 1))}
    lines = [" ".join(map(str, (t, *p[:3, 3], *quaternion_xyzw(p)))) for t, p in poses.items()]
    (tmp_path / "poses.txt").write_text("\n".join(lines))
    arguments = parameters(
        source=tmp_path / "v.mp4", hfov=60.0, poses=tmp_path / "poses.txt", readers=1
    )
    with graph(72) as live:
        heard = listen(live, ("front",))
        with child(arguments, 72):
            live.wait_until(lambda: heard.stamps("front")[-1:] == [1_400_000_000], "last image")
    # 0 and 520 ms are outside of the poses' time: nothing is extrapolated.
    assert heard.stamps("front") == [1_110_000_000, 1_190_000_000, 1_310_000_000, 1_400_000_000]
    placed = heard.transforms().lookup("odom", "front_optical_frame", 1_310_000_000)
    assert placed[0, 3] == pytest.approx((0.31 - 0.1) / 0.35)
    camera = camera_from_info(heard.infos["front"][0]).camera
    assert (camera.width, camera.height) == (64, 48)
    assert camera.fx == pytest.approx(32 / np.tan(np.radians(30)))
    world = json.loads(heard.world[0].data)
    assert (world["kind"], world["pose"]) == ("video", "given")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_a_second(number: signal.Signals) -> None:
    with graph(73) as live:
        clock = live.listen(Clock, "/clock")
        with child(parameters(), 73) as rig:
            live.wait_until(lambda: bool(clock), "the clock", 60)
            spent = cpu_seconds(rig.pid)
            rig.send_signal(number)
            rig.send_signal(number)  # as launch does with a terminal's Ctrl-C
            _, status, usage = os.wait4(rig.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # In its own time: beside seven busy processes a second of work takes longer.
    assert usage.ru_utime + usage.ru_stime - spent < 1.0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"world": "moon"}, "error [unknown_world]: world must be one of"),
        ({"source": "missing.mp4", "hfov": 60.0}, "error [no_such_file]: "),
        ({"source": "missing.mp4"}, "error [no_such_file]: "),
        ({"source": __file__}, "error [missing_hfov]: "),
        ({"rate": 10}, "error [invalid_parameter]: "),
    ],
)
def test_bad_parameters_end_it_with_one_line(values: dict[str, Any], words: str) -> None:
    with child(parameters(**values), 74, stderr=subprocess.PIPE) as rig:
        _, errors = rig.communicate(timeout=60)
    assert rig.returncode == 1
    assert errors.strip().splitlines()[-1].startswith(words)
    assert "Traceback" not in errors


class FakeTime:
    """A clock that only sleeping, and the test, move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        assert duration_s >= 0
        self.now_s += duration_s


def test_who_is_late_stays_late(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime()
    monkeypatch.setattr(sim_rig, "time", fake)
    pacer = sim_rig.Pacer()
    out = []
    for k, work_s in enumerate([0.01, 0.01, 0.25, 0.01, 0.01]):
        fake.now_s += work_s  # rendering
        pacer.wait_for(1_000_000_000 + k * PERIOD_NS)
        out.append(round(fake.now_s - 100.0, 6))
    # The third was rendered too slowly; the ones after it keep the period, none catches up.
    assert out == [0.01, 0.11, 0.36, 0.46, 0.56]
