"""The transforms of a recording, all of them at once, and why a frame is not placed by them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.transform_buffer import TransformBuffer
from anyview_ros.datasets.bag import Bag
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import stamp_ns

TF_TYPE = "tf2_msgs/msg/TFMessage"
TF, STATIC = "tf", "tf_static"
ALL_NS = 2**62  # nothing is too old
MOST_NAMED = 20  # frames in a text


@dataclass
class Link:
    """A frame and the frames above it, as they were recorded.

    Args:
        parents: usually one; in the order in which they came.
        static: whether the last transform stands for all times.
        count: of transforms.
        first_ns, last_ns: their smallest and largest stamp.
    """

    parents: dict[str, None] = field(default_factory=dict)
    static: bool = False
    count: int = 0
    first_ns: int = ALL_NS
    last_ns: int = 0

    def add(self, parent: str, stamp: int, static: bool) -> None:
        """Count one more transform."""
        self.parents[parent] = None
        self.static, self.count = static, self.count + 1
        self.first_ns, self.last_ns = min(self.first_ns, stamp), max(self.last_ns, stamp)


class RecordedTransforms:
    """One TF tree of a recording. Transforms that are none are left out, as the node does.

    Args:
        bag: open.
        topics: of the tree; of no other bag's frames.
        ignored: frames whose transforms are left out, from and to them.
        standing: every frame stays where its first transform puts it: then memory does not grow
            with the recording.
    """

    def __init__(
        self,
        bag: Bag,
        topics: Iterable[str],
        ignored: Iterable[str] = (),
        standing: bool = False,
    ) -> None:
        self._bag, self._standing = bag, standing
        self.topics = tuple(sorted(topics))
        self._buffer = TransformBuffer(ALL_NS)
        self._refused: dict[str, str] = {}  # why, by child frame
        self.links: dict[str, Link] = {}  # by child frame
        self._fixed = 0
        self._ignored = frozenset(ignored)
        for topic in self.topics:
            static = topic.endswith(f"/{STATIC}")
            for message in bag.messages(topic):
                self._fixed += static
                for transform in message.transforms:
                    self._insert(transform, static)

    def _insert(self, transform: Any, static: bool) -> None:
        parent = transform.header.frame_id.removeprefix("/")
        child = transform.child_frame_id.removeprefix("/")
        if {parent, child} & self._ignored:
            return
        try:
            if not self._standing:
                self._buffer.insert(transform, static)
            elif child not in self.links:
                self._buffer.insert(transform, static=True)
        except AnyviewError as error:
            self._refused[child] = error.message
        else:
            link = self.links.setdefault(child, Link())
            link.add(parent, stamp_ns(transform.header.stamp), static)

    def frames(self) -> tuple[str, ...]:
        """Names of all frames, sorted."""
        return self._buffer.frames()

    def lookup(self, target_frame: str, source_frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """(4, 4) target_from_source at a time.

        Raises:
            AnyviewError: as `TransformBuffer.lookup`, with what the recording lacks.
        """
        try:
            return self._buffer.lookup(target_frame, source_frame, stamp_ns)
        except AnyviewError as error:
            if error.code == "tf_unknown_frame":
                said = f"no frame '{source_frame}' in the recorded TF"
            elif error.code == "tf_disconnected":
                said = f"no recorded transforms connect '{source_frame}' to '{target_frame}'"
            else:
                raise
            raise AnyviewError(
                error.code,
                f"{said}, frames there are: {self.named()}; {self._why(source_frame)}",
            ) from None

    def named(self) -> str:
        """Some of the frames, for people."""
        frames = self.frames()
        more = f" and {len(frames) - MOST_NAMED} more" if len(frames) > MOST_NAMED else ""
        return (", ".join(frames[:MOST_NAMED]) or "none") + more

    def chain(self, frame: str) -> list[str]:
        """Return a frame and those above it, up to the top or around a loop."""
        passed: list[str] = []
        while frame not in passed:
            passed.append(frame)
            if frame in self.links:
                frame = next(iter(self.links[frame].parents))
        return passed

    def _why(self, frame: str) -> str:
        """Return what is known to be wrong on the way up from a frame."""
        passed: list[str] = []
        while frame not in passed:
            passed.append(frame)
            if frame in self._refused:
                return f"its transform was refused: {self._refused[frame]}"
            parents = list(self.links[frame].parents) if frame in self.links else []
            if len(parents) > 1:
                return (
                    f"'{frame}' has {len(parents)} parents, {', '.join(parents)}: leave one out "
                    f"with --ignore-frames {parents[-1]}"
                )
            if parents:
                frame = parents[0]
        if not self._fixed and self._bag.damage:
            return "what says so may be among what cannot be read"
        if not self._fixed:
            return (
                f"no /tf_static is in this recording (TF: {', '.join(self.topics) or 'none'}): "
                "the first file of a split bag has it, or another topic (--tf-topics)"
            )
        return f"nothing above '{frame}' was recorded"


class TfTrees:
    """The TF trees of a recording: of several robots each has its own, by its namespace.

    Args:
        bag: open.
        topics: those of the only tree that is taken; empty = by namespace.
        ignored, standing: see `RecordedTransforms`.
    """

    def __init__(
        self,
        bag: Bag,
        topics: Iterable[str] = (),
        ignored: Iterable[str] = (),
        standing: bool = False,
    ) -> None:
        self._bag, self._ignored, self._standing = bag, tuple(ignored), standing
        recorded = bag.topics(TF_TYPE)
        self._by_namespace: dict[str, list[str]] = {}
        for topic in topics or recorded:
            namespace, _, name = topic.rpartition("/")
            if topics:
                self._by_namespace.setdefault("", []).append(topic)
            elif name in (TF, STATIC):
                self._by_namespace.setdefault(namespace, []).append(topic)
        for topic in topics:
            if topic not in recorded:
                raise AnyviewError(
                    "unknown_topic",
                    f"no transforms were recorded on '{topic}'; topics of TF are: "
                    f"{', '.join(recorded) or 'none'}",
                )
        self._trees: dict[str, RecordedTransforms] = {}

    def namespace(self, topic: str) -> str:
        """Whose TF places the camera of a topic: the nearest above it, else the only one there is.

        Raises:
            AnyviewError: `ambiguous_tf`.
        """
        above = [n for n in self._by_namespace if topic.startswith(f"{n}/")]
        if above:
            return max(above, key=len)
        if len(self._by_namespace) > 1:
            raise AnyviewError(
                "ambiguous_tf",
                f"several TF trees were recorded, none of them above '{topic}': "
                f"{self}; name the topics of one with --tf-topics",
            )
        return next(iter(self._by_namespace), "")

    def topics(self, topic: str) -> list[str]:
        """Return the topics of the tree that places the camera of a topic.

        Raises:
            AnyviewError: `ambiguous_tf`.
        """
        return sorted(self._by_namespace.get(self.namespace(topic), []))

    def others(self, topics: Collection[str]) -> list[str]:
        """Return the topics of the trees, but for these."""
        every = (topic for own in self._by_namespace.values() for topic in own)
        return sorted(set(every) - set(topics))

    def of(self, topic: str) -> RecordedTransforms:
        """The tree that places the camera of a topic.

        Raises:
            AnyviewError: `ambiguous_tf`.
        """
        namespace = self.namespace(topic)
        if namespace not in self._trees:
            topics = self.topics(topic)
            self._trees[namespace] = RecordedTransforms(
                self._bag, topics, self._ignored, self._standing
            )
        return self._trees[namespace]

    @property
    def count(self) -> int:
        return len(self._by_namespace)

    def __str__(self) -> str:
        return ", ".join(topic for topics in self._by_namespace.values() for topic in topics)
