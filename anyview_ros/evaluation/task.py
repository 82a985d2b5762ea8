"""A task with its truth, and the frames that a model makes for it."""

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
class Visibility:
    """What the source shows of the points that a target truly sees, from its depth.

    Args:
        source_xy: (T, H, W, 2) float32, where the point that each target pixel sees lies in the
            source's frame of the same instant, in pixels.
        covisible: (T, H, W) bool, whether that frame shows that point.
        hidden: (T, H, W) bool, whether it does not; where the depth is unknown it is neither.
        remembered: (T, H, W) bool, whether the source's camera showed it before, of what is
            hidden now; None where there is no past.
    """

    source_xy: NDArray[np.float32]
    covisible: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    remembered: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Task:
    """What `target` sees while the source takes `source`, and the truth.

    Args:
        source: T frames of one camera.
        target: T poses, and the size at which frames are compared.
        truth: (T, H, W, 3) uint8.
        scene_scale: multiplies Plücker moments.
        memory: clips of T frames beside the source: what its camera saw before.
        visibility: None where no depth is known.
        world: None where the scene was not rendered from one.
    """

    source: tuple[Frame, ...]
    target: View
    truth: Images
    scene_scale: float
    memory: tuple[Clip, ...] = ()
    visibility: Visibility | None = None
    world: World | None = None

    @property
    def source_images(self) -> Images:
        """Return (T, H, W, 3) uint8."""
        return np.stack([frame.image for frame in self.source])

    @property
    def source_poses(self) -> NDArray[np.float64]:
        """Return (T, 4, 4) world_from_cam."""
        return np.stack([frame.world_from_cam for frame in self.source])

    @property
    def source_camera(self) -> Camera:
        return self.source[0].camera

    @property
    def between_axes_deg(self) -> float:
        """Return degrees between the optical axes of source and target at the first frame."""
        axes = self.source_poses[0, :3, 2], self.target.world_from_cam[0, :3, 2]
        return axis_angle_deg(axes[0], axes[1])

    @property
    def period_ns(self) -> int:
        """Return nanoseconds between frames; a second for a single frame."""
        stamps = [frame.stamp_ns for frame in self.source]
        return (stamps[-1] - stamps[0]) // (len(stamps) - 1) if len(stamps) > 1 else 10**9


def windows(total: int, lengths: tuple[int, ...]) -> list[range]:
    """Return the frames that each call of a model makes, for a clip of `total` frames.

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


def answer(pipeline: Pipeline, task: Task, options: SynthesisOptions) -> Images:
    """Return (T, H, W, 3), made call by call if the task is longer than a clip of the model.

    Raises:
        AnyviewError: as `windows` and `Pipeline.synthesize`.
    """
    options = replace(options, scene_scale=task.scene_scale)
    frames = np.empty_like(task.truth)
    past = [clip.frames for clip in task.memory]
    made = 0
    for window in windows(len(task.source), pipeline.package.contract.frames):
        picked = slice(window.start, window.stop)
        clips = [Clip(frames[picked]) for frames in (task.source, *past)]
        view = View(task.target.camera, task.target.world_from_cam[picked])
        drawn = pipeline.synthesize(clips, view, options).frames
        frames[made : window.stop] = drawn[made - window.start :]
        made = window.stop
    return frames


def axis_angle_deg(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return degrees between two unit vectors (3,)."""
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


def with_pose_of(task: Task, other: Task) -> Task:
    """Return the task with the target where another task's is, relative to its source."""
    source_from_other = task.source_poses[0] @ inverse(other.source_poses[0])
    poses = source_from_other @ other.target.world_from_cam
    return replace(task, target=View(other.target.camera, poses))


def with_images_of(task: Task, other: Task) -> Task:
    """Return the task with another task's source images; poses and times stay."""
    pairs = zip(task.source, other.source, strict=True)
    return replace(task, source=tuple(replace(own, image=o.image) for own, o in pairs))
