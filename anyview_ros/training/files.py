"""Scenes from files: clips of the scenes below a folder, at the size of the model.

The folder holds scenes in the unified layout (docs/data.md) at any depth; a scene with one camera
is of the 2D kind. Images are decoded when they are read, but what the names of the files and
the metadata tell is checked when the folder is opened, before hours of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import PixelRule, Resampler
from anyview_ros.datasets.scene_layout import METADATA, SceneFolder
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.imaging.resize import resize_camera, resize_image
from anyview_ros.training.scenes import SceneSetConfig, SceneViews

PACE_TOLERANCE = 0.25  # of the period: 24 frames a second pass for every third of 10 a second


class Resizing(NamedTuple):
    """How images come to the size of a model, in the words of a contract."""

    resampler: Resampler
    pixel_rule: PixelRule


OURS = Resizing("area", "pixel_centre")  # of our own models


@dataclass(frozen=True)
class FileConfig:
    """A set of clips from files, `[scenes.NAME]` with a `root` in a run's config.

    Args:
        root: folder with scenes, from where the run is started.
        scene_scale: multiplies Plücker moments, 1 / metres.
        frames: T of a clip.
        frame_period: seconds between frames.
        size: (H, W) in pixels.
    """

    root: str
    scene_scale: float
    frames: int
    frame_period: float
    size: tuple[int, int]


@dataclass(frozen=True)
class Window:
    """One clip: the frames of a scene at these places."""

    scene: SceneFolder
    cameras: tuple[str, ...]
    places: range


class FileScenes:
    """Clips of T frames from every scene below a folder, in order of path and time.

    A scene is cut into as many clips as it has room for, none of which share a frame. Where
    frames come faster than the period, every n-th is taken. Cameras without images are left out.

    Args:
        root: folder with scenes.
        frames: T of a clip.
        period: seconds between frames.
        size: (H, W) to which images are squeezed, as the robot does.
        resizing: by which rules.

    Raises:
        AnyviewError: `no_scenes`; `too_few_frames` when no scene has room for a clip;
            `invalid_scene`, `incomplete_scene`, `unsuitable_period` for a scene.
    """

    def __init__(
        self,
        root: Path,
        frames: int,
        period: float,
        size: tuple[int, int],
        resizing: Resizing = OURS,
    ) -> None:
        self.root, self.frames, self.period, self.size = root, frames, period, size
        self.resizing = resizing
        scenes = [SceneFolder(path) for path in scene_folders(root)]
        self._windows = [window for scene in scenes for window in self._cut(scene)]
        if not self._windows:
            raise AnyviewError(
                "too_few_frames",
                f"need a scene of {frames} frames {period:g} s apart below {root}, none of the "
                f"{len(scenes)} scenes is as long; lower the number of frames or the period",
            )

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> SceneViews:
        """Return a clip as all its cameras saw it, see `load`."""
        return self.load(index, range(len(self.cameras(index))))

    def cameras(self, index: int) -> tuple[str, ...]:
        """Return names of the cameras of a clip, in the order of its views."""
        return self._windows[index].cameras

    def scene(self, index: int) -> SceneFolder:
        """Return the scene of a clip: its path, its scene scale."""
        return self._windows[index].scene

    def load(self, index: int, views: Sequence[int]) -> SceneViews:
        """Load a clip as some of its cameras saw it; the others are not decoded.

        Raises:
            AnyviewError: `incomplete_scene`, `unreadable_image`, `unreadable_video`,
                `invalid_pose`, `invalid_camera`, `skewed_camera`, each with the scene.
        """
        window = self._windows[index]
        loaded = [self._view(window, window.cameras[view]) for view in views]
        images, cameras, poses = zip(*loaded, strict=True)
        stamps = _stamps(window, window.cameras[views[0]])
        return SceneViews(np.stack(images), cameras, np.stack(poses), stamps)

    def _view(
        self, window: Window, name: str
    ) -> tuple[NDArray[np.uint8], Camera, NDArray[np.float64]]:
        """Return images (T, H, W, 3), the camera at their size and its poses (T, 4, 4)."""
        scene, places = window.scene, window.places
        resampler, pixel_rule = self.resizing
        track = scene.track(name, places, scene.storage.size(name))
        images = scene.images(name, places, at_least=self.size)
        resized = np.stack([resize_image(image, self.size, resampler) for image in images])
        camera = resize_camera(track.camera, self.size, pixel_rule)
        return resized, camera, track.world_from_cam

    def _cut(self, scene: SceneFolder) -> list[Window]:
        cameras = tuple(name for name in scene.cameras if scene.storage.has_images(name))
        count = _checked_length(scene, cameras)
        step = self._step(scene)
        span = (self.frames - 1) * step + 1
        starts = range(0, count - span + 1, self.frames * step)
        return [Window(scene, cameras, range(a, a + span, step)) for a in starts]

    def _step(self, scene: SceneFolder) -> int:
        """Return how many frames of the scene lie from one frame of a clip to the next."""
        if scene.framerate is None:
            return 1
        step = max(1, round(self.period * scene.framerate))
        if abs(step / scene.framerate - self.period) > PACE_TOLERANCE * self.period:
            raise AnyviewError(
                "unsuitable_period",
                f"{scene.path} has {scene.framerate:g} frames a second, of which no whole number "
                f"is near {self.period:g} s; take a period of {step / scene.framerate:g} s, or "
                "convert the recording anew",
            )
        return step


class FileStore:
    """A set of clips from files as a run draws from it: there is nothing to render.

    Args:
        config: which clips.
        cache: folder of what a run finds of them, see `training.composites`.
        resizing: by which rules images come to the size.

    Raises:
        AnyviewError: as `FileScenes`.
    """

    shards = 0

    def __init__(self, config: FileConfig, cache: Path, resizing: Resizing = OURS) -> None:
        self.folder, self.cache = Path(config.root), cache
        self._clips = FileScenes(
            self.folder, config.frames, config.frame_period, config.size, resizing
        )
        views = min(len(self._clips.cameras(i)) for i in range(len(self._clips)))
        self.config = SceneSetConfig(
            scene_scale=config.scene_scale,
            count=len(self._clips),
            frames=config.frames,
            frame_period=config.frame_period,
            size=config.size,
            sources=0,  # no camera is more of a source than the others
            targets=views,
        )

    def has(self, scenes: int) -> bool:
        """Return True: a run that draws more clips than there are gets some of them twice."""
        return True

    def __getitem__(self, index: int) -> SceneViews:
        return self._clips[index]


def scene_folders(root: Path) -> list[Path]:
    """Return every folder with scene metadata at or below a folder, sorted.

    Raises:
        AnyviewError: `no_scenes`.
    """
    found = sorted(file.parent for file in root.rglob(METADATA) if _is_visible(file, root))
    if not found:
        raise AnyviewError(
            "no_scenes",
            f"there is no scene (a folder with {METADATA}) at or below {root}; make some with "
            "'anyview convert bag' or 'anyview convert video'",
        )
    return found


def _is_visible(file: Path, root: Path) -> bool:
    """Return whether a file is in no hidden folder; scenes that are being written are in one."""
    return not any(part.startswith(".") for part in file.relative_to(root).parts)


def _checked_length(scene: SceneFolder, cameras: tuple[str, ...]) -> int:
    """Return the number of frames, once all cameras and the metadata agree on it."""
    if not cameras:
        raise AnyviewError("incomplete_scene", f"{scene.path}: none of its cameras has images")
    for name in cameras:
        scene.check_files(name)
    counts = {name: scene.storage.num_poses(name) for name in cameras}
    listed = {} if scene.num_frames is None else {"metadata.json": scene.num_frames}
    if len({*counts.values(), *listed.values()}) > 1:
        raise AnyviewError(
            "incomplete_scene",
            f"{scene.path}: all cameras need as many frames, got {counts | listed}",
        )
    return min(counts.values())


def _stamps(window: Window, camera: str) -> NDArray[np.int64]:
    """Return (T,) acquisition times; from the frame rate if none are recorded."""
    recorded = window.scene.storage.lowdim(camera, window.places).stamps_ns
    if recorded is not None:
        return recorded
    rate = window.scene.framerate or 1.0
    return np.array([round(place * 1e9 / rate) for place in window.places], np.int64)
