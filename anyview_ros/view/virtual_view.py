"""What a virtual camera in a recording sees, made by a model in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.source_choice import Candidate, rank_sources, select_complementary
from anyview_ros.engine.keyframes import choose_keyframes
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.trust.coverage import coverage, distances
from anyview_ros.frames import Camera, Clip, View
from anyview_ros.geometry import rays
from anyview_ros.imaging.resize import model_size, resize_camera
from anyview_ros.view.recording import Recording
from anyview_ros.view.wishes import Wish

EXACT, DRAFT = "exact", "draft"
KEYFRAME_SPACING, KEYFRAME_REACH = 5, 200  # instants: as the node, half a second and 20 s at 10 Hz
POINTS = 20_000  # of a surface, about
FAR_M = 100.0  # beyond it is sky


@dataclass(frozen=True)
class VirtualClip:
    """The frames that a virtual camera sees over the clip of a wish.

    Args:
        wish: what was asked for.
        view: where the camera was.
        frames: (T, H, W, 3) uint8 RGB.
        seen: (T,) share, 0 to 1, of what each frame looks at that lies in the sources' images,
            the mean of `coverage`.
        depth: (T, H, W) metres, nan where unknown; (0, H, W) of a model that tells none.
        sources: names of the cameras, with the age of what they saw before.
        speed: `exact` or `draft`.
        seconds: that it took.
    """

    wish: Wish
    view: View
    frames: NDArray[np.uint8]
    seen: NDArray[np.float64]
    depth: NDArray[np.float32]
    sources: tuple[str, ...]
    speed: str
    seconds: float

    def shows(self, wish: Wish, clip: range) -> bool:
        """Whether it is what is wished for, as exact as wished for.

        Args:
            clip: instants of the wish's clip.
        """
        own = self.wish
        return (
            own.instant in clip
            and own.pose.frame == wish.pose.frame
            and np.array_equal(own.pose.frame_from_cam, wish.pose.frame_from_cam)
            and own.hfov == wish.hfov
            and (wish.dragging or self.speed == EXACT)
        )

    def surface(self, k: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return points (N, 3) in the optical frame of what frame k sees, and colours (N, 3)."""
        step = max(1, round(math.sqrt(self.depth[k].size / POINTS)))
        direction, depth = rays(self.view.camera)[::step, ::step], self.depth[k, ::step, ::step]
        points = direction / direction[..., 2:] * depth[..., None]
        known = np.isfinite(depth) & (depth < FAR_M)
        return points[known].astype(np.float32), self.frames[k, ::step, ::step][known]


class Viewer:
    """Makes the clips of virtual cameras.

    Args:
        recording: with clips of a length that the model takes.
        pipeline: the model.
    """

    def __init__(self, recording: Recording, pipeline: Pipeline) -> None:
        self.recording = recording
        self._pipeline = pipeline
        self._contract = pipeline.package.contract

    @property
    def has_draft(self) -> bool:
        """Whether the model has a speed for a camera in the hand."""
        return DRAFT in self._contract.sigmas

    @property
    def scene_scale(self) -> float:
        """Return what the model multiplies metres by."""
        return self._contract.scene_scale

    @property
    def first_camera(self) -> Camera:
        """The first source's camera, whose size virtual cameras have."""
        return self.recording.known(self.recording.names[0], 0).camera

    def view(self, wish: Wish) -> View:
        """Return where a virtual camera is during the clip of a wish.

        Raises:
            AnyviewError: of TF, or `invalid_camera`.
        """
        recording = self.recording
        stamps = map(recording.stamp_ns, recording.clip_of(wish.instant))
        poses = [wish.pose.world_from_cam(recording.world_from, stamp) for stamp in stamps]
        size = self.first_camera
        return View(Camera.from_fov(size.width, size.height, wish.hfov), np.stack(poses))

    def make(self, wish: Wish, cancelled: Callable[[], bool]) -> VirtualClip:
        """Return what the virtual camera of a wish sees.

        Args:
            cancelled: asked at each step.

        Raises:
            AnyviewError: `cancelled`; of TF, of what is recorded, and of `Pipeline.synthesize`.
        """
        start, view = time.perf_counter(), self.view(wish)
        sources, words = self._sources(wish.instant, view)
        speed = DRAFT if wish.dragging and self.has_draft else EXACT
        options = SynthesisOptions(speed=speed, depth=bool(self._contract.sweep_weights))
        made = self._pipeline.synthesize(sources, view, options, cancelled=cancelled)
        seen = self._seen(sources, view)
        seconds = time.perf_counter() - start
        return VirtualClip(wish, view, made.frames, seen, made.depth, words, speed, seconds)

    def _sources(self, instant: int, view: View) -> tuple[list[Clip], tuple[str, ...]]:
        """Return the clips that see most of a view, the first one's stamps count, in words too.

        By the rules of the node: cameras of now, and what they saw before where a model takes
        more sources than there are.
        """
        recording, clip = self.recording, self.recording.clip_of(instant)
        scale, most = self._contract.scene_scale, self._contract.max_sources
        candidates = {}
        for name in recording.names:
            known = [recording.known(name, k) for k in clip]
            poses = np.stack([frame.world_from_cam for frame in known])
            candidates[name] = Candidate(View(known[0].camera, poses), view)
        best = rank_sources(candidates, scale)[0]
        names = select_complementary(best, candidates, scale, most).names
        clips = [recording.clip(name, clip) for name in names]
        past = list(recording.before(clip[0], KEYFRAME_SPACING, KEYFRAME_REACH))
        found = choose_keyframes(view, clips, past, scale, count=most - len(clips))
        now_ns = clips[0].stamps_ns[-1]
        ages = [f"{key.name} {(now_ns - key.stamp_ns) / 1e9:.1f} s before" for key in found]
        return [*clips, *map(recording.held, found)], (*names, *ages)

    def _seen(self, sources: Sequence[Clip], view: View) -> NDArray[np.float64]:
        size = model_size(self._contract, view.camera)
        camera = resize_camera(view.camera, size, self._contract.pixel_rule)
        along = distances(self._contract.scene_scale)
        instants = zip(*(clip.frames for clip in sources), strict=True)
        shares = [
            coverage(frames, camera, pose, along).mean()
            for frames, pose in zip(instants, view.world_from_cam, strict=True)
        ]
        return np.array(shares)
