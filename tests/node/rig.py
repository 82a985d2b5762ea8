"""Cameras that a test publishes frame by frame, and the node `anyview` as a process beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from anyview_ros.action import SynthesizeClip
from anyview_ros.msg import ClipRequest, ClipResult, SynthesisInfo, VirtualCamera
from anyview_ros.srv import (
    AddVirtualCamera,
    ListVirtualCameras,
    RemoveVirtualCamera,
    Synthesize,
    UpdateVirtualCamera,
)
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.action import ActionClient
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from anyview_ros.frames import Camera, Clip, Frame
from anyview_ros.geometry import BODY_FROM_OPTICAL, quaternion_xyzw, rigid
from anyview_ros.node.messages import image_message, info_message, time_message
from tests.graph import Graph, child, graph

DEADLINE_S = 60.0
NOT_YET = {  # codes of requests that are too early
    *("no_sources", "unknown_source", "empty_buffer"),
    *("too_few_frames", "not_yet", "clip_gap", "tf_waiting"),
}
PERIOD_NS = 100_000_000
START_NS = 1_000_000_000
CAMERA = Camera.from_fov(64, 48, 1.2)
STAYS = QoSProfile(
    depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE
)
OFTEN = ("diagnostics_period_s:=0.1",)  # tests wait for what it says
OUTPUT = {"image_raw": Image, "camera_info": CameraInfo, "synthesis_info": SynthesisInfo}
TRUST = {"coverage": Image, "uncertainty": Image}
SERVICES = {
    "add_virtual_camera": AddVirtualCamera,
    "update_virtual_camera": UpdateVirtualCamera,
    "remove_virtual_camera": RemoveVirtualCamera,
    "list_virtual_cameras": ListVirtualCameras,
    "synthesize": Synthesize,
}


SENT = [START_NS + k * PERIOD_NS for k in range(12)]
END = time_message(SENT[-1])


def world_from_base(stamp_ns: int) -> NDArray[np.float64]:
    """The vehicle drives along x at 5 m/s."""
    return rigid(np.eye(3), (5.0 * stamp_ns / 1e9, 0.5, 0.0))


def base_from_cam(name: str) -> NDArray[np.float64]:
    """Cameras look ahead; the one called left to the left."""
    yaw = np.pi / 2 if name == "left" else 0.0
    turn = [[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
    base_from_body = rigid(turn, (1.0, 0.0, 1.5))
    return np.asarray(base_from_body @ BODY_FROM_OPTICAL)


def picture(name: str, stamp_ns: int) -> NDArray[np.uint8]:
    """(48, 64, 3) uint8, another one for each camera and stamp."""
    rng = np.random.default_rng([len(name), *name.encode(), stamp_ns])
    coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def clip(name: str, stamps_ns: Sequence[int]) -> Clip:
    """What the node should have stored of a camera, before it is resized."""
    return Clip(
        tuple(
            Frame(ns, picture(name, ns), CAMERA, world_from_base(ns) @ base_from_cam(name))
            for ns in stamps_ns
        )
    )


def asked(name: str, **fields: Any) -> ClipRequest:
    """A clip of an added camera, over the last 9 frames of SENT."""
    return ClipRequest(camera=VirtualCamera(name=name), end_time=END, **fields)


def raised_camera(name: str) -> VirtualCamera:
    camera = VirtualCamera(name=name, parent_frame="base_link", sources=["front"])
    camera.pose.position.z = 4.0
    camera.pose.orientation.x, camera.pose.orientation.y = -0.5, 0.5
    camera.pose.orientation.z, camera.pose.orientation.w = -0.5, 0.5
    return camera


class Rig:
    """Publishes cameras and TF as a robot would, at the stamps the test asks for."""

    def __init__(self, opened: Graph, cameras: Sequence[str] = ("front",)) -> None:
        self._node = opened.node
        self._tf = self._node.create_publisher(TFMessage, "/tf", 100)
        self._static = self._node.create_publisher(TFMessage, "/tf_static", STAYS)
        self._clock = self._node.create_publisher(Clock, "/clock", 10)
        self.images = {
            c: self._node.create_publisher(Image, f"/{c}/image_raw", 50) for c in cameras
        }
        self.infos = {
            c: self._node.create_publisher(CameraInfo, f"/{c}/camera_info", 50) for c in cameras
        }
        self._static.publish(
            TFMessage(
                transforms=[
                    transform("base_link", f"{c}_optical_frame", base_from_cam(c), START_NS)
                    for c in cameras
                ]
            )
        )

    def wait_for_node(self, caller: Caller, late_s: float = 0.0) -> None:
        """Return when frames of every camera arrive; `late_s` as in `send_late`.

        A publisher knows its reader before the reader knows the publisher, and what it sends in
        between is lost: so frames of before the tests' stamps are sent until one was received.
        """
        publishers = [self._tf, *self.images.values(), *self.infos.values()]
        wait_for(lambda: all(p.get_subscription_count() for p in publishers), "subscriptions")
        for name in self.images:
            stamp = iter(range(1, START_NS // 2, 1_000_000))

            def received(status: Any, stamp: Iterator[int] = stamp) -> bool:
                self.send_late([next(stamp)], late_s)
                return values_of(status)["buffered"] != "0"

            caller.status(f"camera {name}", received)

    def send(self, stamps_ns: Sequence[int]) -> None:
        """One frame of every camera for each stamp, TF first."""
        self.send_late(stamps_ns, 0.0)

    def send_late(self, stamps_ns: Sequence[int], late_s: float) -> None:
        """As `send`, from cameras whose clock is so far ahead of TF's."""
        for stamp_ns in stamps_ns:
            pose = transform("odom", "base_link", world_from_base(stamp_ns), stamp_ns)
            self._tf.publish(TFMessage(transforms=[pose]))
            stamp = stamp_ns + round(late_s * 1e9)
            for name in self.images:
                frame = f"{name}_optical_frame"
                self.infos[name].publish(info_message(CAMERA, stamp, frame))
                self.images[name].publish(image_message(picture(name, stamp_ns), stamp, frame))

    @property
    def clock_is_heard(self) -> bool:
        return bool(self._clock.get_subscription_count())

    def publish_static(self, transforms: list[TransformStamped]) -> Any:
        """From a publisher of its own, which is returned."""
        publisher = self._node.create_publisher(TFMessage, "/tf_static", STAYS)
        publisher.publish(TFMessage(transforms=transforms))
        return publisher

    def tick(self, stamp_ns: int) -> None:
        """Simulated time."""
        self._clock.publish(Clock(clock=time_message(stamp_ns)))


class Caller:
    """Calls the node's services and action, and reads its diagnostics, from the test's thread."""

    def __init__(self, opened: Graph, node: str = "/anyview") -> None:
        self._graph = opened
        self._diagnostics = opened.listen(DiagnosticArray, "/diagnostics")
        self._clients = {
            name: opened.node.create_client(kind, f"{node}/{name}")
            for name, kind in SERVICES.items()
        }
        self.action = ActionClient(opened.node, SynthesizeClip, f"{node}/synthesize_clip")

    def call(self, service: str, /, **fields: Any) -> Any:
        return result_of(self.call_async(service, **fields))

    def call_async(self, service: str, /, **fields: Any) -> Any:
        client = self._clients[service]
        assert client.wait_for_service(DEADLINE_S), f"{service} is not offered"
        return client.call_async(SERVICES[service].Request(**fields))

    def add(self, camera: VirtualCamera) -> Any:
        return self.call("add_virtual_camera", camera=camera)

    def synthesize(self, request: ClipRequest) -> ClipResult:
        return self.call("synthesize", request=request).result

    def synthesize_when_ready(self, request: ClipRequest) -> ClipResult:
        """Ask again while frames are still on their way into the buffer."""
        deadline = time.monotonic() + DEADLINE_S
        while (result := self.synthesize(request)).code in NOT_YET:
            assert time.monotonic() < deadline, result.message
        return result

    def status(
        self,
        name: str,
        holds: Callable[[Any], bool] = bool,
        node: str = "anyview",
        timeout_s: float = DEADLINE_S,
    ) -> Any:
        """The first diagnostic status `<node>: <name>` made from now on for which something holds.

        One that was on its way already is not asked about, the others once.
        """
        read, seen, found = len(self._diagnostics), [], []

        def came() -> bool:
            nonlocal read
            arrays, read = self._diagnostics[read:], len(self._diagnostics)
            new = [s for array in arrays for s in array.status if s.name == f"{node}: {name}"]
            found.extend(islice(filter(holds, new if seen else new[1:]), 1))
            seen.extend(new)
            return bool(found)

        self._graph.wait_until(came, f"diagnostics of {name}", timeout_s)
        return found[0]

    def listen_to(
        self, request: ClipRequest, topics: Mapping[str, type] = OUTPUT
    ) -> dict[str, list[Any]]:
        """What arrives by topic of the request's camera, from now on and without a gap.

        The first frames after subscribing may be lost, see `Rig.wait_for_node`: so clips are
        asked for until the end of one arrives.
        """
        folder = f"/virtual/{request.camera.name}"
        heard = {
            topic: self._graph.listen(kind, f"{folder}/{topic}") for topic, kind in topics.items()
        }
        while True:
            end = self.synthesize_when_ready(request).stamps[-1]
            came = partial(_ends_with, list(heard.values()), end)
            with suppress(AssertionError):
                self._graph.wait_until(came, "the last frame of a clip", timeout_s=5.0)
                break
        for kept in heard.values():
            kept.clear()
        return heard

    def send_goal(self, request: ClipRequest, feedback: Callable[[Any], None]) -> Any:
        """The accepted goal's handle."""
        assert self.action.wait_for_server(DEADLINE_S)
        goal = SynthesizeClip.Goal(request=request)
        return self.ask(self.action.send_goal_async, goal, lambda m: feedback(m.feedback))

    def ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The answer to a call of an action's client or goal handle."""
        return result_of(self.ask_async(call, *arguments))

    def ask_async(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Makes the call on the executor's thread; returns the future of its answer.

        From another thread rclpy's action client may miss an answer: it arrives while the call
        has not noted its question yet, and is taken for that of somebody else.
        """
        executor = self._graph.node.executor
        assert executor is not None
        return result_of(executor.create_task(call, *arguments))


def _ends_with(lists: list[list[Any]], stamp: Any) -> bool:
    return all(kept and kept[-1].header.stamp == stamp for kept in lists)


def result_of(future: Any, timeout_s: float = DEADLINE_S) -> Any:
    """Wait in the test's thread for a future of the graph's thread."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(timeout_s), f"no answer within {timeout_s} s"
    return future.result()


def wait_for(holds: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Poll what the middleware announces by no event of its own."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        pause.wait(0.02)


def transform(parent: str, name: str, pose: NDArray[np.float64], stamp_ns: int) -> TransformStamped:
    """`pose` is parent_from_child, (4, 4)."""
    message = TransformStamped(child_frame_id=name)
    message.header.frame_id = parent
    message.header.stamp = time_message(stamp_ns)
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = pose[:3, 3]
    q.x, q.y, q.z, q.w = quaternion_xyzw(pose)
    return message


@contextmanager
def anyview(
    domain: int, model: Path, *parameters: str, remap: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """The node as a process of its own; parameters and remappings as `name:=value`."""
    reliable = [f"{camera}.reliability:=reliable" for camera in ("front", "left")]
    chosen = [f"model:={model}", "provider:=cpu", *reliable, *OFTEN, *parameters]
    flags = [word for parameter in chosen for word in ("-p", parameter)]
    flags += [word for rule in remap for word in ("-r", rule)]
    arguments = ["anyview_ros.node.node_process", "--ros-args", *flags]
    with child(arguments, domain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        echo = threading.Thread(target=_echo, args=(process,), daemon=True)
        echo.start()
        yield process


def _echo(process: subprocess.Popen[str]) -> None:
    """Show what the node says where pytest captures it, and keep its pipe from filling."""
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.write(line)


@contextmanager
def live(
    domain: int,
    model: Path,
    *parameters: str,
    cameras: Sequence[str] = ("front",),
    wait: bool = True,
) -> Iterator[tuple[Graph, Rig, Caller]]:
    """A rig, the node, and a caller; the node listens to every camera of the rig by then."""
    with graph(domain) as opened, anyview(domain, model, *parameters):
        rig = Rig(opened, cameras)
        caller = Caller(opened)
        if wait:
            rig.wait_for_node(caller)
        yield opened, rig, caller


def values_of(status: Any) -> dict[str, str]:
    """Key and value of a diagnostic status."""
    return {pair.key: pair.value for pair in status.values}
