"""One camera's subscriptions: a thin shell of rclpy over the camera intake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anyview_ros.clips.frame_buffer import FrameBuffer
from anyview_ros.clips.intake.camera_intake import CameraIntake, OnFrame, ignore_frame
from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.clips.intake.source_health import (
    LARGE_IMAGE_REMEDY,
    SILENT_NS,
    Activity,
    Problem,
    SourceStatus,
)
from anyview_ros.clips.intake.source_options import SourceOptions
from anyview_ros.clips.ledger import Ledger
from anyview_ros.imaging.lenses import RectifiedCamera
from anyview_ros.imaging.message_fields import seconds, stamp_ns
from anyview_ros.node import qos_overrides
from anyview_ros.node.messages import time_message
from anyview_ros.node.qos_matching import mismatch
from anyview_ros.node.steady_clock import STEADY
from anyview_ros.node.transforms.tf import FrameTree
from anyview_ros.topics import COMPRESSED, Transport, encoding_of

IMAGE_DEPTH = 10  # 1 s at 10 Hz, 60 MB at 1080p
RELIABLE_DEPTH = 60  # where no frame may be lost, though a model takes all cores for a second
INFO_DEPTH = 50
RETRY_PERIOD_S = 0.1
LATCH_PERIOD_S = 1.0  # between two looks at who publishes camera infos, and how


class CameraStream:
    """Subscribes to a camera's images and camera infos; frames appear in `buffer`.

    Args:
        node: gets the subscriptions and a light timer.
        options: of this camera.
        config: how frames are stored.
        tree: poses come from here.
        group: mutually exclusive callback group of all that the image thread runs.
        on_epoch: called on that thread with the camera's name and the reason when its header
            stamps jump back by more than a second; its buffer is cleared by then.
        on_frame, now_ns: see `CameraIntake`.
        activity: of all cameras; by itself it has its own.
    """

    def __init__(
        self,
        node: Node,
        options: SourceOptions,
        config: IntakeConfig,
        tree: FrameTree,
        group: CallbackGroup,
        on_epoch: Callable[[str, str], None],
        on_frame: OnFrame = ignore_frame,
        now_ns: Callable[[], int] = time.monotonic_ns,
        activity: Activity | None = None,
    ) -> None:
        self._node = node
        self._intake = CameraIntake(
            options=options,
            config=config,
            lookup=tree.lookup,
            on_epoch=on_epoch,
            now_ns=now_ns,
            on_frame=self._on_frame,
        )
        self._now_ns = now_ns
        self._heard_ns = now_ns()
        self._activity = activity or Activity()
        self._stored_ns = 0
        self._note_frame = on_frame
        self._encoding = ""
        self._tree = tree
        tree.on_arrival(self._intake.retry)
        kind = CompressedImage if options.transport == "compressed" else Image
        with qos_overrides.checked(options.topic):
            self._images = self._subscribe(kind, options.topic, self._on_image, group)
        with qos_overrides.checked(options.info_topic):
            self._infos = [self._subscribe(CameraInfo, options.info_topic, self._on_info, group)]
        self._timer = node.create_timer(
            RETRY_PERIOD_S,
            self._intake.retry,
            callback_group=group,
            clock=STEADY,
        )
        self._latch_timer = node.create_timer(
            LATCH_PERIOD_S, self._follow_latched_infos, callback_group=group, clock=STEADY
        )

    @property
    def name(self) -> str:
        return self._intake.options.name

    @property
    def image_topic(self) -> str:
        """Return the topic of the raw images, where compressed ones are taken too."""
        return self._intake.options.image_topic

    @property
    def encoding(self) -> str:
        """Return that of the first image; empty before one came."""
        return self._encoding

    @property
    def info_topic(self) -> str:
        return self._intake.options.info_topic

    @property
    def buffer(self) -> FrameBuffer:
        return self._intake.buffer

    @property
    def ledger(self) -> Ledger:
        return self._intake.ledger

    @property
    def latest_info(self) -> RectifiedCamera | None:
        """Return the camera at its own size; None before the first image was prepared."""
        last = self._intake.last_camera
        return last[0] if last else None

    @property
    def source_frame_id(self) -> str | None:
        """Return the optical frame that the header of that image names."""
        last = self._intake.last_camera
        return last[1] if last else None

    @property
    def stored_ns(self) -> int:
        """Return when its newest frame was stored, by the activity of all cameras."""
        return self._stored_ns

    def status(self) -> SourceStatus:
        """Return one instant, for diagnostics; problems of the connection come first."""
        status = self._intake.status()
        return replace(status, problems=(*self._connection_problems(), *status.problems))

    def reset(self, reason: str) -> None:
        """Start a new epoch after a clock jump: forget the frames. For any thread."""
        self._intake.reset(reason)

    def close(self) -> None:
        """End the subscriptions and the timer; the buffer stays readable."""
        self._tree.forget(self._intake.retry)
        self._node.destroy_timer(self._timer)
        self._node.destroy_timer(self._latch_timer)
        self._node.destroy_subscription(self._images)
        for subscription in self._infos:
            self._node.destroy_subscription(subscription)

    def _subscribe(
        self,
        message_type: type[Any],
        topic: str,
        callback: Callable[[Any], None],
        group: CallbackGroup,
    ) -> Subscription:
        images = message_type is not CameraInfo
        reliable = images and self._intake.options.reliable
        image_depth = RELIABLE_DEPTH if reliable else IMAGE_DEPTH
        return self._node.create_subscription(
            message_type,
            topic,
            callback,
            QoSProfile(
                depth=image_depth if images else INFO_DEPTH,
                history=HistoryPolicy.KEEP_LAST,
                reliability=(
                    ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
                ),
            ),
            callback_group=group,
            # Diagnostics report mismatches, with what to do.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            # Not the reliability: the camera's parameter `reliability` is its one home.
            qos_overriding_options=qos_overrides.options(
                self._node, topic, QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH
            ),
        )

    def _follow_latched_infos(self) -> None:
        """Receive what a latched publisher sent before; pairing takes an info that comes twice.

        Only where there is one: the others' nodes would warn of a subscription that wants it.
        """
        topic = self._infos[0].topic_name
        lasting = DurabilityPolicy.TRANSIENT_LOCAL
        publishers = self._node.get_publishers_info_by_topic(topic)
        if any(info.qos_profile.durability == lasting for info in publishers):
            self._latch_timer.cancel()
            group = self._latch_timer.callback_group
            self._infos.append(
                self._node.create_subscription(
                    CameraInfo,
                    topic,
                    self._on_info,
                    QoSProfile(depth=1, durability=lasting),
                    callback_group=group,
                    event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
                )
            )

    def _on_image(self, message: Image | CompressedImage) -> None:
        self._heard_ns = self._now_ns()
        self._encoding = self._encoding or encoding_of(message)
        self._bring_to_our_clock(message)
        self._intake.on_image(message)

    def _on_frame(self, source: str, stamp_ns: int, is_changed: bool) -> None:
        self._stored_ns = self._activity.note(self._now_ns())
        self._note_frame(source, stamp_ns, is_changed)

    def _on_info(self, message: CameraInfo) -> None:
        self._bring_to_our_clock(message)
        self._intake.on_info(message)

    def _bring_to_our_clock(self, message: Image | CompressedImage | CameraInfo) -> None:
        """Move the stamp of a message, which is ours alone, to our clock; 0 stays "not set"."""
        offset_ns, stamp = self._intake.options.clock_offset_ns, stamp_ns(message.header.stamp)
        if offset_ns and stamp:
            message.header.stamp = time_message(max(0, stamp + offset_ns))

    def _connection_problems(self) -> Iterator[Problem]:
        topic = self._images.topic_name
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            yield Problem("no_publisher", f"nobody publishes '{topic}'; {self._other_way()}")
            return
        if len(publishers) > 1:
            nodes = ", ".join(sorted(f"'{info.node_name}'" for info in publishers))
            yield Problem(
                "two_publishers",
                f"'{topic}' has {len(publishers)} publishers ({nodes}), whose images mix; stop one "
                "or remap its topic",
            )
        mismatches = [
            reason
            for publisher in publishers
            if (reason := mismatch(publisher.qos_profile, self._images.qos_profile))
        ]
        for reason in mismatches:
            yield Problem(
                "qos_mismatch",
                f"'{topic}': {reason}; set {self.name}.reliability to 'best_effort', which matches "
                "every publisher",
            )
        silent_ns = self._now_ns() - self._heard_ns
        if silent_ns > SILENT_NS and not mismatches:
            yield Problem(
                "no_images",
                f"'{topic}' has a publisher, but no image came for {seconds(silent_ns)}; "
                f"{LARGE_IMAGE_REMEDY}",
            )

    def _other_way(self) -> str:
        """Return what to do while nobody publishes the topic."""
        options = self._intake.options
        transport: Transport = "raw" if options.transport == "compressed" else "compressed"
        topic = options.image_topic + (COMPRESSED if transport == "compressed" else "")
        if self._node.count_publishers(topic):
            return f"'{topic}' is published: set {self.name}.transport to '{transport}'"
        return f"start the camera or fix {self.name}.image_topic"
