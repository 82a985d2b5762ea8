"""The node `sim_rig`: a procedural world, a still or a video as a robot's cameras in ROS.

Publishes `<camera>/image_raw` and `<camera>/camera_info` with equal stamps, /tf before the images
it places, /tf_static, /clock, and `~/world`: which world it is, so that the truth of any
other camera can be rendered.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numba
import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from anyview_ros.errors import AnyviewError
from anyview_ros.media.stereo_pair import MOTORCYCLE
from anyview_ros.node.log_folder import provide_log_folder
from anyview_ros.node.messages import image_message, info_message, time_message, transform_message
from anyview_ros.node.ros_arguments import named_errors
from anyview_ros.node.signals import ENDING, ignore_further_signals
from anyview_ros.node.simulation.rig_parameters import RIG_PARAMETERS, RigParameter, Value
from anyview_ros.node.simulation.rig_sources import (
    ASSUMED_POSE,
    Link,
    Moment,
    Source,
    StillSource,
    VideoSource,
    WorldSource,
    optical_frame,
)
from anyview_ros.node.spinning import spin

# A second of images: what a reader on a busy machine may ask for again.
IMAGES = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
TF = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
CLOCK = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class SimRig(Node):
    """Publishes moments of a source; what it publishes is all it knows."""

    def __init__(self) -> None:
        super().__init__("sim_rig")
        self._values = {p.name: self._declare(p) for p in RIG_PARAMETERS}
        self.period_ns = round(1e9 / float(self._values["rate"]))
        self.source = self._make_source()
        self._images = {c: self._publisher(Image, f"{c}/image_raw") for c in self.source.cameras}
        self._infos = {c: self._publisher(CameraInfo, f"{c}/camera_info") for c in self._images}
        self._clock_publisher = self.create_publisher(Clock, "/clock", CLOCK)
        self._tf = self.create_publisher(TFMessage, "/tf", TF)
        self._latched = [
            self._latch(TFMessage, "/tf_static", tf_message(self.source.static_links, 0)),
            self._latch(String, "~/world", String(data=json.dumps(self.source.world))),
        ]

    def wait_for_readers(self) -> None:
        """Wait until the number of `readers` subscribe to each camera and to /tf."""
        publishers = [*self._images.values(), *self._infos.values(), self._tf]
        while min(p.get_subscription_count() for p in publishers) < int(self._values["readers"]):
            time.sleep(0.02)

    def publish(self, moment: Moment) -> None:
        """Publish the clock, then TF, then each image with its info, so that it can be placed."""
        self.publish_clock(moment.stamp_ns)
        if moment.links:
            self._tf.publish(tf_message(moment.links, moment.stamp_ns))
        for name, image in moment.images.items():
            frame_id, camera = optical_frame(name), self.source.cameras[name]
            self._infos[name].publish(info_message(camera, moment.stamp_ns, frame_id))
            self._images[name].publish(image_message(image, moment.stamp_ns, frame_id))

    def publish_clock(self, stamp_ns: int) -> None:
        self._clock_publisher.publish(Clock(clock=time_message(stamp_ns)))

    def _declare(self, parameter: RigParameter) -> Value:
        default = parameter.default
        try:
            value: Value = self.declare_parameter(
                parameter.name, default, _descriptor(parameter)
            ).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            # A double needs its point: rate:=10 is an integer to ROS.
            raise AnyviewError("invalid_parameter", f"{error}; default: {default}") from None
        return value

    def _make_source(self) -> Source:
        values = self._values
        num_moments = math.ceil(float(values["seconds"]) * 1e9 / self.period_ns)
        if values["source"]:
            video = VideoSource(
                path=Path(str(values["source"])),
                horizontal_fov=math.radians(float(values["hfov"])),
                poses=Path(str(values["poses"])) if values["poses"] else None,
                period_ns=self.period_ns,
                num_moments=num_moments,
            )
            if video.assumes_pose:
                self.get_logger().warning(ASSUMED_POSE)
            return video
        numba.config.NUMBA_NUM_THREADS = int(values["render_threads"])  # type: ignore[attr-defined]
        kind, seed = str(values["world"]), int(values["seed"])
        if kind == MOTORCYCLE:
            return StillSource(self.period_ns, num_moments)
        return WorldSource(kind, seed, self.period_ns, num_moments)

    def _publisher(self, message_type: type, topic: str) -> Publisher:
        overrides = QoSOverridingOptions.with_default_policies()
        return self.create_publisher(message_type, topic, IMAGES, qos_overriding_options=overrides)

    def _latch(self, message_type: type, topic: str, message: object) -> Publisher:
        publisher = self.create_publisher(message_type, topic, LATCHED)
        publisher.publish(message)
        return publisher


def _descriptor(parameter: RigParameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=parameter.meaning, read_only=True)
    low, high = parameter.low, parameter.high
    if isinstance(parameter.default, int):
        span = IntegerRange(from_value=int(low), to_value=int(high), step=1)
        descriptor.integer_range = [span]
    elif isinstance(parameter.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor


class Pacer:
    """Lets a stamp out when the wall clock has moved as far as the stamps have.

    Who is late stays late: the real-time factor falls, no stamp is moved or left out.
    """

    def __init__(self) -> None:
        self._due_s = time.monotonic()
        self._stamp_ns: int | None = None

    def wait_for(self, stamp_ns: int) -> None:
        now_s = time.monotonic()
        step_ns = 0 if self._stamp_ns is None else stamp_ns - self._stamp_ns
        self._due_s = max(self._due_s + step_ns / 1e9, now_s)
        self._stamp_ns = stamp_ns
        time.sleep(self._due_s - now_s)


def play(rig: SimRig, stop: threading.Event) -> None:
    """Publish every moment of the source, then the clock alone."""
    rig.wait_for_readers()
    pacer = Pacer()
    stamp_ns = _play_moments(rig, pacer, stop)
    while not stop.is_set():  # time continues for readers that still work
        stamp_ns += rig.period_ns
        pacer.wait_for(stamp_ns)
        rig.publish_clock(stamp_ns)


def _play_moments(rig: SimRig, pacer: Pacer, stop: threading.Event) -> int:
    """Publish every moment at its time, and return the last stamp."""
    first_ns, stamp_ns, started_s = 0, 0, 0.0
    cameras = ", ".join(rig.source.cameras)
    rig.get_logger().info(
        f"making the first images of {cameras}; a world's renderer is compiled first"
    )
    for moment in rig.source.moments():
        pacer.wait_for(moment.stamp_ns)
        if not first_ns:
            first_ns, started_s = moment.stamp_ns, time.monotonic()
        rig.publish(moment)
        stamp_ns = moment.stamp_ns
        if stop.is_set():
            break
    simulated_s = (stamp_ns - first_ns) / 1e9
    factor = simulated_s / (time.monotonic() - started_s)
    rig.get_logger().info(f"cameras stop after {simulated_s:.1f} s, real-time factor {factor:.2f}")
    return stamp_ns


def tf_message(links: Sequence[Link], stamp_ns: int) -> TFMessage:
    transforms = [
        transform_message(link.parent, link.child, link.parent_from_child, stamp_ns)
        for link in links
    ]
    return TFMessage(transforms=transforms)


@contextmanager
def _answering(node: Node) -> Iterator[None]:
    """Answer the node's parameter services from a thread of their own."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    thread = threading.Thread(target=spin, args=(executor,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        rclpy.try_shutdown()  # wakes the executor, which its own shutdown() does not
        thread.join()


def _stop_on_signals() -> threading.Event:
    """Set by SIGINT and SIGTERM, which also end a sleep of the main thread by KeyboardInterrupt.

    rclpy's own handlers end no sleep; and what is raised alone may get lost in foreign callbacks,
    as those of numba's compiler.
    """
    stop = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        ignore_further_signals()
        stop.set()
        raise KeyboardInterrupt

    for number in ENDING:
        signal.signal(number, interrupt)
    return stop


def main(args: list[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM; a named error is printed and ends with exit status 1."""
    stop = _stop_on_signals()
    try:
        provide_log_folder()
        with named_errors():
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        rig = SimRig()
        with _answering(rig):
            play(rig, stop)
    except AnyviewError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
