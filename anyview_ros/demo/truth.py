"""What a camera of a recording truly saw, by the world that the recording names."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_transforms import TfTrees
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import STANDING_CAMERA
from anyview_ros.imaging.camera_info import camera_from_info
from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.media.stereo_pair import MOTORCYCLE, StereoPair, motorcycle
from anyview_ros.node.simulation.rig_sources import ASSUMED, ASSUMED_POSE
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.world import make_world

WORLD_TYPE = "std_msgs/msg/String"
WORLD_TOPIC = "/world"  # ends with it: the rig's node name is before it


# What a camera at world_from_cam (4, 4) sees at a stamp; None where nobody knows.
Seen = Callable[[Camera, NDArray[np.float64], int], NDArray[np.uint8] | None]


class Truth:
    """What any camera of a bag saw, if the bag names the world it shows.

    Args:
        seen: None where there is no truth.
        origin: which world, or why there is none, for people.
        fixed_frame: TF frame in which the world is given.
        transforms: of the bag.
        note: what was assumed of the world, for people; empty for nothing.
    """

    def __init__(
        self,
        seen: Seen | None,
        origin: str,
        fixed_frame: str,
        transforms: TfTrees,
        note: str = "",
    ) -> None:
        self.origin, self.note = origin, note
        self._seen = seen
        self._fixed_frame = fixed_frame
        self._transforms = transforms

    @classmethod
    def of(cls, bag: Bag) -> Truth:
        named = _world_of(bag)
        if named is None:
            origin = "none: the bag names no procedural world, so nothing can be compared"
            return cls(None, origin, "", TfTrees(bag))
        if named["kind"] == "video":
            origin = (
                f"none: real footage ({named.get('source', '?')}), nobody filmed the virtual views"
            )
            note = ASSUMED_POSE if named.get("pose") == ASSUMED else ""
            return cls(None, origin, "", TfTrees(bag), note)
        try:
            seen, origin = _seen_in(named)
            return cls(seen, origin, str(named["fixed_frame"]), TfTrees(bag))
        except AnyviewError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            origin = f"none: the bag names a world that cannot be made ({error!r})"
            return cls(None, origin, "", TfTrees(bag))

    @property
    def exists(self) -> bool:
        return self._seen is not None

    def image(self, info: Any, topic: str) -> NDArray[np.uint8] | None:
        """Return (H, W, 3) RGB that a camera with this info saw at its stamp; None without truth.

        Args:
            topic: of its images, which says by whose TF it is placed.

        Raises:
            AnyviewError: as `TfTrees.of`, `RecordedTransforms.lookup` and `camera_from_info`;
                `unknown_world`; `missing_scikit_image`.
        """
        if self._seen is None:
            return None
        stamp = stamp_ns(info.header.stamp)
        rectified = camera_from_info(info)
        tree = self._transforms.of(topic)
        world_from_frame = tree.lookup(self._fixed_frame, info.header.frame_id, stamp)
        world_from_cam = world_from_frame @ rectified.frame_from_cam
        return self._seen(rectified.camera, world_from_cam, stamp)


def _seen_in(named: dict[str, Any]) -> tuple[Seen, str]:
    """Return a view into the world that a bag names, and where that is known from."""
    if named["kind"] == MOTORCYCLE:
        return _right_eye(motorcycle()), "the right picture of the stereo pair, for its own camera"
    world = make_world(named["kind"], int(named["seed"]))

    def seen(camera: Camera, world_from_cam: NDArray[np.float64], stamp: int) -> NDArray[np.uint8]:
        return render(world.scene_at(stamp), camera, world_from_cam)

    return seen, f"rendered from the world '{named['kind']}', seed {named['seed']}"


def _right_eye(pair: StereoPair) -> Seen:
    """Return a view that knows one picture: that of the right camera."""
    world_from_right = STANDING_CAMERA @ pair.left_from_right

    def seen(
        camera: Camera, world_from_cam: NDArray[np.float64], stamp: int
    ) -> NDArray[np.uint8] | None:
        there = np.allclose(world_from_cam, world_from_right, atol=1e-6)
        return pair.right if there and camera == pair.right_camera else None

    return seen


def _world_of(bag: Bag) -> dict[str, Any] | None:
    for topic in bag.topics(WORLD_TYPE):
        if topic.endswith(WORLD_TOPIC):
            for message in bag.messages(topic):
                with suppress(ValueError):  # a damaged bag, or somebody else's topic
                    named = json.loads(message.data)
                    if isinstance(named, dict) and "kind" in named:
                        return named
    return None
