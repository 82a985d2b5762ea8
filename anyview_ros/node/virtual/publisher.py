"""The topics of one virtual camera: image, camera info, provenance, trust and depth."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anyview_ros.frames import Camera
from anyview_ros.msg import SynthesisInfo
from anyview_ros.node import qos_overrides
from anyview_ros.node.messages import compressed_message, image_message, info_message

MATCH_TIMEOUT_S = 1.0
POLL_S = 0.01
IDLE_S = 0.1  # how late the end of the topics is noticed
ACKNOWLEDGE_TIMEOUT_S = 2.0
COMPRESSED = "image_raw/compressed"  # where image_transport looks for it
DEPTH = "depth"
TOPICS: dict[str, type[Any]] = {
    "image_raw": Image,
    COMPRESSED: CompressedImage,
    "camera_info": CameraInfo,
    "synthesis_info": SynthesisInfo,
    "coverage": Image,
    "uncertainty": Image,
}


@dataclass(frozen=True)
class PublishedClip:
    """Hold what is published of a synthesized clip.

    Args:
        images: T of (H, W, 3) uint8 RGB.
        stamps_ns: T, those of the first source.
        camera: intrinsics of the images.
        info: provenance of frame k, for its latency in seconds.
        period_s: between two publications at least.
        age_s: of its newest source frame when the clip was ready.
        coverage: (H, W) uint8 of frame k; called only if its topic has subscribers.
        uncertainty: (T, H, W) uint8; (0, H, W) if none is requested.
        depth: (T, H, W) float32 metres, NaN where it is not known; as uncertainty where none was.
        delays_s: T, from when it was ready to the publication of each frame; empty = at once, as
            for a clip that goes to no topic.
    """

    images: Sequence[NDArray[np.uint8]]
    stamps_ns: tuple[int, ...]
    camera: Camera
    info: Callable[[int, float], SynthesisInfo]
    period_s: float
    age_s: float
    coverage: Callable[[int], NDArray[np.uint8]]
    uncertainty: NDArray[np.uint8]
    depth: NDArray[np.float32]
    delays_s: tuple[float, ...] = ()

    def provenance(self, k: int) -> SynthesisInfo:
        """Return what frame k was made from; its latency is that of its planned publication."""
        return self.info(k, self.age_s + (self.delays_s[k] if self.delays_s else 0.0))


class CameraTopics:
    """Publishes clips from a thread of its own, no faster than the sources came.

    A clip is done all at once; sent in a burst, it would overrun every subscriber with a queue
    shorter than the clip.

    Args:
        node: whose namespace the topics lie in.
        name: of the virtual camera.
        frame_id: of its images.
        queue_frames: of each publisher.
        has_depth: whether the model does, so that there is a topic for it.
    """

    def __init__(
        self, node: Node, name: str, frame_id: str, queue_frames: int, has_depth: bool
    ) -> None:
        self._node = node
        self._name = name
        self._frame_id = frame_id
        self._queue_frames = queue_frames
        self._in_use = threading.Lock()  # of the publishers
        self._publishers: dict[str, Publisher] = {}
        with ExitStack() as unless_all:
            unless_all.callback(self._destroy_publishers)
            for topic, kind in TOPICS.items():
                self._publishers[topic] = self._open(topic, kind)
            self.set_depth(has_depth)
            unless_all.pop_all()
        # One clip may wait for the one that is leaving; callers faster than real time wait too.
        self._clips: queue.Queue[PublishedClip] = queue.Queue(maxsize=1)
        self._closing = threading.Event()
        self._never_matched = 0
        self._due = self._planned_end = 0.0
        self._thread = threading.Thread(target=self._run, name=f"publish {name}", daemon=True)
        self._thread.start()

    def set_depth(self, has_depth: bool) -> None:
        """Open or close the topic of depth, by whether the model gives it."""
        with self._in_use:
            if has_depth and DEPTH not in self._publishers:
                opened = self._open(DEPTH, Image)
                self._publishers = {
                    **self._publishers,
                    DEPTH: opened,
                }  # replaced whole: readers need no lock
            elif not has_depth and DEPTH in self._publishers:
                others = dict(self._publishers)
                closed, self._publishers = others.pop(DEPTH), others
                self._node.destroy_publisher(closed)

    @property
    def wants_depth(self) -> bool:
        """Return whether the topic of depth has subscribers."""
        return self._count_listeners(DEPTH) > 0

    @property
    def has_room(self) -> bool:
        """Return whether `publish` would not wait."""
        return not self._clips.full()

    def publish(self, clip: PublishedClip) -> PublishedClip:
        """Reserve the times of a clip behind the one before, and hand it over.

        Waits while one clip is leaving and another is waiting. Returns the clip with its delays.
        """
        planned = self._planned(clip)
        while not self._closing.is_set():
            with suppress(queue.Full):
                self._clips.put(planned, timeout=POLL_S)
                break
        return planned

    def publish_and_close(self, clip: PublishedClip) -> PublishedClip:
        """Publish to present subscribers, wait until they have it, and close.

        Returns the clip with its delays; without, if there are no subscribers.
        """
        if self._known_listeners():
            clip = self.publish(clip)
            while self._clips.unfinished_tasks and self._thread.is_alive():
                self._closing.wait(POLL_S)
            for publisher in self._publishers.values():
                publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGE_TIMEOUT_S))
        self.close()
        return clip

    def close(self) -> None:
        """End the topics; what was not published yet is dropped."""
        self._closing.set()
        self._thread.join()
        self._destroy_publishers()

    def _destroy_publishers(self) -> None:
        with self._in_use:
            for publisher in self._publishers.values():
                self._node.destroy_publisher(publisher)

    def _planned(self, clip: PublishedClip) -> PublishedClip:
        """Take the clip's share of time from now on, and return it with its delays."""
        now = time.monotonic()
        period_s = (
            clip.period_s if self._known_listeners() else 0.0
        )  # there is no subscriber to overrun
        start = max(now, self._planned_end)
        frames = len(clip.stamps_ns)
        self._planned_end = start + frames * period_s
        return replace(clip, delays_s=tuple(start - now + k * period_s for k in range(frames)))

    def _open(self, topic: str, kind: type[Any]) -> Publisher:
        with qos_overrides.checked(f"virtual/{self._name}"):
            name = f"virtual/{self._name}/{topic}"
            return self._node.create_publisher(
                kind,
                name,
                QoSProfile(depth=self._queue_frames, reliability=ReliabilityPolicy.RELIABLE),
                qos_overriding_options=qos_overrides.options(self._node, name),
            )

    def _known_listeners(self) -> int:
        """Return the number of subscribers in the graph, of all topics."""
        return self._count_listeners(*TOPICS, DEPTH)

    def _count_listeners(self, *topics: str) -> int:
        """Return the number of subscribers in the graph, of those of these topics that are open."""
        with self._in_use:
            there = self._publishers if not self._closing.is_set() else {}
            names = [there[topic].topic_name for topic in topics if topic in there]
        return sum(self._node.count_subscribers(name) for name in names)

    def _wait_for_listeners(self) -> None:
        """Wait for subscribers that are known but not connected yet: they would miss frames."""
        deadline = time.monotonic() + MATCH_TIMEOUT_S
        while (missing := self._missing_listeners()) > self._never_matched:
            if time.monotonic() > deadline:
                self._never_matched = missing  # of another QoS: the middleware has warned of it
            if self._closing.wait(POLL_S):
                return
        self._never_matched = missing

    def _missing_listeners(self) -> int:
        with self._in_use:
            matched = sum(p.get_subscription_count() for p in self._publishers.values())
        return self._known_listeners() - matched

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                with suppress(queue.Empty):
                    self._publish_clip(self._clips.get(timeout=IDLE_S))
                    self._clips.task_done()
        except Exception:
            if self._node.context.ok():
                raise
            # else a signal has ended ROS in this process

    def _publish_clip(self, clip: PublishedClip) -> None:
        self._wait_for_listeners()
        pace_s = clip.period_s if self._known_listeners() else 0.0
        for k in range(len(clip.stamps_ns)):
            now = time.monotonic()
            if self._closing.wait(max(0.0, self._due - now)):
                return
            # From when it was due: what waking up takes does not add up to a slower stream.
            self._due = max(self._due, now) + pace_s
            with self._in_use:
                self._publish_frame(clip, k)

    def _publish_frame(self, clip: PublishedClip, k: int) -> None:
        stamp = clip.stamps_ns[k]
        messages: dict[str, Any] = {
            "image_raw": image_message(clip.images[k], stamp, self._frame_id),
            "camera_info": info_message(clip.camera, stamp, self._frame_id),
            "synthesis_info": clip.provenance(k),
        }
        if self._publishers[COMPRESSED].get_subscription_count():
            messages[COMPRESSED] = compressed_message(clip.images[k], stamp, self._frame_id)
        if self._publishers["coverage"].get_subscription_count():
            messages["coverage"] = image_message(clip.coverage(k), stamp, self._frame_id)
        if len(clip.uncertainty):
            messages["uncertainty"] = image_message(clip.uncertainty[k], stamp, self._frame_id)
        if len(clip.depth) and DEPTH in self._publishers:
            messages[DEPTH] = image_message(clip.depth[k], stamp, self._frame_id)
        for topic, message in messages.items():
            self._publishers[topic].publish(message)
