"""What a format has to write: cameras, samples, and where everything was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.exports.clock import Samples
from anyview_ros.datasets.bag import Bag, sibling
from anyview_ros.datasets.bag_choice import ChosenCamera
from anyview_ros.frames import Frame
from anyview_ros.topics import COMPRESSED, INFO_TOPIC, OUTPUT


@dataclass(frozen=True)
class ExportedCamera:
    """A camera of the data set.

    Args:
        name: of the camera in the recording.
        topic: of its images.
        synthetic: whether a model made its images.
    """

    name: str
    topic: str
    synthetic: bool


@dataclass(frozen=True)
class Recording:
    """An augmented recording, ready to be sampled.

    Args:
        name: of the recording.
        cameras: recorded ones first.
        samples: see `Samples`.
        world_from_ego: where the robot was at a stamp, (4, 4).
        provenance: how the synthetic frames were made; JSON.
        scene_scale: multiplies Plücker moments.
    """

    name: str
    cameras: tuple[ExportedCamera, ...]
    samples: Samples
    world_from_ego: Callable[[int], NDArray[np.float64]]
    provenance: Mapping[str, Any]
    scene_scale: float

    @property
    def file_names(self) -> dict[str, str]:
        """Return by camera a name without slashes, none twice."""
        found: dict[str, str] = {}
        for camera in self.cameras:
            name = camera.name.replace("/", "_")
            while name in found.values():
                name += "_"
            found[camera.name] = name
        return found


def virtual_topics(bag: Bag, name: str) -> ChosenCamera:
    """Return the topics of a virtual camera in an augmented bag; raw images lose nothing."""
    raw = f"/{OUTPUT}/{name}/image_raw"
    topic = raw if raw in bag.types() else f"{raw}{COMPRESSED}"
    return ChosenCamera(topic, sibling(raw, INFO_TOPIC))


class Export(Protocol):
    """Write a data set in one format.

    Made of a folder that is there and empty, and of a recording.

    Attributes:
        camera_names: what cameras are called in the data set, by name in the recording; those
            that it leaves out are not there.
        sidecar: folder for what the format has no place for.
    """

    camera_names: Mapping[str, str]
    sidecar: Path

    def add(self, camera: str, index: int, frame: Frame) -> Frame:
        """Take the frame of a sample, and return it as it is in the data set.

        Those of a camera come in order.

        Raises:
            AnyviewError: `calibration_changed` where the format has one calibration a camera.
        """
        ...

    def close(self) -> None:
        """Complete the data set."""
        ...
