"""Four virtual cameras that stream: on the vehicle, in the world, in orbit, in a hand."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Pose
from numpy.typing import NDArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import InteractiveMarkerFeedback

from anyview_ros import diagnostic_keys as keys
from anyview_ros.contract import Contract
from anyview_ros.demo.harness import CLOCK, START_TIMEOUT_S, Harness, check_seconds, harness
from anyview_ros.demo.parameter_words import Value
from anyview_ros.demo.plan import DemoPlan
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import look_at, rigid, transform_from_pose
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.msg import SynthesisInfo, VirtualCamera
from anyview_ros.node.messages import pose_message
from anyview_ros.node.simulation.rig_sources import BASE_FRAME, FIXED_FRAME
from anyview_ros.node.virtual.trajectories import orbit, pose_messages
from anyview_ros.packages import find_package, load_package
from anyview_ros.worlds.street.street import StreetWorld
from anyview_ros.worlds.street.street_rig import STREET_RIG
from anyview_ros.worlds.world import World, make_world

VEHICLE, WORLD, ORBIT, HAND = "vehicle", "world", "orbit", "hand"
NAMES = (VEHICLE, WORLD, ORBIT, HAND)
AHEAD_S = 3.0  # of the vehicle, that the camera in the world stands
ORBIT_S = 30.0  # once around
SWING_M, SWING_S = 2.0, 12.0  # of the hand
HAND_PERIOD_S = 0.2
PICTURE_NS = 1_000_000_000  # one frame a second is compared with the truth
SLOWEST = 40  # wall seconds for one of simulated time: then the machine cannot do it
MAX_SECONDS = 600.0


@dataclass
class CameraRecord:
    """What came of one virtual camera.

    Args:
        frames: stamps published, in order of arrival.
        latencies: (stamp in seconds, seconds from the newest source stamp to publication).
        pictures: about one a second, by stamp.
        poses: world_from_cam by stamp, where /tf had one.
        statuses: (seconds of simulated time, values of its diagnostics).
    """

    frames: list[int] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    poses: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    statuses: list[tuple[float, dict[str, str]]] = field(default_factory=list)


@dataclass(frozen=True)
class LiveRun:
    """A finished demo.

    Args:
        cameras: records by name.
        standing: poses of the cameras that do not move in their frame: (frame, frame_from_cam).
        simulated_s, wall_s: how long the cameras streamed, by either clock.
    """

    world: World
    cameras: Mapping[str, CameraRecord]
    standing: Mapping[str, tuple[str, NDArray[np.float64]]]
    model: str
    simulated_s: float
    wall_s: float


def run_live(plan: DemoPlan) -> LiveRun:
    """Run it.

    Raises:
        AnyviewError: `invalid_source`, `invalid_seconds`, those of the package, `child_ended`,
            `timeout`, and whatever the node answers.
    """
    contract = load_package(find_package(plan.model)).contract
    _check(plan, contract)
    plan.out.mkdir(parents=True, exist_ok=True)
    with harness("live_demo", plan.out, plan.domain) as processes:
        return _LiveDemo(plan, contract, processes).run()


def _check(plan: DemoPlan, contract: Contract) -> None:
    if plan.source != StreetWorld.kind:
        raise AnyviewError(
            "invalid_source", f"--live drives on the street, got --source {plan.source}"
        )
    check_seconds(plan.seconds, contract, MAX_SECONDS)


class _LiveDemo:
    """The steps, in order."""

    def __init__(self, plan: DemoPlan, contract: Contract, processes: Harness) -> None:
        self._plan, self._contract, self._processes = plan, contract, processes
        self._world = make_world(plan.source, plan.seed)
        self._records = {name: CameraRecord() for name in NAMES}
        self._standing: dict[str, tuple[str, NDArray[np.float64]]] = {}
        self._changed = threading.Condition()
        self._now_ns = 0
        self._began_ns = 0
        self._listen()
        self._hand = processes.session.node.create_publisher(
            InteractiveMarkerFeedback, "/anyview/steering/feedback", 10
        )

    def run(self) -> LiveRun:
        self._start_processes()
        self._wait(lambda: self._now_ns > 0, START_TIMEOUT_S, "the clock of the rig")
        for camera in self._cameras():
            self._processes.add(camera, START_TIMEOUT_S)
        began, self._began_ns = time.monotonic(), self._now_ns
        end_ns = self._began_ns + round(self._plan.seconds * 1e9)
        timer = self._processes.session.node.create_timer(HAND_PERIOD_S, self._move_hand)
        self._wait(
            lambda: self._now_ns >= end_ns, SLOWEST * self._plan.seconds, "the end of the drive"
        )
        self._processes.session.node.destroy_timer(timer)
        wall_s = time.monotonic() - began
        before = {name: len(record.statuses) for name, record in self._records.items()}
        self._wait(
            lambda: all(len(self._records[n].statuses) > before[n] for n in NAMES), 10.0, "a ledger"
        )
        name = self._contract.name
        seconds = self._plan.seconds
        return LiveRun(self._world, self._records, self._standing, name, seconds, wall_s)

    def _start_processes(self) -> None:
        plan = self._plan
        scale = float(self._world.scene_scale)
        rate = 1 / self._contract.frame_period
        rig: dict[str, Value] = {"seed": plan.seed, "rate": rate, "readers": 1}
        rig |= {"world": plan.source}
        self._processes.start({"model": plan.model, "scene_scale": scale}, rig)

    def _cameras(self) -> list[VirtualCamera]:
        """Return cameras at the rate of the model, from the sources that the node chooses."""
        front = STREET_RIG[0].link_from_cam
        beside = rigid(np.eye(3), (0.0, 1.5, 0.4)) @ front
        ahead = self._world.world_from_link("base", self._now_ns + round(AHEAD_S * 1e9))
        roadside = ahead @ look_at((0.0, -3.0, 2.5), (14.0, 2.0, 0.5))
        self._standing = {VEHICLE: (BASE_FRAME, beside), WORLD: (FIXED_FRAME, roadside)}
        cameras = [self._camera(VEHICLE, *self._standing[VEHICLE])]
        cameras.append(self._camera(WORLD, *self._standing[WORLD]))
        around = VirtualCamera(name=ORBIT, parent_frame=BASE_FRAME)
        turns = (self._plan.seconds + ORBIT_S) / ORBIT_S
        path = orbit(point=(4.0, 0.0, 1.0), radius=9.0, height=4.0, turns=turns, start=math.pi)
        start_ns = max(1, self._now_ns - 10_000_000_000)  # clips reach back
        around.trajectory = pose_messages(path, start_ns, turns * ORBIT_S)
        cameras += [around, self._camera(HAND, BASE_FRAME, front)]
        for camera in cameras:
            camera.rate = 1 / self._contract.frame_period
        return cameras

    def _camera(self, name: str, frame: str, frame_from_cam: NDArray[np.float64]) -> VirtualCamera:
        pose = pose_message(frame_from_cam)
        return VirtualCamera(name=name, parent_frame=frame, pose=pose)

    def _move_hand(self) -> None:
        """Drag the marker from side to side, looking a little inwards."""
        phase = 2 * math.pi * (self._now_ns - self._began_ns) / 1e9 / SWING_S
        side = SWING_M * math.sin(phase)
        front = STREET_RIG[0].link_from_cam
        moved = rigid(np.eye(3), (0.0, side, 0.5)) @ front
        feedback = InteractiveMarkerFeedback(marker_name=HAND, client_id="live_demo")
        feedback.event_type = InteractiveMarkerFeedback.POSE_UPDATE
        feedback.header.frame_id = BASE_FRAME
        feedback.pose = _as_pose(moved)
        self._hand.publish(feedback)

    def _listen(self) -> None:
        node = self._processes.session.node
        node.create_subscription(Clock, CLOCK, self._on_clock, 10)
        node.create_subscription(TFMessage, "/tf", self._on_tf, 100)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        for name in NAMES:
            folder = f"/virtual/{name}"
            node.create_subscription(
                SynthesisInfo, f"{folder}/synthesis_info", self._on_info(name), 50
            )
            node.create_subscription(Image, f"{folder}/image_raw", self._on_image(name), 50)

    def _on_clock(self, message: Clock) -> None:
        with self._changed:
            self._now_ns = stamp_ns(message.clock)
            self._changed.notify_all()

    def _on_info(self, name: str) -> Callable[[SynthesisInfo], None]:
        def note(info: SynthesisInfo) -> None:
            stamp, record = stamp_ns(info.header.stamp), self._records[name]
            record.frames.append(stamp)
            record.latencies.append((stamp / 1e9, info.latency_s))

        return note

    def _on_image(self, name: str) -> Callable[[Image], None]:
        pictures = self._records[name].pictures

        def note(image: Image) -> None:
            stamp = stamp_ns(image.header.stamp)
            if not pictures or stamp >= max(pictures) + PICTURE_NS:
                pictures[stamp] = rgb_from_image(image).copy()

        return note

    def _on_tf(self, message: TFMessage) -> None:
        for transform in message.transforms:
            name = transform.child_frame_id.removesuffix("_optical_frame")
            if name in self._records:
                t, q = transform.transform.translation, transform.transform.rotation
                pose = transform_from_pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
                self._records[name].poses[stamp_ns(transform.header.stamp)] = pose

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._changed:
            for status in message.status:
                _, subject = keys.parts(status) or ("", "")
                name = subject.removeprefix(keys.VIRTUAL_CAMERA)
                values: dict[str, Any] = {pair.key: pair.value for pair in status.values}
                if name in self._records and self._began_ns and keys.RATE_HZ in values:
                    self._records[name].statuses.append((self._now_ns / 1e9, values))
            self._changed.notify_all()

    def _wait(self, holds: Callable[[], bool], timeout_s: float, what: str) -> None:
        def wait_for(limit_s: float) -> bool:
            with self._changed:
                return self._changed.wait_for(holds, limit_s)

        self._processes.wait(wait_for, timeout_s, what)


def _as_pose(base_from_cam: NDArray[np.float64]) -> Pose:
    return pose_message(base_from_cam)
