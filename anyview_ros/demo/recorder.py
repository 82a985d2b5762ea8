"""Record every topic to an mcap bag: bytes as they came, definitions and offered QoS with them."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from anyview_ros.demo.definitions import Definitions
from anyview_ros.errors import AnyviewError
from anyview_ros.media.provenance import BAG_KEY, SYNTHETIC, WORDS

SYNTHESIS_INFO = "anyview_ros/msg/SynthesisInfo"
LOOK_PERIOD_S = 0.1
# Python may pause for seconds while other nodes start; what waits here is not lost.
READ_DEPTH = 1000


class Recorder:
    """Records all topics that `node` sees in the graph, new ones as they appear.

    Args:
        node: its executor receives and writes.
        path: folder of the bag.
        on_message: gets the topic and the bytes of every message after it was written.
        wanted: whether a topic is recorded.
        clock: nanoseconds at which a message is logged; of the same time as the stamps, or viewers
            call what is stamped stale.

    Raises:
        AnyviewError: `bag_exists` when `path` is there.
    """

    def __init__(
        self,
        node: Node,
        path: Path,
        on_message: Callable[[str, bytes], None] = lambda topic, serialized: None,
        clock: Callable[[], int] = time.time_ns,
        wanted: Callable[[str], bool] = lambda topic: True,
    ) -> None:
        if path.exists():
            raise AnyviewError("bag_exists", f"'{path}' is there already; give another folder")
        self._node, self._path = node, path
        self._definitions = Definitions()
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self.counts: Counter[str] = Counter()
        self.listened: set[str] = set()
        self._on_message, self._clock = on_message, clock
        self._wanted = wanted
        self._subscriptions: list[Subscription] = []
        self._logged_ns = 0
        self._seen: set[str] = set()
        self._open = True
        self._failed = False  # a message was not written
        self._changed = threading.Condition()
        self._timer = node.create_timer(LOOK_PERIOD_S, self._look)

    def wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for what the recording brings about: `listened` has the topics that are recorded
        from now on, `counts` how many messages of each were."""
        with self._changed:
            return self._changed.wait_for(holds, timeout_s)

    def close(self) -> None:
        """Write the index; messages that come later are left out.

        A bag that could not be written whole is removed.

        Raises:
            OSError: the index could not be written.
        """
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        with self._changed:
            if not self._open:
                return
            self._open = False
            try:
                self._mark_synthetic()
                self._writer.close()
            except OSError:
                if not self._failed:  # else that was told before
                    self._failed = True
                    raise
            finally:
                if self._failed:
                    shutil.rmtree(self._path, ignore_errors=True)

    def _mark_synthetic(self) -> None:
        """Note in the bag's metadata.yaml which of its images no camera has made."""
        origins = [c.topic for c in self._writer.connections if c.msgtype == SYNTHESIS_INFO]
        if origins:
            folders = sorted(topic.rpartition("/")[0] for topic in origins)
            text = f"{WORDS[SYNTHETIC]} All below: {', '.join(folders)}"
            self._writer.set_custom_data(BAG_KEY, text)

    def _look(self) -> None:
        for topic, types in self._node.get_topic_names_and_types():
            hidden = any(part.startswith("_") for part in topic.split("/"))  # insides of actions
            if topic in self._seen or hidden or not self._wanted(topic):
                continue
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                self._seen.add(topic)
                self._follow(topic, types[0], publishers)

    def _follow(self, topic: str, message_type: str, publishers: list[TopicEndpointInfo]) -> None:
        try:
            self._definitions.learn(message_type)
            message_class = _message_class(message_type)
        except (AnyviewError, ImportError) as error:
            self._node.get_logger().warning(f"'{topic}' is not recorded: {error}")
            return
        with self._changed:
            if not self._open:
                return
            connection = self._writer.add_connection(
                topic,
                message_type,
                typestore=self._definitions.typestore,
                offered_qos_profiles=[_offered(p.qos_profile) for p in publishers],
            )
        subscription = self._node.create_subscription(
            message_class,
            topic,
            partial(self._write, connection),
            _requested([p.qos_profile for p in publishers]),
            raw=True,
        )
        self._subscriptions.append(subscription)
        with self._changed:
            self.listened.add(topic)
            self._changed.notify_all()

    def _write(self, connection: Connection, serialized: bytes) -> None:
        with self._changed:
            if self._open:
                # Readers sort by this: messages of one tick of a clock keep their order.
                self._logged_ns = max(self._clock(), self._logged_ns + 1)
                try:
                    self._writer.write(connection, self._logged_ns, serialized)
                except OSError:
                    self._failed = True
                    raise
                self.counts[connection.topic] += 1
                self._on_message(connection.topic, serialized)
                self._changed.notify_all()


def _message_class(message_type: str) -> type:
    package, folder, name = message_type.split("/")
    found: type = getattr(import_module(f"{package}.{folder}"), name)
    return found


def _requested(offered: Sequence[QoSProfile]) -> QoSProfile:
    """Return the strongest QoS that matches every publisher there is."""
    reliable = all(q.reliability == ReliabilityPolicy.RELIABLE for q in offered)
    latched = all(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in offered)
    return QoSProfile(
        depth=READ_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _offered(qos: QoSProfile) -> Qos:
    """Return QoS as rosbag2 stores it, so that a replay offers /tf_static latched again."""
    return Qos(
        history=QosHistory(qos.history.value),
        depth=qos.depth,
        reliability=QosReliability(qos.reliability.value),
        durability=QosDurability(qos.durability.value),
        deadline=_qos_time(qos.deadline.nanoseconds),
        lifespan=_qos_time(qos.lifespan.nanoseconds),
        liveliness=QosLiveliness(qos.liveliness.value),
        liveliness_lease_duration=_qos_time(qos.liveliness_lease_duration.nanoseconds),
        avoid_ros_namespace_conventions=qos.avoid_ros_namespace_conventions,
    )


def _qos_time(nanoseconds: int) -> QosTime:
    return QosTime(nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000)
