"""A clip that is to be made: everything that is known about it before."""

from __future__ import annotations

from dataclasses import dataclass

from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.clips.source_choice import Keyframe
from anyview_ros.frames import Clip, View
from anyview_ros.node.inference.served_model import RunningModel
from anyview_ros.node.virtual.virtual_cameras import VirtualCamera


@dataclass(frozen=True)
class ClipJob:
    """A clip with its sources and the poses of its target.

    Args:
        spec: what it was cut by.
        camera: the virtual camera that it is for.
        model: by which it is made.
        names: of the source cameras; the first one's stamps are those of the result. That of a
            camera is there again for each of its keyframes, which come last.
        clips: one for each source, at the size stored.
        target: intrinsics and poses of the virtual camera.
        keyframes: what of the past it is made from.
    """

    spec: ClipSpec
    camera: VirtualCamera
    model: RunningModel
    names: tuple[str, ...]
    clips: tuple[Clip, ...]
    target: View
    keyframes: tuple[Keyframe, ...] = ()

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        return self.clips[0].stamps_ns

    @property
    def newest_ns(self) -> int:
        return max(clip.stamps_ns[-1] for clip in self.clips)

    @property
    def memory(self) -> str:
        """Return its keyframes, in words."""
        return ", ".join(key.words(self.stamps_ns[-1]) for key in self.keyframes)
