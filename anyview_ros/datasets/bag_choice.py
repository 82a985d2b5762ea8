"""Which topics of a recording are the cameras', by the names and rules that the node has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from anyview_ros.datasets.bag import Bag, sibling
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import Rectify
from anyview_ros.topics import (
    COMPRESSED,
    COMPRESSED_TYPE,
    GREY_ENCODINGS,
    IMAGE_TYPE,
    INFO_TOPIC,
    OUTPUT,
    camera_choices,
    camera_name,
    encoding_of,
    no_camera,
)

INFO_TYPE = "sensor_msgs/msg/CameraInfo"
VIDEO = ("CompressedVideo", "FFMPEGPacket", "theora_image_transport/msg/Packet")
NO_INFO = ""  # topic of the camera infos of a camera that has a calibration file


@dataclass(frozen=True)
class CameraOptions:
    """Options of one camera, named as the node's parameters `<camera>.*`; empty = not given.

    Args:
        image_topic: of raw or compressed images.
        camera_info_topic: of its camera infos.
        rectify: see `camera_info.declared_rectified`.
        frame_id: the optical frame, whatever images and camera infos say.
        camera_info_url: calibration file, in place of all camera infos.
    """

    image_topic: str = ""
    camera_info_topic: str = ""
    rectify: Rectify | None = None
    frame_id: str = ""
    camera_info_url: str = ""


@dataclass(frozen=True)
class BagOptions:
    """How to take the cameras of a bag.

    Args:
        cameras: names; empty = all that have a camera_info topic.
        fixed_frame: TF frame that becomes the world.
        rectify: see `camera_info.declared_rectified`.
        tf_topics: of the TF tree; empty = of the robot's namespace.
        ignore_frames: whose transforms are left out.
        of_camera: by name.
    """

    cameras: tuple[str, ...] = ()
    fixed_frame: str = "odom"
    rectify: Rectify = "auto"
    tf_topics: tuple[str, ...] = ()
    ignore_frames: tuple[str, ...] = ()
    of_camera: Mapping[str, CameraOptions] = field(default_factory=dict)

    def camera(self, name: str) -> CameraOptions:
        return self.of_camera.get(name, CameraOptions())


def camera_options(texts: list[str]) -> dict[str, CameraOptions]:
    """Options by camera of `front.image_topic:=/front/image_raw` and the like.

    Raises:
        AnyviewError: `invalid_parameter`.
    """
    known = [option.name for option in fields(CameraOptions)]
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, assigned, value = text.partition(":=")
        camera, _, option = name.rpartition(".")
        if not (assigned and camera and option in known):
            raise AnyviewError(
                "invalid_parameter",
                f"a camera's parameter is CAMERA.NAME:=VALUE with NAME one of {', '.join(known)}, "
                f"got '{text}'",
            )
        if option == "rectify" and value not in get_args(Rectify):
            raise AnyviewError(
                "invalid_parameter",
                f"rectify must be one of {', '.join(get_args(Rectify))}, got '{value}'",
            )
        found.setdefault(camera, {})[option] = value
    return {camera: CameraOptions(**options) for camera, options in found.items()}


@dataclass(frozen=True)
class ChosenCamera:
    """The topics of one camera.

    Args:
        topic: of its images, as recorded.
        info_topic: of its camera infos.
        others: image topics that it could have had too.
    """

    topic: str
    info_topic: str
    others: tuple[str, ...] = ()


class CameraChoice:
    """Looks at the first image of each topic: of which kind it is, its name may not say.

    Args:
        bag: open.
        options: see `BagOptions`.

    Attributes:
        no_cameras: image topics that are none, with the reason.
    """

    def __init__(self, bag: Bag, options: BagOptions) -> None:
        self._bag, self._options = bag, options
        self._types = bag.types()
        self.no_cameras: dict[str, str] = {}
        images = (*bag.topics(COMPRESSED_TYPE), *bag.topics(IMAGE_TYPE))
        self._images = [topic for topic in images if OUTPUT not in topic.split("/")[:-1]]

    def cameras(self) -> dict[str, ChosenCamera]:
        """The cameras by name, in the order asked for, else by name.

        Raises:
            AnyviewError: `no_cameras`, `unknown_camera`, `unknown_topic`.
        """
        found = self._found()
        if not found:
            raise AnyviewError("no_cameras", self._why_none())
        for name in (*self._options.cameras, *self._options.of_camera):
            if name not in found:
                raise AnyviewError(
                    "unknown_camera",
                    f"the bag has no camera '{name}'; there are: {', '.join(found)}",
                )
        return {name: found[name] for name in self._options.cameras or sorted(found)}

    def _found(self) -> dict[str, ChosenCamera]:
        recorded = self._usable()
        grey = {topic for topic, (_, encoding) in recorded.items() if encoding in GREY_ENCODINGS}
        given = self._options.of_camera
        infos = {name: o.camera_info_topic for name, o in given.items() if o.camera_info_topic}
        for topic in infos.values():
            self._check_topic(topic, INFO_TYPE)
        infos |= {name: NO_INFO for name, o in given.items() if o.camera_info_url}
        choices = camera_choices(
            recorded, {*self._bag.topics(INFO_TYPE), NO_INFO}, "/", infos, grey
        )
        found = {
            name: ChosenCamera(
                recorded[topics[0]][0],
                infos.get(name, sibling(topics[0], INFO_TOPIC)),
                tuple(recorded[topic][0] for topic in topics[1:]),
            )
            for name, topics in choices.items()
        }
        for name, option in given.items():
            if option.image_topic:
                self._check_topic(option.image_topic, IMAGE_TYPE, COMPRESSED_TYPE)
                base = option.image_topic.removesuffix(COMPRESSED)
                info = infos.get(name, sibling(base, INFO_TOPIC))
                found[name] = ChosenCamera(option.image_topic, info)
        return found

    def _usable(self) -> dict[str, tuple[str, str]]:
        """Recorded topic and encoding of the images that a camera could have made, by raw topic."""
        usable: dict[str, tuple[str, str]] = {}
        for topic in self._images:  # raw images come last, and win
            base = topic.removesuffix(COMPRESSED)
            first = next(self._bag.messages(topic), None)
            encoding = "" if first is None else encoding_of(first)
            if why := no_camera(base, encoding):
                self.no_cameras[topic] = why
            elif first is None:
                self.no_cameras[topic] = "no image of it was recorded"
            else:
                usable[base] = topic, encoding
        return usable

    def _check_topic(self, topic: str, *kinds: str) -> None:
        if topic not in self._types:
            alike = (*self._images, *self._bag.topics(INFO_TYPE))
            raise AnyviewError(
                "unknown_topic",
                f"nothing was recorded on '{topic}'; topics of images and camera infos are: "
                f"{', '.join(alike) or 'none'}",
            )
        if self._types[topic] not in kinds:
            others = [other for kind in kinds for other in self._bag.topics(kind)]
            raise AnyviewError(
                "unknown_topic",
                f"'{topic}' must be of {' or '.join(kinds)}, it is of {self._types[topic]}; "
                f"such topics are: {', '.join(others) or 'none'}",
            )

    def _why_none(self) -> str:
        infos = self._bag.topics(INFO_TYPE)
        videos = [f"{t} ({kind})" for t, kind in self._types.items() if kind.endswith(VIDEO)]
        images = [topic for topic in self._images if topic not in self.no_cameras]
        reasons = [f"not {topic}, {why}" for topic, why in self.no_cameras.items()]
        foreign = [f"{', '.join(topics)} ({e})" for e, topics in self._bag.foreign.items()]
        if images and infos:
            name = camera_name(images[0], "/")
            reasons.append(
                f"no image topic ({', '.join(images)}) has a camera_info topic beside it; camera "
                f"infos are on {', '.join(infos)}: name one, as in "
                f"-p {name}.camera_info_topic:={infos[0]}"
            )
        elif images:
            reasons.append(
                f"images are on {', '.join(images)}, and no camera info was recorded: record both, "
                "or give a calibration file, as in "
                f"-p {camera_name(images[0], '/')}.camera_info_url:=front.yaml"
            )
        if videos:
            reasons.append(
                f"images are video on {', '.join(videos)}: decode them to sensor_msgs/Image first, "
                "as `ros2 run image_transport republish` does, and record those"
            )
        if foreign:
            reasons.append(f"not of ROS 2, and not read: {', '.join(foreign)}")
        topics = ", ".join(sorted(self._types)) or "none"
        return "the bag has no camera: " + ("; ".join(reasons) or f"its topics are: {topics}")


def calibration_path(options: CameraOptions) -> Path | None:
    """Return the path of the calibration file, if one is given; `file://` in front is usual."""
    url = options.camera_info_url.removeprefix("file://")
    return Path(url) if url else None
