"""Names and types of topics, and which cameras they are."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Literal

Transport = Literal["raw", "compressed"]  # how images travel

IMAGE_TYPE, COMPRESSED_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO_TOPIC = "camera_info"
COMPRESSED = "/compressed"  # below the topic of the raw images, as image_transport has it
OUTPUT = "virtual"  # topics below it are made by nodes like this one


def cameras_of(
    image_topics: Iterable[str], all_topics: Container[str], namespace: str
) -> dict[str, str]:
    """Topic of the raw images of each camera by name: those with a camera_info beside them.

    A camera is named by the namespace of its topics, relative to the node's own: `/front/image_raw`
    is `front`, `/rig/front/image_raw` is `rig_front`. Of several topics beside one camera_info a
    rectified one is taken, then the first by name.
    """
    found: dict[str, str] = {}
    for topic in sorted(image_topics, key=lambda topic: ("rect" not in topic, topic)):
        folder = topic.rpartition("/")[0]
        if f"{folder}/{INFO_TOPIC}" not in all_topics or OUTPUT in folder.split("/"):
            continue
        own = namespace.rstrip("/") + "/"
        name = folder.removeprefix(own).strip("/").replace("/", "_") or "camera"
        found.setdefault(name, topic)
    return found
