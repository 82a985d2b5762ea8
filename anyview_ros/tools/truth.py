"""What a camera of a recording truly saw, rendered from the world that the recording names."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.robot.messages import camera_from_info, stamp_ns
from anyview_ros.robot.transform_buffer import TransformBuffer
from anyview_ros.tools.bag import Bag
from anyview_ros.worlds.raycast import render
from anyview_ros.worlds.world import World, make_world

WORLD_TYPE = "std_msgs/msg/String"
WORLD_TOPIC = "/world"  # ends with it: the rig's node name is before it
ALL_NS = 2**62  # a recording's transforms are kept whole


class Truth:
    """Renders any camera of a bag, if the bag says which procedural world it shows.

    Args:
        world: None where there is no truth.
        origin: which world, or why there is none, for people.
        fixed_frame: TF frame in which the world is given.
        transforms: every transform of the bag.
    """

    def __init__(
        self, world: World | None, origin: str, fixed_frame: str, transforms: TransformBuffer
    ) -> None:
        self.origin = origin
        self._world = world
        self._fixed_frame = fixed_frame
        self._transforms = transforms

    @classmethod
    def of(cls, bag: Bag) -> Truth:
        named = _world_of(bag)
        if named is None:
            origin = "none: the bag names no procedural world, so nothing can be compared"
            return cls(None, origin, "", TransformBuffer(ALL_NS))
        if named["kind"] == "video":
            origin = f"none: real footage ({named['source']}), nobody filmed the virtual views"
            return cls(None, origin, "", TransformBuffer(ALL_NS))
        world = make_world(named["kind"], int(named["seed"]))
        origin = f"rendered from the world '{named['kind']}', seed {named['seed']}"
        return cls(world, origin, named["fixed_frame"], _transforms_of(bag))

    @property
    def exists(self) -> bool:
        return self._world is not None

    def image(self, info: Any) -> NDArray[np.uint8] | None:
        """(H, W, 3) RGB that the camera of this camera info saw at its stamp; None without truth.

        Raises:
            AnyviewError: as `TransformBuffer.lookup` and `camera_from_info`.
        """
        if self._world is None:
            return None
        stamp = stamp_ns(info.header.stamp)
        rectified = camera_from_info(info)
        world_from_frame = self._transforms.lookup(self._fixed_frame, info.header.frame_id, stamp)
        world_from_cam = world_from_frame @ rectified.frame_from_cam
        return render(self._world.scene_at(stamp), rectified.camera, world_from_cam)


def _world_of(bag: Bag) -> dict[str, Any] | None:
    for topic in bag.topics(WORLD_TYPE):
        if topic.endswith(WORLD_TOPIC):
            for message in bag.messages(topic):
                named: dict[str, Any] = json.loads(message.data)
                return named
    return None


def _transforms_of(bag: Bag) -> TransformBuffer:
    buffer = TransformBuffer(ALL_NS)
    for topic in bag.topics("tf2_msgs/msg/TFMessage"):
        for message in bag.messages(topic):
            for transform in message.transforms:
                with suppress(AnyviewError):  # the node counts those in its diagnostics
                    buffer.insert(transform, static=topic.endswith("/tf_static"))
    return buffer
