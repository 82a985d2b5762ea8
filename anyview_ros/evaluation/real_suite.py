"""Real pictures with a true second view, from packages that are installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.covisible import covisible, points
from anyview_ros.evaluation.suite import Episode, select
from anyview_ros.evaluation.task import Task, Visibility
from anyview_ros.frames import Frame, View
from anyview_ros.geometry import STANDING_CAMERA, inverse
from anyview_ros.media import castle, opencv_doc, stereo_pair
from anyview_ros.media.real_view import (
    RealView,
    depth_of_disparity,
    depth_of_points,
    left_of,
)

GROUP = "real"
# Of 1 / scene_scale: things in the worlds are half of it away (median 8.8 of 16 m on the street,
# 0.85 of 2 m on the table, seeds 800000 to 800019).
DISTANCES = 2.0


@dataclass(frozen=True)
class Pictures:
    """Views of one installed package.

    Args:
        names: of the views.
        find: raises AnyviewError with the remedy where the package is not installed.
        view: the view of a name.
    """

    names: tuple[str, ...]
    find: Callable[[], Path]
    view: Callable[[str], RealView]


def motorcycle_view() -> RealView:
    """Return the left eye's view of the motorcycle, whose disparity scikit-image has."""
    pair, apart = stereo_pair.motorcycle(), stereo_pair.motorcycle_disparity()
    baseline_m = pair.left_from_right[0, 3]
    return left_of(pair, depth_of_disparity(apart, pair.left_camera, pair.right_camera, baseline_m))


PICTURES: Mapping[str, Pictures] = {
    "motorcycle": Pictures(("left",), stereo_pair.motorcycle_file, lambda name: motorcycle_view()),
    "aloe": Pictures(("left",), opencv_doc.folder, lambda name: opencv_doc.aloe()),
    "chessboards": Pictures(opencv_doc.VIEWS, opencv_doc.folder, opencv_doc.chessboard),
    "castle": Pictures(tuple(castle.PAIRS), castle.folder, castle.castle),
}


@dataclass(frozen=True)
class RealSuite:
    """A split for each kind of pictures, an episode for each view.

    Args:
        splits: keys of PICTURES.
        left_out: what is not installed, and how it is.
        frames: of a clip of the model.
        period_ns: between them.
    """

    splits: tuple[str, ...]
    left_out: tuple[str, ...]
    frames: int
    period_ns: int

    @classmethod
    def of(cls, contract: Contract, wanted: tuple[str, ...]) -> RealSuite:
        """Return what is installed of the wanted splits; empty = all.

        Raises:
            AnyviewError: `unknown_split`; the first package's own where none is installed.
        """
        found, missing = [], []
        for name in select(wanted, PICTURES, "split"):
            try:
                PICTURES[name].find()
                found.append(name)
            except AnyviewError as error:
                missing.append((name, error))
        if not found:
            raise missing[0][1]
        left_out = tuple(f"{name}: {error.message}" for name, error in missing)
        period_ns = round(contract.frame_period * 1e9)
        return cls(tuple(found), left_out, max(contract.frames), period_ns)

    @property
    def settings(self) -> dict[str, Any]:
        return {"pictures": list(self.splits), "frames": self.frames}

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        return {GROUP: self.splits}

    def perceptual_frames(self, count: int) -> list[int]:
        """Return the middle frame: the truth stands still, and these pictures are large."""
        return [count // 2]

    def episodes(self) -> tuple[Episode, ...]:
        return tuple(
            Episode(split, f"{split}_ep{name}")
            for split in self.splits
            for name in PICTURES[split].names
        )

    def task(self, episode: Episode) -> Task:
        """Return a view as a task: a still, or a short clip, for as long as the model takes.

        Raises:
            AnyviewError: as the pictures' `view`.
        """
        return self._task_of(PICTURES[episode.split].view(episode.name.rpartition("_ep")[2]))

    def changed_s(self, episode: Episode) -> float:
        return 0.0

    def control_scene(self, episode: Episode) -> Task | None:
        return None

    def _task_of(self, view: RealView) -> Task:
        level = STANDING_CAMERA @ inverse(view.source[0].world_from_cam)
        picked = np.rint(np.linspace(0, len(view.source) - 1, self.frames)).astype(np.intp)
        source = tuple(
            Frame((k + 1) * self.period_ns, frame.image, frame.camera, level @ frame.world_from_cam)
            for k, frame in enumerate(view.source[place] for place in picked)
        )
        target = np.stack([level @ view.truth.world_from_cam] * self.frames)
        return Task(
            source=source,
            target=View(view.truth.camera, target),
            truth=np.stack([view.truth.image] * self.frames),
            scene_scale=1 / (DISTANCES * float(np.nanmedian(view.depth))),
            visibility=_visibility(view, picked),
        )


def _visibility(view: RealView, picked: NDArray[np.intp]) -> Visibility:
    """Return what the picked frames of the source show of the target's known points.

    The points themselves hide one another: the source's own depth is not known.
    """
    met = points(view.depth, view.truth.camera, view.truth.world_from_cam)
    known = np.isfinite(view.depth)
    seen = []
    for frame in view.source:
        cam_from_world = inverse(frame.world_from_cam)
        in_source = met[known] @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
        nearest = depth_of_points(in_source, frame.camera)
        seen.append(covisible(met, nearest, frame.camera, frame.world_from_cam))
    shown = np.stack([seen[place][1] for place in picked])
    return Visibility(np.stack([seen[place][0] for place in picked]), shown, known & ~shown)
