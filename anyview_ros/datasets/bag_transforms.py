"""The transforms of a recording, all of them at once."""

from __future__ import annotations

from contextlib import suppress

from anyview_ros.clips.transform_buffer import TransformBuffer
from anyview_ros.datasets.bag import Bag
from anyview_ros.errors import AnyviewError

TF_TYPE = "tf2_msgs/msg/TFMessage"
ALL_NS = 2**62  # nothing is too old


def recorded_transforms(bag: Bag) -> TransformBuffer:
    """Every transform of a bag; those that are none are left out, as the node leaves them out."""
    buffer = TransformBuffer(ALL_NS)
    for topic in bag.topics(TF_TYPE):
        for message in bag.messages(topic):
            for transform in message.transforms:
                with suppress(AnyviewError):
                    buffer.insert(transform, static=topic.endswith("/tf_static"))
    return buffer
