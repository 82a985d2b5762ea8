"""The cameras of a recording: when each took images, with which lens, and where it was."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.bag import Bag, RecordedMessage, sibling
from anyview_ros.datasets.bag_transforms import recorded_transforms
from anyview_ros.datasets.scene_plan import Shot
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import Rectify, lens_from_info
from anyview_ros.imaging.lenses import Lens
from anyview_ros.imaging.message_fields import JUMP_NS, seconds
from anyview_ros.topics import COMPRESSED, INFO_TOPIC

Lookup = Callable[[str, str, int], NDArray[np.float64]]  # TransformBuffer.lookup


@dataclass(frozen=True)
class BagOptions:
    """How to take the cameras of a bag.

    Args:
        cameras: names; empty = all that have a camera_info topic.
        fixed_frame: TF frame that becomes the world.
        rectify: see `camera_info.declared_rectified`.
    """

    cameras: tuple[str, ...] = ()
    fixed_frame: str = "odom"
    rectify: Rectify = "auto"


@dataclass(frozen=True)
class Infos:
    """The camera infos of one camera.

    Args:
        topic: of the images.
        rectify: see `camera_info.declared_rectified`.
        stamps_ns: increasing.
        messages: in that order.
    """

    topic: str
    rectify: Rectify
    stamps_ns: Sequence[int]
    messages: Sequence[Any]

    def lens(self, stamp_ns: int, frame_id: str) -> Lens:
        """Of the info with this stamp, else of the last before it, else of the first.

        Raises:
            AnyviewError: `no_camera_info`, `frame_id_mismatch`; those of `lens_from_info`.
        """
        if not self.messages:
            raise AnyviewError("no_camera_info", f"no camera info was recorded for '{self.topic}'")
        info = self.messages[max(bisect_right(self.stamps_ns, stamp_ns) - 1, 0)]
        if info.header.frame_id != frame_id:
            raise AnyviewError(
                "frame_id_mismatch",
                f"image and camera info must name one frame, got '{frame_id}' and "
                f"'{info.header.frame_id}'",
            )
        return lens_from_info(info, self.rectify, self.topic)


class BagCamera:
    """One camera of a recording.

    Args:
        topic: of its images.
        stamps_ns: increasing.
        frames: name of the optical frame by stamp.
        infos: see `Infos`.
        lookup: target_from_source of the recorded transforms.
        fixed_frame: the world.
    """

    def __init__(
        self, topic: str, frames: dict[int, str], infos: Infos, lookup: Lookup, fixed_frame: str
    ) -> None:
        self.topic = topic
        self.stamps_ns = sorted(frames)
        self._frames = frames
        self._infos = infos
        self._lookup = lookup
        self._fixed_frame = fixed_frame

    def shot(self, stamp_ns: int) -> Shot:
        """The frame of a stamp.

        Raises:
            AnyviewError: those of `Infos.lens` and `TransformBuffer.lookup`.
        """
        frame = self._frames[stamp_ns]
        lens = self._infos.lens(stamp_ns, frame)
        world_from_frame = self._lookup(self._fixed_frame, frame, stamp_ns)
        return Shot(stamp_ns, lens, world_from_frame @ lens.rectified.frame_from_cam)


def bag_cameras(bag: Bag, options: BagOptions) -> dict[str, BagCamera]:
    """The cameras of a bag by name, in the order asked for, else by name.

    Raises:
        AnyviewError: `no_cameras`, `unknown_camera`, `no_images`, `clock_jump`,
            `tf_unknown_frame` for the fixed frame.
    """
    topics = _chosen(bag, options.cameras)
    transforms = recorded_transforms(bag)
    if options.fixed_frame not in transforms.frames():
        raise AnyviewError(
            "tf_unknown_frame",
            f"the fixed frame '{options.fixed_frame}' is not in the recorded TF, frames there "
            f"are: {', '.join(transforms.frames()) or 'none'}; name one that does not move "
            "(--fixed-frame)",
        )
    frames = _frames(bag, set(topics.values()))
    return {
        name: BagCamera(
            topic,
            frames[topic],
            _infos(bag, topic, options.rectify),
            transforms.lookup,
            options.fixed_frame,
        )
        for name, topic in topics.items()
    }


def _chosen(bag: Bag, names: Sequence[str]) -> dict[str, str]:
    """Image topic by camera."""
    topics = bag.camera_topics()
    if not topics:
        raise AnyviewError(
            "no_cameras",
            "no image topic of the bag (raw or compressed) has a camera_info topic beside it; "
            "record both",
        )
    for name in names:
        if name not in topics:
            raise AnyviewError(
                "unknown_camera", f"the bag has no camera '{name}'; there are: {', '.join(topics)}"
            )
    return {name: topics[name] for name in names or topics}


def _frames(bag: Bag, topics: set[str]) -> dict[str, dict[int, str]]:
    """Optical frame by stamp, by topic, read in one go."""
    frames: dict[str, dict[int, str]] = {topic: {} for topic in topics}
    newest: Counter[str] = Counter()
    for image in bag.recorded(topics):
        _check_clock(image, newest[image.topic])
        newest[image.topic] = max(newest[image.topic], image.stamp_ns)
        if image.stamp_ns > 0:  # 0 is "not set": nobody knows when the image was taken
            frames[image.topic].setdefault(image.stamp_ns, image.frame_id)
    for topic, stamps in frames.items():
        if not stamps:
            raise AnyviewError(
                "no_images", f"no image with a stamp was recorded on '{topic}'; leave it out"
            )
    return frames


def _check_clock(image: RecordedMessage, newest_ns: int) -> None:
    if 0 < image.stamp_ns < newest_ns - JUMP_NS:
        raise AnyviewError(
            "clock_jump",
            f"stamps of '{image.topic}' jump back from {seconds(newest_ns)} to "
            f"{seconds(image.stamp_ns)}: a loop or a restart was recorded; split the bag there",
        )


def _infos(bag: Bag, topic: str, rectify: Rectify) -> Infos:
    info_topic = sibling(topic.removesuffix(COMPRESSED), INFO_TOPIC)
    recorded = sorted(bag.recorded({info_topic}), key=lambda info: info.stamp_ns)
    stamps = [info.stamp_ns for info in recorded]
    return Infos(topic, rectify, stamps, [bag.message(info) for info in recorded])
