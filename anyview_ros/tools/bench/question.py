"""A question to a model with its answer, and the frames a model gives for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import inverse
from anyview_ros.worlds.world import World

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class WorldTruth:
    """What only a rendered world can tell of a question.

    Args:
        world: that was filmed.
        source_xy: (T, H, W, 2) float32, where the point that each target pixel sees lies in the
            source's frame of the same instant, in pixels.
        covisible: (T, H, W) bool, whether that frame shows that point.
        rotation_deg: between the optical axes of source and target at the first frame.
    """

    world: World
    source_xy: NDArray[np.float32]
    covisible: NDArray[np.bool_]
    rotation_deg: float


@dataclass(frozen=True)
class Question:
    """What `target` sees while the source takes `source`, and the truth.

    Args:
        source: T frames of one camera.
        target: T poses, and the size at which frames are compared.
        truth: (T, H, W, 3) uint8.
        scene_scale: multiplies Plücker moments.
        shown: None where the scene was not rendered from a world.
    """

    source: tuple[Frame, ...]
    target: View
    truth: Images
    scene_scale: float
    shown: WorldTruth | None = None

    @property
    def source_images(self) -> Images:
        """(T, H, W, 3)."""
        return np.stack([frame.image for frame in self.source])

    @property
    def source_poses(self) -> NDArray[np.float64]:
        """(T, 4, 4) world_from_cam."""
        return np.stack([frame.world_from_cam for frame in self.source])

    @property
    def source_camera(self) -> Camera:
        return self.source[0].camera

    @property
    def period_ns(self) -> int:
        """Between frames; a second for a single frame."""
        stamps = [frame.stamp_ns for frame in self.source]
        return (stamps[-1] - stamps[0]) // (len(stamps) - 1) if len(stamps) > 1 else 10**9


def windows(total: int, lengths: tuple[int, ...]) -> list[range]:
    """Frames that each call of a model makes, for a clip of `total` frames.

    One call where the model takes that length. Else calls of the longest length that fits, one
    after the other; the last one ends with the clip, so it may make some frames again.

    Raises:
        AnyviewError: `invalid_num_frames` when the clip is shorter than any the model takes.
    """
    fitting = [length for length in lengths if length <= total]
    if not fitting:
        raise AnyviewError(
            "invalid_num_frames",
            f"the model takes clips of {', '.join(map(str, lengths))} frames, this one has {total}",
        )
    length = max(fitting)
    starts = [*range(0, total - length, length), total - length]
    return [range(start, start + length) for start in starts]


def answer(pipeline: Pipeline, question: Question, options: SynthesisOptions) -> Images:
    """(T, H, W, 3): what the model draws, call by call where the clip is longer than its clips.

    Raises:
        AnyviewError: as `windows` and `Pipeline.synthesize`.
    """
    options = replace(options, scene_scale=question.scene_scale)
    frames = np.empty_like(question.truth)
    made = 0
    for window in windows(len(question.source), pipeline.package.contract.frames):
        picked = slice(window.start, window.stop)
        clip = Clip(question.source[picked])
        view = View(question.target.camera, question.target.world_from_cam[picked])
        drawn = pipeline.synthesize([clip], view, options).frames
        frames[made : window.stop] = drawn[made - window.start :]
        made = window.stop
    return frames


def with_pose_of(question: Question, other: Question) -> Question:
    """The target at the place, relative to the source, that another scene's target has."""
    source_from_other = question.source_poses[0] @ inverse(other.source_poses[0])
    poses = source_from_other @ other.target.world_from_cam
    return replace(question, target=View(other.target.camera, poses))


def with_images_of(question: Question, other: Question) -> Question:
    """The source's poses and times with another scene's images."""
    pairs = zip(question.source, other.source, strict=True)
    return replace(question, source=tuple(replace(own, image=o.image) for own, o in pairs))
