"""What the node adds to the engine: the same clip by action and by the pipeline, in turns.

    python -m benchmarks.node_overhead [--model NAME] [--clips 10] [--domain 60]

Beside it three cameras publish 256x144 at 10 Hz with camera info and TF, as a robot does. The
engine runs in a process of its own too, so both have the same machine. Times are wall clock,
medians over the clips; the action's time is the caller's, from sending the goal to its result.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import rclpy
from anyview_ros.action import SynthesizeClip
from anyview_ros.msg import ClipRequest, ClipResult, VirtualCamera
from anyview_ros.srv import AddVirtualCamera
from geometry_msgs.msg import TransformStamped
from rclpy.action import ActionClient
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.node.inference.worker import Worker
from anyview_ros.node.messages import image_message, info_message, time_message
from anyview_ros.node.parameters import NODE_PARAMETERS
from anyview_ros.packages import ModelPackage, find_package, load_package

CAMERA = Camera.from_fov(256, 144, 1.2)
NAMES = ("front", "left", "right")
PERIOD_S = 0.1
DEADLINE_S = 300.0


@dataclass(frozen=True)
class Times:
    """Seconds of one clip: by action, the stages in the node's worker, and the engine alone."""

    action: float
    queue: float
    condition: float
    denoise: float
    decode: float
    engine: float

    @property
    def in_worker(self) -> float:
        return self.condition + self.denoise + self.decode


def main() -> None:
    arguments = _arguments()
    package = load_package(find_package(arguments.model))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    rclpy.init(domain_id=arguments.domain)
    with _node(arguments), _cameras() as caller, _engine(package) as engine:
        times = [_one_clip(caller, engine, seed) for seed in range(arguments.clips + 1)][1:]
    _report(package, times)


def _arguments() -> argparse.Namespace:
    model = next(p.default for p in NODE_PARAMETERS if p.name == "model")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=model, help=f"model package, name or path ({model})")
    parser.add_argument("--clips", type=int, default=10, help="clips that are timed (10)")
    parser.add_argument("--domain", type=int, default=60, help="ROS_DOMAIN_ID (60)")
    return parser.parse_args()


@contextmanager
def _node(arguments: argparse.Namespace) -> Iterator[None]:
    command = [sys.executable, "-m", "anyview_ros.node.node_process", "--ros-args"]
    flags = ["-p", f"model:={arguments.model}", "-p", "provider:=cpu"]
    for name in NAMES:  # the default DDS settings lose images; what is lost is not the question
        flags += ["-p", f"{name}.reliability:=reliable"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(arguments.domain)}
    node = subprocess.Popen([*command, *flags], env=environment)
    try:
        yield
    finally:
        node.terminate()
        node.wait()


class Robot:
    """Publishes three cameras from a thread and calls the node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tf = node.create_publisher(TFMessage, "/tf", 10)
        self._images = {n: node.create_publisher(Image, f"/{n}/image_raw", 10) for n in NAMES}
        self._infos = {n: node.create_publisher(CameraInfo, f"/{n}/camera_info", 10) for n in NAMES}
        rng = np.random.default_rng(0)
        self._pixels = rng.integers(0, 255, (144, 256, 3), dtype=np.uint8)
        self._add = node.create_client(AddVirtualCamera, "/anyview/add_virtual_camera")
        self._action = ActionClient(node, SynthesizeClip, "/anyview/synthesize_clip")
        self._stamps_ns = count(node.get_clock().now().nanoseconds, int(PERIOD_S * 1e9))
        node.create_timer(PERIOD_S, self._publish)

    def add(self, camera: VirtualCamera) -> None:
        assert self._add.wait_for_service(DEADLINE_S)
        answer = _result(self._add.call_async(AddVirtualCamera.Request(camera=camera)))
        assert answer.success, answer.message

    def synthesize(self, request: ClipRequest) -> ClipResult:
        assert self._action.wait_for_server(DEADLINE_S)
        goal = SynthesizeClip.Goal(request=request)
        handle = self._call(self._action.send_goal_async, goal)
        return self._call(handle.get_result_async).result.result

    def _call(self, ask: Any, *arguments: Any) -> Any:
        """The answer; asked for on the executor's thread, for rclpy's action client may miss an
        answer that comes while another thread is still noting the question."""
        executor = self._node.executor
        assert executor is not None
        return _result(_result(executor.create_task(ask, *arguments)))

    def _publish(self) -> None:
        stamp_ns = next(self._stamps_ns)  # a camera's own clock ticks evenly, a busy machine not
        frames = [f"{name}_optical_frame" for name in NAMES]
        self._tf.publish(TFMessage(transforms=[_transform(frame, stamp_ns) for frame in frames]))
        for name, frame in zip(NAMES, frames, strict=True):
            self._infos[name].publish(info_message(CAMERA, stamp_ns, frame))
            self._images[name].publish(image_message(self._pixels, stamp_ns, frame))


@contextmanager
def _cameras() -> Iterator[Robot]:
    node = rclpy.create_node("node_overhead")
    robot = Robot(node)
    thread = threading.Thread(target=_spin, args=(node,), daemon=True)
    thread.start()
    robot.add(VirtualCamera(name="chase", sources=["front"]))
    deadline = time.monotonic() + DEADLINE_S
    while not (answer := robot.synthesize(_request(0))).success:
        assert time.monotonic() < deadline, answer.message
    yield robot
    rclpy.shutdown()
    thread.join()


@contextmanager
def _engine(package: ModelPackage) -> Iterator[Worker]:
    worker = Worker(package, "cpu")
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def _one_clip(robot: Robot, engine: Worker, seed: int) -> Times:
    began = time.perf_counter()
    result = robot.synthesize(_request(seed))
    took = time.perf_counter() - began
    assert result.success, result.message
    info = result.infos[0]
    alone = engine.synthesize(
        [_clip(len(result.stamps))], _view(len(result.stamps)), _options(seed)
    )
    return Times(
        took,
        *(info.queue_s, info.condition_s, info.denoise_s, info.decode_s),
        alone.model_s,
    )


def _report(package: ModelPackage, times: Sequence[Times]) -> None:
    def median(name: str) -> float:
        return 1e3 * float(statistics.median(getattr(t, name) for t in times))

    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"load {os.getloadavg()[0]:.1f}, model {package.contract.name}, {len(times)} clips, ms:")
    for name in ("action", "queue", "condition", "denoise", "decode", "in_worker", "engine"):
        print(f"{name:>10} {median(name):10.1f}")
    for name in ("in_worker", "engine"):
        extra = 1e3 * statistics.median(t.action - getattr(t, name) for t in times)
        print(f"overhead over {name}: {extra:.1f} ms, {100 * extra / median(name):.1f} %")


def _request(seed: int) -> ClipRequest:
    return ClipRequest(camera=VirtualCamera(name="chase"), seed=seed)


def _options(seed: int) -> SynthesisOptions:
    return SynthesisOptions(seed=seed)


def _clip(num_frames: int) -> Clip:
    pixels = np.zeros((144, 256, 3), np.uint8)
    return Clip(tuple(Frame(1 + k * 10**8, pixels, CAMERA, np.eye(4)) for k in range(num_frames)))


def _view(num_frames: int) -> View:
    return View(CAMERA, np.stack([np.eye(4)] * num_frames))


def _transform(frame: str, stamp_ns: int) -> TransformStamped:
    transform = TransformStamped(child_frame_id=frame)
    transform.header.frame_id = "odom"
    transform.header.stamp = time_message(stamp_ns)
    return transform


def _result(future: Any) -> Any:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(DEADLINE_S), "no answer"
    return future.result()


def _spin(node: Node) -> None:
    with suppress(ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()
