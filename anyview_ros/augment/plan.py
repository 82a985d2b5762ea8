"""Whether virtual cameras fit into a recording, before hours are spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from anyview_ros.augment.settings import Settings
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.datasets.bag import Bag, RecordedMessage
from anyview_ros.datasets.bag_choice import BagOptions, CameraChoice, ChosenCamera
from anyview_ros.datasets.bag_transforms import STATIC, TfTrees
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.compression import check_compressed
from anyview_ros.imaging.encodings import check_encoding
from anyview_ros.topics import COMPRESSED_TYPE, OUTPUT

JPEG_SHARE = 0.15  # of a raw image, at the quality that is written; generous


class Plan:
    """Tell what a recording has, and whether the virtual cameras fit into it.

    Args:
        bag: open.
        options: how its cameras are taken.
        requests: the virtual cameras.

    Raises:
        AnyviewError: `no_cameras`, `unknown_camera`, `unknown_topic`, `no_images`,
            `ambiguous_tf`, `same_frame_id`, `name_taken`, `frame_taken`, `unknown_source`,
            `tf_unknown_frame`.
    """

    def __init__(self, bag: Bag, options: BagOptions, requests: Sequence[CameraRequest]) -> None:
        self.bag, self.options, self.requests = bag, options, requests
        choice = CameraChoice(bag, options)
        self.cameras = choice.cameras()
        self.notes = [f"camera {name}: {c.topic}" for name, c in self.cameras.items()]
        self.notes += [f"not a camera: {t}, {why}" for t, why in choice.no_cameras.items()]
        self._firsts = {name: self._first(name, c) for name, c in self.cameras.items()}
        self._frame_ids = {
            name: options.camera(name).frame_id or first.frame_id.removeprefix("/")
            for name, first in self._firsts.items()
        }
        self._check_frame_ids()
        self.tf_topics = self._tree_topics()
        self._check_names()
        self._check_frames()
        self.counts = bag.files.counts()

    @property
    def images(self) -> int:
        """Return how many images the source cameras have, as far as the files say."""
        topics = {camera.topic for camera in self.cameras.values()}
        return sum(self.counts[topic] for topic in topics)

    def tf_topic(self, static: bool) -> str:
        """Return the topic of the tree for frames that stand, or that move."""
        for topic in self.tf_topics:
            if topic.endswith(f"/{STATIC}") == static:
                return topic
        return f"/{STATIC}" if static else "/tf"

    def bytes_added(self, settings: Settings) -> int:
        """Return about how many bytes the virtual cameras' messages will have."""
        share = {"raw": 1.0, "jpeg": JPEG_SHARE, "both": 1 + JPEG_SHARE}[settings.images]
        total = 0.0
        for request in self.requests:
            name = (request.sources or tuple(self.cameras))[0]
            width, height = request.size or self._size(name)
            total += self.counts[self.cameras[name].topic] * (3 * width * height * share + 2048)
        return int(total)

    def left_out(self, only: Sequence[str]) -> frozenset[str]:
        """Return the topics that no pattern matches.

        Args:
            only: patterns, in which * stands for any text; empty = every topic is copied.

        Raises:
            AnyviewError: `unknown_topic` for a pattern that matches none.
        """
        foreign = (topic for topics in self.bag.foreign.values() for topic in topics)
        topics = {*self.bag.types(), *foreign}
        for pattern in only:
            if not any(fnmatchcase(topic, pattern) for topic in topics):
                raise AnyviewError(
                    "unknown_topic",
                    f"--only: nothing was recorded on '{pattern}'; there are: "
                    f"{', '.join(sorted(topics))}",
                )
        if not only:
            return frozenset()
        return frozenset(t for t in topics if not any(fnmatchcase(t, p) for p in only))

    def bytes_copied(self, left_out: frozenset[str]) -> int:
        """Return about how many bytes the messages have that are not left out.

        Each topic's messages are taken to be as large as its first.
        """
        topics = set(self.bag.types()) - left_out
        firsts = {topic: next(iter(self.bag.recorded({topic})), None) for topic in topics}
        return sum(self.counts[t] * len(m.content) for t, m in firsts.items() if m is not None)

    def _first(self, name: str, camera: ChosenCamera) -> RecordedMessage:
        first = next(iter(self.bag.recorded({camera.topic})), None)
        if first is None:
            raise AnyviewError(
                "no_images",
                f"no image was recorded on '{camera.topic}'; leave '{name}' out (--sources)",
            )
        return first

    def _size(self, name: str) -> tuple[int, int]:
        first = self._firsts[name]
        message = self.bag.message(first)
        is_file = first.message_type == COMPRESSED_TYPE
        return check_compressed(message) if is_file else check_encoding(message)

    def _check_frame_ids(self) -> None:
        seen: dict[str, str] = {}
        for name, frame in self._frame_ids.items():
            other = seen.setdefault(frame, name)
            if frame and other != name:
                raise AnyviewError(
                    "same_frame_id",
                    f"'{other}' and '{name}' name one optical frame, '{frame}', and would stand in "
                    f"one place; name that of one of them, as in -p {name}.frame_id:="
                    f"{name}_optical_frame, or leave it out (--sources)",
                )

    def _tree_topics(self) -> list[str]:
        trees = TfTrees(self.bag, self.options.tf_topics)
        found = {name: trees.topics(c.topic) for name, c in self.cameras.items()}
        first = next(iter(found))
        for name, topics in found.items():
            if topics != found[first]:
                raise AnyviewError(
                    "ambiguous_tf",
                    f"'{first}' and '{name}' are placed by different TF trees "
                    f"({', '.join(found[first])}; {', '.join(topics)}); take the cameras of one "
                    "robot (--sources), or name the topics of one tree (--tf-topics)",
                )
        return found[first]

    def _check_names(self) -> None:
        there = self.bag.virtual_cameras()
        taken = {topic.split("/")[-2] for topic in self.bag.types() if f"/{OUTPUT}/" in topic}
        for request in self.requests:
            if request.name in self.cameras or request.name in there or request.name in taken:
                what = "source" if request.name in self.cameras else "virtual"
                raise AnyviewError(
                    "name_taken",
                    f"the bag has a {what} camera '{request.name}' already; name the new one "
                    "otherwise",
                )
            for source in request.sources:
                if source not in self.cameras:
                    raise AnyviewError(
                        "unknown_source",
                        f"camera '{request.name}': no source camera '{source}'; there are: "
                        f"{', '.join(self.cameras)}",
                    )

    def _check_frames(self) -> None:
        """Look for the frames that virtual cameras stand on, as far into TF as is needed."""
        own = {request.frame_id for request in self.requests}
        wanted = {frame for r in self.requests for frame in r.placement.frames if frame}
        missing = {self.options.fixed_frame, *wanted, *self._frame_ids.values()} - {"", *own}
        seen: set[str] = set()
        for is_static, transform in self._all_transforms():
            child = transform.child_frame_id.removeprefix("/")
            seen |= {child, transform.header.frame_id.removeprefix("/")}
            if child in own:
                raise AnyviewError(
                    "frame_taken",
                    f"the bag has a frame '{child}' already; name that camera otherwise",
                )
            if not is_static and missing <= seen:
                return
        if not missing <= seen:
            raise AnyviewError(
                "tf_unknown_frame",
                f"no frame '{sorted(missing - seen)[0]}' in the recorded TF "
                f"({', '.join(self.tf_topics) or 'none was recorded'}), frames there are: "
                f"{', '.join(sorted(seen)) or 'none'}; name one of these in parent_frame, "
                "--fixed-frame or -p CAMERA.frame_id:=FRAME, or record /tf_static too",
            )

    def _all_transforms(self) -> Iterator[tuple[bool, Any]]:
        """Yield whether a transform is static, and it; static ones first."""
        static = {topic: topic.endswith(f"/{STATIC}") for topic in self.tf_topics}
        for topic in sorted(static, key=lambda topic: not static[topic]):
            for message in self.bag.messages(topic):
                for transform in message.transforms:
                    yield static[topic], transform
