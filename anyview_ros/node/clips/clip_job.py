"""A clip that is to be made: everything that is known about it before."""

from __future__ import annotations

from dataclasses import dataclass

from anyview_ros.clips.clip_sources import GatheredClip
from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.frames import Clip, View
from anyview_ros.node.inference.served_model import RunningModel
from anyview_ros.node.virtual.virtual_cameras import VirtualCamera


@dataclass(frozen=True)
class ClipJob:
    """A clip that was gathered, for whom, and who makes it.

    Args:
        gathered: its sources and the poses of its target.
        camera: the virtual camera that it is for.
        model: by which it is made.
    """

    gathered: GatheredClip
    camera: VirtualCamera
    model: RunningModel

    @property
    def spec(self) -> ClipSpec:
        return self.gathered.spec

    @property
    def names(self) -> tuple[str, ...]:
        return self.gathered.names

    @property
    def clips(self) -> tuple[Clip, ...]:
        return self.gathered.clips

    @property
    def target(self) -> View:
        return self.gathered.target

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        return self.gathered.stamps_ns

    @property
    def newest_ns(self) -> int:
        return self.gathered.newest_ns
