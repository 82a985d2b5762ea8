"""The cameras that a node subscribes to: named by parameters, or found in the graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.timer import Timer
from rclpy.validate_topic_name import validate_topic_name

from anyview_ros.clips.intake.camera_intake import OnFrame, ignore_frame
from anyview_ros.clips.intake.intake_config import TF_MARGIN_S, IntakeConfig, buffer_limits
from anyview_ros.clips.intake.source_health import Activity
from anyview_ros.clips.intake.source_options import SourceOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.node.parameters import Settings, declare_camera
from anyview_ros.node.sources.camera_stream import CameraStream
from anyview_ros.node.sources.image_thread import ImageGroup, ImageThread
from anyview_ros.node.steady_clock import STEADY
from anyview_ros.node.transforms.fixed_frame import FixedFrame
from anyview_ros.node.transforms.tf import FrameTree
from anyview_ros.topics import (
    COMPRESSED,
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    INFO_TOPIC,
    OUTPUT,
    Transport,
    camera_choices,
    no_camera,
)

DISCOVERY_PERIOD_S = 0.5


class Inputs:
    """Subscriptions to TF and to every source camera, run by a thread of their own.

    Args:
        node: subscribes.
        settings: which cameras, and how.
        config: of the model the frames are for.
        on_epoch: called with a camera's name and the reason when its stamps jumped back.
        on_frame: called for each frame that is stored, see `CameraIntake`.
        now_ns: steady clock by which frames wait for their transforms.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        config: IntakeConfig,
        on_epoch: Callable[[str, str], None],
        on_frame: OnFrame = ignore_frame,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._node = node
        self._settings = settings
        self._config = config
        self._on_epoch = on_epoch
        self._on_frame = on_frame
        self._now_ns = now_ns
        self._activity = Activity()
        self._group = ImageGroup()
        self.tree = FrameTree(node, settings.buffer_s + TF_MARGIN_S, self._group)
        self.fixed = FixedFrame(self.tree, settings.fixed_frame, settings.tf_timeout_s)
        self._streams: dict[str, CameraStream] = {}
        self.refused: dict[str, AnyviewError] = {}
        self.without_effect = config.without_effect
        for name, why in self.without_effect.items():
            node.get_logger().warning(f"parameter '{name}': {why}")
        self._only_compressed: set[str] = set()
        self._no_cameras: set[str] = set()
        self._found: dict[str, str] = {}  # topic by camera, as discovered
        self._depth: dict[str, str] = {}  # encoding by topic, of those that their images gave away
        self._timer: Timer | None = None
        if settings.cameras:
            for name in dict.fromkeys(settings.cameras):
                self._open(name, f"{name}/image_raw")
        else:
            self._discover()
            self._timer = node.create_timer(
                DISCOVERY_PERIOD_S,
                self._discover,
                callback_group=self._group,
                clock=STEADY,
            )
        self._thread = ImageThread(node, self._group)

    def streams(self) -> dict[str, CameraStream]:
        """Return the source cameras by name, as they are now."""
        return dict(self._streams)

    def reset(self, reason: str) -> None:
        """Forget frames and dynamic transforms after a clock jump."""
        self.tree.reset()
        for stream in self.streams().values():
            stream.reset(reason)

    def close(self) -> None:
        """End every subscription."""
        self._thread.stop()
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        for stream in self.streams().values():
            stream.close()
        self.tree.close()

    def _discover(self) -> None:
        self._leave_out_depth()
        topics = dict(self._node.get_topic_names_and_types())
        raw = self._published(topics, IMAGE_TYPE)
        compressed = {
            name.removesuffix(COMPRESSED)
            for name in self._published(topics, COMPRESSED_TYPE)
            if name.endswith(COMPRESSED)
        }
        # A driver announces its topics one by one: raw images may still follow.
        waited_for = (compressed - raw) & self._only_compressed
        self._only_compressed = compressed - raw
        images = raw | waited_for
        found = camera_choices(images - self._depth.keys(), topics, self._node.get_namespace())
        for name in sorted(found.keys() - self._streams.keys() - self.refused.keys()):
            topic, *others = found[name]
            self._found[name] = topic
            self._open(name, topic, "raw" if topic in raw else "compressed")
            if others:
                self._node.get_logger().info(
                    f"camera '{name}' could also be {', '.join(others)}: set {name}.image_topic"
                )
        self._say_what_is_no_camera(images)

    def _leave_out_depth(self) -> None:
        """Close the cameras whose images turned out to be depth; others may take their names.

        Not those that a parameter `<camera>.image_topic` asked for: they are refused by name.
        """
        for name, stream in self.streams().items():
            topic = self._found[name]
            if stream.image_topic == topic and no_camera(topic, stream.encoding):
                self._depth[topic] = stream.encoding
                self._streams = {n: s for n, s in self._streams.items() if n != name}
                stream.close()

    def _say_what_is_no_camera(self, topics: Iterable[str]) -> None:
        """Log once for each topic that is left out, but for virtual cameras'."""
        for topic in sorted(set(topics) - self._no_cameras):
            why = no_camera(topic, self._depth.get(topic, ""))
            if why and OUTPUT not in topic.split("/"):
                self._no_cameras.add(topic)
                self._node.get_logger().info(f"'{topic}' is not a camera: {why}")

    def _published(self, topics: Mapping[str, list[str]], message_type: str) -> set[str]:
        return {
            name
            for name, types in topics.items()
            if message_type in types and self._node.count_publishers(name) > 0
        }

    def _open(self, name: str, image_topic: str, transport: Transport = "raw") -> None:
        try:
            options = self._options(name, image_topic, transport)
            stream = CameraStream(
                node=self._node,
                options=options,
                config=self._config,
                tree=self.tree,
                group=self._group,
                on_epoch=self._on_epoch,
                on_frame=self._on_frame,
                now_ns=self._now_ns,
                activity=self._activity,
            )
        except AnyviewError as error:
            self.refused[name] = error
            self._node.get_logger().error(f"camera '{name}' is not used: {error}")
            return
        self._streams = {**self._streams, name: stream}  # replaced whole: readers need no lock
        self._node.get_logger().info(f"camera '{name}' on {options.topic}")

    def _options(self, name: str, image_topic: str, transport: Transport) -> SourceOptions:
        camera = declare_camera(self._node, name, transport=transport)
        topic = self._resolved(camera.image_topic or image_topic, f"{name}.image_topic")
        info = camera.camera_info_topic or f"{topic.rpartition('/')[0]}/{INFO_TOPIC}"
        return SourceOptions(
            name=name,
            image_topic=topic,
            info_topic=self._resolved(info, f"{name}.camera_info_topic"),
            fixed_frame=self._settings.fixed_frame,
            limits=buffer_limits(self._settings.buffer_s, self._config.frame_period),
            transport=camera.transport,
            reliable=camera.reliability == "reliable",
            rectify=camera.rectify,
            tf_timeout_s=self._settings.tf_timeout_s,
            clock_offset_ns=round(camera.clock_offset_s * 1e9),
        )

    def _resolved(self, topic: str, parameter: str) -> str:
        try:
            validate_topic_name(topic)
        except InvalidTopicNameException as error:
            why = str(error).splitlines()[0].removeprefix("Invalid topic name: ").rstrip(":")
            raise AnyviewError(
                "invalid_parameter",
                f"'{topic}' is no name of a topic ({why}); set '{parameter}' to one",
            ) from None
        return str(self._node.resolve_topic_name(topic))
