"""The frame tree of the robot: /tf and /tf_static, over tf2 where it is installed."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.callback_groups import CallbackGroup
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.time import Time
from tf2_msgs.msg import TFMessage

from anyview_ros.clips.transform_buffer import (
    TransformBuffer,
    disconnected,
    invalid_frame,
    tf_loop,
    unknown_frame,
)
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import transform_from_pose
from anyview_ros.imaging.message_fields import JUMP_NS, seconds, stamp_ns
from anyview_ros.node import qos_overrides
from anyview_ros.node.qos_matching import mismatch
from anyview_ros.node.steady_clock import STEADY

TF_QOS = QoSProfile(  # as tf2_ros::TransformListener
    depth=100, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)
ANY_QOS = QoSProfile(  # matches every publisher
    depth=100, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
)
AGAIN_S = 0.5  # from one contradiction to the next that is looked at
FRESH_S = 5.0  # after which a contradiction is over
APART_M, APART_RAD = 1e-3, 1e-3  # less is rounding
PUBLISHERS_PERIOD_S = 1.0  # between two looks at who publishes TF, and how
TF_STATIC_QOS = QoSProfile(
    depth=100,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Transforms(Protocol):
    """What stores transforms and answers for them; both implementations are thread-safe."""

    def insert(self, transform: TransformStamped, static: bool) -> None: ...

    def lookup(
        self, target_frame: str, source_frame: str, stamp_ns: int
    ) -> NDArray[np.float64]: ...

    def frames(self) -> tuple[str, ...]: ...

    def forget(self, frame: str) -> None: ...

    def clear(self) -> None: ...


class Tf2Transforms:
    """tf2's own buffer, with its exceptions named as ours.

    tf2 itself logs when it ignores a transform.

    Args:
        cache_ns: age at which dynamic transforms are forgotten.
    """

    def __init__(self, cache_ns: int) -> None:
        self._tf2: Any = tf2_core()
        self._core: Any = self._tf2.BufferCore(Duration(nanoseconds=cache_ns))

    def insert(self, transform: TransformStamped, static: bool) -> None:
        store = self._core.set_transform_static if static else self._core.set_transform
        store(transform, "anyview")

    def lookup(self, target_frame: str, source_frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) target_from_source; errors as `TransformBuffer.lookup`."""
        try:
            found = self._core.lookup_transform_core(
                target_frame, source_frame, Time(nanoseconds=stamp_ns)
            )
        except self._tf2.TransformException as error:
            raise self._named(error, target_frame, source_frame, stamp_ns) from None
        t, q = found.transform.translation, found.transform.rotation
        return transform_from_pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))

    def frames(self) -> tuple[str, ...]:
        return tuple(sorted(self._core._getFrameStrings()))  # its YAML leaves the roots out

    def forget(self, frame: str) -> None:
        """Do nothing: tf2 forgets all frames or none. It refuses what is older than its cache."""

    def clear(self) -> None:
        self._core.clear()  # keeps static transforms

    def _named(self, error: Exception, target: str, source: str, stamp_ns: int) -> AnyviewError:
        if isinstance(error, self._tf2.InvalidArgumentException):
            return invalid_frame(target if not target or target.startswith("/") else source)
        if isinstance(error, self._tf2.ConnectivityException):
            return disconnected(target, source, self.frames())
        if isinstance(error, self._tf2.LookupException):
            for frame in (target, source):
                if frame not in self.frames():
                    return unknown_frame(frame, self.frames())
            return tf_loop(list(self.frames()))
        code = "tf_waiting" if self._lacks_newer(target, source, stamp_ns) else "tf_expired"
        return AnyviewError(
            code,
            f"need the transform from '{source}' to '{target}' at {seconds(stamp_ns)}; {error}",
        )

    def _lacks_newer(self, target: str, source: str, stamp_ns: int) -> bool:
        try:
            newest = self._core.get_latest_common_time(target, source)
        except self._tf2.TransformException:
            return True  # a link of the chain was cleared and has not come again
        return bool(stamp_ns > newest.nanoseconds)


def tf2_core() -> Any:
    """Return tf2's module in C++, None if it is not installed.

    Debian's python3-tf2 is of ROS 1 and also called tf2_py, but its core has another name.
    """
    try:
        return importlib.import_module("tf2_py._tf2_py")
    except ImportError:
        return None


def stored_transforms(cache_ns: int) -> Transforms:
    """Return tf2's buffer if it is installed, else the stand-in."""
    return Tf2Transforms(cache_ns) if tf2_core() else TransformBuffer(cache_ns)


class FrameTree:
    """Subscribes to /tf and /tf_static. Lookups are for any thread and never wait.

    Clears the dynamic transforms by itself when the stamps of a frame step back by more than a
    second, as they do when a recording loops: tf2 would refuse the new data as old. A frame that
    no lookup went by is forgotten alone: its clock is nobody's business here.

    Publishers whose QoS does not match, as volatile ones of /tf_static, get a subscription of their
    own that does.

    Args:
        node: gets the two subscriptions and a light timer.
        cache_s: age at which dynamic transforms are forgotten; more than any frame buffer's.
        group: callback group of the subscriptions.
    """

    def __init__(self, node: Node, cache_s: float, group: CallbackGroup) -> None:
        self._node = node
        self._transforms = stored_transforms(int(cache_s * 1e9))
        self._newest: dict[str, int] = {}
        self._parents: dict[str, str] = {}
        self._looked_up: set[str] = set()
        self._stray: set[str] = set()
        self._group = group
        self._listeners: list[Callable[[], None]] = []
        self._problem: AnyviewError | None = None
        self._last: dict[str, TransformStamped] = {}  # of /tf, by frame
        self._contradiction: AnyviewError | None = None  # the last, and when it came
        self._contradicted_s = 0.0
        with qos_overrides.checked("/tf"):
            self._subscriptions: list[Subscription] = [
                node.create_subscription(
                    TFMessage,
                    topic,
                    callback,
                    qos,
                    callback_group=group,
                    qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                )
                for topic, callback, qos in (
                    ("/tf", self._on_tf, TF_QOS),
                    ("/tf_static", self._on_tf_static, TF_STATIC_QOS),
                )
            ]
        # Those that some publishers may not match, with what takes their messages.
        self._strict = list(
            zip(self._subscriptions, (self._on_tf, self._on_tf_static), strict=True)
        )
        self._timer = node.create_timer(
            PUBLISHERS_PERIOD_S,
            self._match_publishers,
            callback_group=group,
            clock=STEADY,
        )

    @property
    def implementation(self) -> str:
        """Return "tf2" or "stand-in"."""
        return "tf2" if isinstance(self._transforms, Tf2Transforms) else "stand-in"

    @property
    def problem(self) -> AnyviewError | None:
        """Return what is wrong with TF, for diagnostics.

        Two that place a frame differently at one time, as long as they do; else the last transform
        that was refused.
        """
        if self._contradiction and time.monotonic() - self._contradicted_s < FRESH_S:
            return self._contradiction
        return self._problem

    def lookup(self, target_frame: str, source_frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) target_from_source at a time.

        Raises:
            AnyviewError: as `TransformBuffer.lookup`; `zero_stamp` for a stamp that is not
                positive, which tf2 would take for "the latest".
        """
        if stamp_ns <= 0:
            raise AnyviewError("zero_stamp", f"a transform needs a time above 0, got {stamp_ns}")
        target_from_source = self._transforms.lookup(target_frame, source_frame, stamp_ns)
        self._looked_up.add(target_frame)  # only names that are in TF: others come without end
        self._looked_up.add(source_frame)
        return target_from_source

    def frames(self) -> tuple[str, ...]:
        """Return the names of all frames ever seen, sorted."""
        return self._transforms.frames()

    def on_arrival(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each message of transforms, on the executor's thread."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Do not call a listener any more."""
        self._listeners.remove(listener)

    def reset(self) -> None:
        """Forget dynamic transforms after a clock jump; static ones are never sent again."""
        self._transforms.clear()
        self._newest.clear()
        self._last.clear()

    def close(self) -> None:
        """End the subscriptions and the timer."""
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_tf(self, message: TFMessage) -> None:
        for transform in map(_without_slashes, message.transforms):
            self._watch_for_jump(transform)
            self._watch_for_contradiction(transform)
            self._insert(transform, static=False)
        self._notify()

    def _on_tf_static(self, message: TFMessage) -> None:
        for transform in map(_without_slashes, message.transforms):
            self._parents[transform.child_frame_id] = transform.header.frame_id
            self._insert(transform, static=True)
        self._notify()

    def _match_publishers(self) -> None:
        """Subscribe once more to a topic that has a publisher whose messages cannot arrive."""
        for subscription, callback in tuple(self._strict):
            reason = self._mismatch(subscription)
            if reason:
                self._strict.remove((subscription, callback))
                topic = subscription.topic_name
                weaker = self._node.create_subscription(
                    TFMessage, topic, callback, ANY_QOS, callback_group=self._group
                )
                self._subscriptions.append(weaker)
                self._node.get_logger().warning(
                    f"'{topic}' {reason}; it comes by a weaker subscription from now on, and what "
                    "was sent before is lost"
                )

    def _mismatch(self, subscription: Subscription) -> str:
        """Return which publisher's messages cannot arrive, and why; empty if all can."""
        for publisher in self._node.get_publishers_info_by_topic(subscription.topic_name):
            if policy := mismatch(publisher.qos_profile, subscription.qos_profile):
                return f"of node '{publisher.node_name}' has another QoS ({policy})"
        return ""

    def _watch_for_jump(self, transform: TransformStamped) -> None:
        child, stamp = transform.child_frame_id, stamp_ns(transform.header.stamp)
        self._parents[child] = transform.header.frame_id
        newest = self._newest.get(child, stamp)
        if stamp < newest - JUMP_NS:
            self._step_back(child, f"from {seconds(newest)} to {seconds(stamp)}")
            newest = stamp
        self._newest[child] = max(stamp, newest)

    def _watch_for_contradiction(self, transform: TransformStamped) -> None:
        """Note a transform that places a frame elsewhere than another one of the same time."""
        frame, before = transform.child_frame_id, self._last.get(transform.child_frame_id)
        self._last[frame] = transform
        if before is None or before.header.stamp != transform.header.stamp:
            return
        if self._contradiction and time.monotonic() - self._contradicted_s < AGAIN_S:
            return  # told just now; the graph is not asked for each message of a flood
        if (difference := _difference(before, transform)) and self._is_used(frame):
            self._contradicted_s = time.monotonic()
            self._contradiction = AnyviewError(
                "tf_contradiction",
                f"/tf places '{frame}' twice at {seconds(stamp_ns(transform.header.stamp))}, "
                f"{difference}, and cameras where the later message says; stop one of the nodes "
                f"that publish it, or remap its /tf; on /tf publish {self._senders()}",
            )

    def _senders(self) -> str:
        """Return which nodes publish /tf."""
        publishers = self._node.get_publishers_info_by_topic(self._subscriptions[0].topic_name)
        return ", ".join(sorted({f"'{each.node_name}'" for each in publishers}))

    def _step_back(self, frame: str, times: str) -> None:
        if self._is_used(frame):
            self._node.get_logger().warning(
                f"TF of '{frame}' steps back {times}: forgetting the transforms before",
                throttle_duration_sec=5.0,
            )
            self.reset()
            return
        self._transforms.forget(frame)
        if frame not in self._stray:
            self._stray.add(frame)
            text = f"TF of '{frame}', which no camera uses, steps back {times}"
            self._node.get_logger().info(text)

    def _is_used(self, frame: str) -> bool:
        """Return whether a frame is on a lookup's way to the root; before the first, any may be."""
        if not self._looked_up:
            return True
        for used in tuple(self._looked_up):
            passed: set[str] = set()
            while used not in passed:
                if used == frame:
                    return True
                passed.add(used)
                used = self._parents.get(used, used)
        return False

    def _insert(self, transform: TransformStamped, static: bool) -> None:
        try:
            self._transforms.insert(transform, static)
        except AnyviewError as error:
            self._problem = error

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _difference(one: TransformStamped, other: TransformStamped) -> str:
    """Return how two transforms of a frame differ, in words; empty where they do not."""
    if one.header.frame_id != other.header.frame_id:
        return f"in '{one.header.frame_id}' and in '{other.header.frame_id}'"
    p, q = one.transform.translation, other.transform.translation
    apart_m = math.dist((p.x, p.y, p.z), (q.x, q.y, q.z))
    r, s = one.transform.rotation, other.transform.rotation
    cosine = abs(r.x * s.x + r.y * s.y + r.z * s.z + r.w * s.w)
    apart_rad = 2.0 * math.acos(min(1.0, cosine))
    if apart_m > APART_M or apart_rad > APART_RAD:
        return f"{apart_m:.3f} m and {math.degrees(apart_rad):.1f} degrees apart"
    return ""


def _without_slashes(transform: TransformStamped) -> TransformStamped:
    """Name both frames as TF 2 does; ROS 1 and what bridges from it begin them with a slash."""
    transform.child_frame_id = transform.child_frame_id.removeprefix("/")
    transform.header.frame_id = transform.header.frame_id.removeprefix("/")
    return transform
