"""Names and types of topics, and which cameras they are."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any, Literal

Transport = Literal["raw", "compressed"]  # how images travel

IMAGE_TYPE, COMPRESSED_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO_TOPIC = "camera_info"
COMPRESSED = "/compressed"  # below the topic of the raw images, as image_transport has it
OUTPUT = "virtual"  # topics below it are made by nodes like this one

# Encodings of sensor_msgs/image_encodings whose numbers are no colours, and those without colour.
DEPTH_ENCODINGS = ("16UC1", "32FC1", "64FC1", "16SC1", "32SC1")
GREY_ENCODINGS = ("mono8", "mono16", "8UC1")

# Words of a topic's last name, as image_proc and its users have them.
COLOUR, RECTIFIED = {"color", "colour"}, {"rect", "rectified"}
MONO, DEPTH = {"mono", "grey", "gray"}, {"depth", "disparity"}
ANNOTATED = {
    *("annotated", "annotation", "annotations", "bbox", "bboxes", "boxes", "debug", "detection"),
    *("detections", "drawn", "labels", "mask", "masks", "markers", "overlay", "result", "results"),
    *("segmentation", "tracked", "tracking", "tracks", "visualization", "visualisation"),
}


def cameras_of(
    image_topics: Iterable[str], all_topics: Container[str], namespace: str
) -> dict[str, str]:
    """Return the topic of each camera's raw images by name: the first of `camera_choices`."""
    choices = camera_choices(image_topics, all_topics, namespace)
    return {name: topics[0] for name, topics in choices.items()}


def camera_choices(
    image_topics: Iterable[str],
    all_topics: Container[str],
    namespace: str,
    info_topics: Mapping[str, str] | None = None,
    grey_topics: Container[str] = (),
) -> dict[str, list[str]]:
    """Return the topics of raw images that could be each camera's, in the order of choice.

    They are those with a camera info beside them. Colour comes before grey, and rectified colour
    before raw: `image_rect_color`, `image_color`, `image_rect`, `image_raw`, `image_mono`; where
    image_proc has made grey or colour images too, `image_rect` is the grey one. Pictures in which
    something was drawn, and depth, are no camera's.

    Args:
        info_topics: of cameras whose camera info lies elsewhere, by name.
        grey_topics: those whose images are known to be grey, whatever their names are.
    """
    found: dict[str, list[str]] = {}
    for topic in sorted(image_topics):
        folder = topic.rpartition("/")[0]
        name = camera_name(topic, namespace)
        info = (info_topics or {}).get(name, f"{folder}/{INFO_TOPIC}")
        if info in all_topics and not no_camera(topic):
            found.setdefault(name, []).append(topic)
    for topics in found.values():
        beside = set().union(*map(_words, topics))
        topics.sort(key=lambda topic: (topic in grey_topics, _rank(_words(topic), beside)))
    return found


def camera_name(topic: str, namespace: str) -> str:
    """Return a camera's name: the namespace of its topics, relative to the node's own.

    `/front/image_raw` is `front`, `/rig/front/image_raw` is `rig_front`.
    """
    folder = topic.rpartition("/")[0]
    own = namespace.rstrip("/") + "/"
    return folder.removeprefix(own).strip("/").replace("/", "_") or "camera"


def no_camera(topic: str, encoding: str = "") -> str:
    """Return why a topic's images are no camera's; empty where they may be.

    Args:
        topic: of raw images.
        encoding: of its first image, see `encoding_of`; empty = not known.
    """
    folders, words = topic.split("/")[:-1], _words(topic)
    if OUTPUT in folders:
        return "it is a virtual camera's"
    aligned = any(folder.startswith("aligned_depth") for folder in folders)
    if aligned or (words | set(folders)) & DEPTH:
        return "by its name it is depth"
    if drawn := sorted(words & ANNOTATED):
        return f"by its name something was drawn in it ({drawn[0]})"
    return f"its images are depth ({encoding})" if encoding in DEPTH_ENCODINGS else ""


def encoding_of(message: Any) -> str:
    """Return the encoding of an image; of a compressed one that which it had before.

    Args:
        message: has the fields of sensor_msgs/Image or CompressedImage.
    """
    if hasattr(message, "encoding"):
        return str(message.encoding)
    return str(getattr(message, "format", "")).partition(";")[0].strip()


def _words(topic: str) -> set[str]:
    return set(re.split("[_.-]", topic.rpartition("/")[2].lower()))


def _rank(words: set[str], beside: set[str]) -> int:
    """Return the place in the order of choice; smaller is better."""
    rectified, colour, grey = words & RECTIFIED, words & COLOUR, words & MONO
    if grey:
        return 6
    if colour:
        return 0 if rectified else 1
    if rectified:
        return 5 if beside & (COLOUR | MONO) else 2
    return 3 if "raw" in words or words == {"image"} else 4
