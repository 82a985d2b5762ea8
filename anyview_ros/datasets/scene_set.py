"""Scenes that are written at the same time, for frames of different cameras come in any order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from anyview_ros.datasets.scene_layout import METADATA
from anyview_ros.datasets.scene_writer import SceneNotes, SceneWriter
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Frame


@dataclass(frozen=True)
class SceneFolders:
    """Where scenes go, `<out>/<prefix>-<number>`, and what they say of themselves."""

    out: Path
    prefix: str
    notes: SceneNotes

    def path(self, number: int) -> Path:
        return self.out / f"{self.prefix}-{number:04d}"

    def written(self) -> list[Path]:
        """Return the scenes that are there, by name; those of `<prefix>-night` are others."""
        own = re.compile(rf"{re.escape(self.prefix)}-[0-9]{{4,}}")
        there = self.out.iterdir() if self.out.is_dir() else ()
        return sorted(f for f in there if own.fullmatch(f.name) and (f / METADATA).is_file())


@dataclass(frozen=True)
class Place:
    """Where a frame belongs: which scene, which camera, and the how-manieth of its frames."""

    scene: int
    camera: str
    index: int


class SceneSet:
    """Scenes of the same cameras and length. Each is completed with its last frame.

    Those that are not complete at the end of the `with` block leave nothing behind.

    Args:
        folders: see `SceneFolders`.
        cameras: of every scene.
        num_frames: of every scene and camera.

    Attributes:
        failed: error of each scene that was given up, by number.
    """

    def __init__(self, folders: SceneFolders, cameras: Sequence[str], num_frames: int) -> None:
        self.failed: dict[int, AnyviewError] = {}
        self._folders = folders
        self._cameras = cameras
        self._frames_of_scene = num_frames * len(cameras)
        self._open: dict[int, SceneWriter] = {}
        self._written: dict[int, list[Place]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for number, writer in self._open.items():
            writer.discard()
            self.failed[number] = AnyviewError(
                "incomplete_scene", "images that were there when it was planned could not be read"
            )

    def add(self, place: Place, read: Callable[[], Frame]) -> None:
        """Read a frame and write it, unless its scene was given up.

        An error in reading gives the scene up; one in writing concerns them all.

        Raises:
            AnyviewError: as `SceneWriter`.
        """
        if place.scene in self.failed:
            return
        writer = self._writer(place.scene)
        try:
            self._check_order(place)
            frame = read()
        except AnyviewError as error:
            self.failed[place.scene] = error
            self._open.pop(place.scene).discard()
            return
        writer.add(place.camera, frame)
        self._written[place.scene].append(place)
        if len(self._written[place.scene]) == self._frames_of_scene:
            self._open.pop(place.scene).close()
            del self._written[place.scene]

    def _writer(self, scene: int) -> SceneWriter:
        if scene not in self._open:
            path, notes = self._folders.path(scene), self._folders.notes
            self._open[scene] = SceneWriter(path, self._cameras, notes)
            self._written[scene] = []
        return self._open[scene]

    def _check_order(self, place: Place) -> None:
        before = sum(written.camera == place.camera for written in self._written[place.scene])
        if before != place.index:
            raise AnyviewError(
                "out_of_order",
                f"frame {place.index} of '{place.camera}' was recorded before frame {before}; "
                "images of a camera must be recorded in the order of their stamps",
            )
