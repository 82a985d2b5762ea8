"""A benchmark root in the layout of AnyViewBench, by its protocol.

    splits.json   {"splits": {name: {"episodes": [...], "dir": ...}}, "groups": {group: [splits]}}
    <dir>/<episode>/   a scene (datasets/scene_layout.py) whose target has images

A split may be a bare list of episodes. What was not unpacked, and episodes whose pixels the
release may not pass on (Ego-Exo4D), are left out. Frames of source and truth go from their native
size to the size at which the release runs that size, once, by Lanczos; scores are taken there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyview_ros.contract import Contract, PixelRule
from anyview_ros.datasets.scene_layout import METADATA, SceneFolder
from anyview_ros.datasets.scene_splits import SPLITS
from anyview_ros.datasets.track import Track
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.suite import Episode, select
from anyview_ros.evaluation.task import Images, Task
from anyview_ros.frames import Camera, Frame, View
from anyview_ros.imaging.resize import resize_camera, resize_image
from anyview_ros.release import network_size
from anyview_ros.typed_json import read_object

PLAIN_NAME = re.compile(r"[\w-][\w. -]*")


@dataclass(frozen=True)
class RootSuite:
    """The episodes that a split file names.

    Args:
        root: folder with splits.json.
        folders: of each split that is wanted, below the root.
        names: episodes of each split that has some.
        groups: splits of each group.
        left_out: what has no files or no pixels, and what can be done.
        pixel_rule: the model's, by which intrinsics are scaled with the frames.
        period_ns: between frames; what a model gets: scenes have no stamps.
    """

    root: Path
    folders: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...]
    pixel_rule: PixelRule
    period_ns: int

    @classmethod
    def of(cls, contract: Contract, root: Path, wanted: tuple[str, ...]) -> RootSuite:
        """Read a root's split file.

        Args:
            wanted: splits or groups; empty = all.

        Raises:
            AnyviewError: `invalid_benchmark`, `unknown_split`, `no_episodes`.
        """
        splits, groups = _read_splits(root / SPLITS)
        picked = select(wanted, [*splits, *(g for g in groups if g not in splits)], "split")
        names = {s for name in picked for s in ((name,) if name in splits else groups[name])}
        splits = {name: split for name, split in splits.items() if name in names}
        there, left_out = _there(root, splits)
        return cls(
            root=root,
            folders={name: folder for name, (folder, _) in splits.items()},
            names=there,
            groups=_known_groups(groups, there),
            left_out=left_out,
            pixel_rule=contract.pixel_rule,
            period_ns=round(contract.frame_period * 1e9),
        )

    @property
    def settings(self) -> dict[str, Any]:
        return {"root": str(self.root.resolve()), "splits": sorted(self.folders)}

    def perceptual_frames(self, count: int) -> list[int]:
        return list(range(count))

    def episodes(self) -> tuple[Episode, ...]:
        return tuple(Episode(s, name) for s, names in self.names.items() for name in names)

    def task(self, episode: Episode) -> Task:
        """Return a scene as a task, at the size at which it is scored.

        Raises:
            AnyviewError: `missing_episode`, `no_truth`, and what `SceneFolder` refuses.
        """
        folder = self.root / self.folders[episode.split] / episode.name
        if not folder.is_dir():
            raise AnyviewError(
                "missing_episode", f"{SPLITS} names '{episode.name}', but there is no {folder}"
            )
        read = SceneFolder(folder).episode()
        if read.truth is None:
            raise AnyviewError("no_truth", f"{folder} has no images of its target camera")
        images, camera = self._at_grid(read.images, read.source.camera)
        truth, target = self._at_grid(read.truth, read.target.camera)
        return Task(
            source=self._frames(images, camera, read.source),
            target=View(target, read.target.world_from_cam),
            truth=truth,
            scene_scale=read.scene_scale,
        )

    def changed_s(self, episode: Episode) -> float:
        folder = self.root / self.folders[episode.split] / episode.name
        times = [0.0]
        for file in folder.rglob("*"):
            with suppress(OSError):  # it was removed just now
                times.append(file.lstat().st_mtime)
        return max(times)

    def control_scene(self, episode: Episode) -> Task | None:
        return None

    def _at_grid(self, images: Images, camera: Camera) -> tuple[Images, Camera]:
        size = network_size(*images.shape[1:3])
        resized = [resize_image(image, size, "pillow_lanczos") for image in images]
        return np.stack(resized), resize_camera(camera, size, self.pixel_rule)

    def _frames(self, images: Images, camera: Camera, track: Track) -> tuple[Frame, ...]:
        pairs = zip(images, track.world_from_cam, strict=True)
        return tuple(
            Frame((k + 1) * self.period_ns, image, camera, pose)
            for k, (image, pose) in enumerate(pairs)
        )


def _there(
    root: Path, splits: Mapping[str, tuple[str, tuple[str, ...]]]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the episodes of each split that can be asked, and what is left out.

    An episode that misses while others of its split are there stays: it is a fault of the root.
    """
    there, left_out = {}, []
    for name, (folder, episodes) in splits.items():
        scenes = [root / folder / episode for episode in episodes]
        if scenes and not any(scene.is_dir() for scene in scenes):
            left_out.append(f"{name}: it is not unpacked, there is none of it in {root / folder}")
            continue
        empty = [scene for scene in scenes if _has_no_pixels(scene)]
        if empty:
            left_out.append(
                f"{name}: {len(empty)} of {len(scenes)} episodes have no pixels (no files in "
                "rgb/), as in the release where they may not be passed on; make them from their "
                "dataset as it says"
            )
        asked = tuple(scene.name for scene in scenes if scene not in empty)
        if asked or not scenes:
            there[name] = asked
    if not there:
        raise AnyviewError(
            "no_episodes", f"{root} has not one episode to score. {'. '.join(left_out)}"
        )
    return there, tuple(left_out)


def _has_no_pixels(scene: Path) -> bool:
    """Whether a scene is there, and has no image of any camera."""
    there = (scene / METADATA).is_file()
    return there and not any(file.is_file() for file in (scene / "rgb").rglob("*"))


def _read_splits(
    file: Path,
) -> tuple[dict[str, tuple[str, tuple[str, ...]]], dict[str, tuple[str, ...]]]:
    """Read folder and episodes of each split, and the splits of each group."""
    try:
        read = read_object(file)
        splits = {name: _split(name, split) for name, split in read["splits"].items()}
        groups = {g: tuple(map(str, names)) for g, names in read.get("groups", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AnyviewError(
            "invalid_benchmark",
            f"{file} must be a JSON object with 'splits' and 'groups': "
            f"{type(error).__name__} {error}",
        ) from None
    names = {name for split, (_, episodes) in splits.items() for name in (split, *episodes)}
    if odd := sorted(name for name in names if not PLAIN_NAME.fullmatch(name)):
        raise AnyviewError(
            "invalid_benchmark",
            f"{file}: names of splits and episodes become names of files, got '{odd[0]}'",
        )
    absent = [(g, name) for g, names in groups.items() for name in names if name not in splits]
    if absent:
        group, name = absent[0]
        raise AnyviewError(
            "invalid_benchmark", f"{file}: group '{group}' names '{name}', which is no split"
        )
    return splits, groups


def _split(name: str, split: Any) -> tuple[str, tuple[str, ...]]:
    if isinstance(split, list):
        return name, tuple(dict.fromkeys(map(str, split)))
    episodes = split["episodes"]
    if not isinstance(episodes, list):
        raise TypeError(f"episodes of split '{name}' must be a list, got {episodes!r}")
    return str(split.get("dir", name)), tuple(dict.fromkeys(map(str, episodes)))


def _known_groups(
    groups: Mapping[str, tuple[str, ...]], splits: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Return groups of the splits that are there; a split of no group is one of its own."""
    known = {g: tuple(n for n in names if n in splits) for g, names in groups.items()}
    grouped = {name for names in known.values() for name in names}
    alone = {name: (name,) for name in splits if name not in grouped}
    return {group: names for group, names in (known | alone).items() if names}
