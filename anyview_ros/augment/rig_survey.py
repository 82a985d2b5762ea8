"""Where the real cameras of a recording are, and with which lenses, at their first images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.plan import Plan
from anyview_ros.augment.reading import PosedFrame, Reading, Tree
from anyview_ros.clips.clip_sources import unknown_source
from anyview_ros.clips.intake.intake_config import BUFFER_S, IntakeConfig
from anyview_ros.contract import Contract
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse


class Rig:
    """The real cameras.

    Args:
        firsts: the first frame of each that could be used, by name.
        tree: of transforms, as far as it was read for them.
        fixed_frame: in which the frames are placed.
    """

    def __init__(self, firsts: Mapping[str, PosedFrame], tree: Tree, fixed_frame: str) -> None:
        self._firsts, self._tree, self._fixed_frame = firsts, tree, fixed_frame

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._firsts)

    def camera(self, name: str) -> Camera:
        """Return a camera at its own size, rectified.

        Raises:
            AnyviewError: `unknown_source`.
        """
        return self._first(name).seen_by.camera

    def frame_from_cam(self, frame: str, name: str) -> NDArray[np.float64]:
        """Return the (4, 4) pose of a camera in a TF frame; empty = the fixed frame.

        Raises:
            AnyviewError: `unknown_source`; those of `TransformBuffer.lookup`.
        """
        first = self._first(name).frame
        if frame in ("", self._fixed_frame):
            return first.world_from_cam
        lookup = self._tree.buffer.lookup
        world_from_frame = lookup(self._fixed_frame, frame, first.stamp_ns)
        return inverse(world_from_frame) @ first.world_from_cam

    def _first(self, name: str) -> PosedFrame:
        if name not in self._firsts:
            raise unknown_source(name, self._firsts)
        return self._firsts[name]


def survey(plan: Plan, contract: Contract, source_size: int) -> Rig:
    """Read a recording until each of its cameras has a frame.

    Args:
        contract: of the model.
        source_size: see `Settings`.

    Raises:
        AnyviewError: those of `Reading.events`.
    """
    config = IntakeConfig.of(contract, source_size)
    reading = Reading(plan.bag, plan.cameras, plan.options, config, plan.tf_topics, BUFFER_S)
    tree = Tree(BUFFER_S)
    firsts: dict[str, PosedFrame] = {}
    for event in reading.events():
        if isinstance(event, PosedFrame):
            firsts.setdefault(event.camera, event)
            if len(firsts) == len(plan.cameras):
                break
        else:
            tree.insert(event)
    return Rig(firsts, tree, plan.options.fixed_frame)
