"""Virtual frames of a bag beside the sources they were made from and the truth they should show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.bag import Bag, sibling
from anyview_ros.demo.truth import Truth
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import stamp_ns

Image = NDArray[np.uint8]
PROVENANCE = "synthesis_info"
PROVENANCE_FIELDS = (
    *("header", "model", "provider", "steps", "sources", "source_stamps", "latency_s"),
    *("queue_s", "condition_s", "denoise_s", "decode_s"),
)


@dataclass(frozen=True)
class Compared:
    """One frame of a virtual camera.

    Args:
        camera: name of the virtual camera.
        virtual: (H, W, 3) RGB as published.
        sources: what each of its sources saw at that instant, by name, the first one first; each at
            its own size, None where it was not recorded.
        truth: (H, W, 3) RGB rendered for the virtual camera; None if there is none.
        obstacle: why there is no truth although the world is known; empty otherwise.
    """

    camera: str
    stamp_ns: int
    virtual: Image
    sources: Mapping[str, Image | None]
    truth: Image | None
    obstacle: str

    @property
    def first_source(self) -> Image | None:
        """Return the image of the source whose stamps the frame has."""
        return next(iter(self.sources.values()), None)


def compared_moments(bag: Bag, truth: Truth) -> Iterator[tuple[Compared, ...]]:
    """Yield the frames of all virtual cameras of each stamp, in order of stamp."""
    cameras = [_VirtualCamera(bag, n, t, truth) for n, t in bag.virtual_cameras().items()]
    for stamp in sorted({stamp for camera in cameras for stamp in camera.stamps}):
        frames = (c.frame(stamp) for c in cameras if stamp in c.stamps)
        if moment := tuple(frame for frame in frames if frame is not None):
            yield moment


class _VirtualCamera:
    """One virtual camera of a bag: its small messages by stamp, its images on the disk."""

    def __init__(self, bag: Bag, name: str, topic: str, truth: Truth) -> None:
        self._bag, self._name, self._topic, self._truth = bag, name, topic, truth
        infos = bag.messages(sibling(topic, "camera_info"))
        self._infos = {stamp_ns(info.header.stamp): info for info in infos}
        self._provenance = {stamp_ns(p.header.stamp): p for p in provenance_of(bag, topic)}
        self._sources = bag.sources()
        self.stamps = frozenset(bag.stamps(topic))

    def frame(self, stamp: int) -> Compared | None:
        """None where the image is damaged."""
        virtual = self._bag.image(self._topic, stamp)
        if virtual is None:
            return None
        truth, obstacle = self._truth_at(stamp, virtual.shape)
        return Compared(self._name, stamp, virtual, self._seen_by_sources(stamp), truth, obstacle)

    def _seen_by_sources(self, stamp: int) -> dict[str, Image | None]:
        """Return the sources' images at that stamp by camera; keyframes, which are older, are left
        out."""
        provenance = self._provenance.get(stamp)
        if provenance is None:
            return {}
        stamps: dict[str, int] = {}
        for name, seen in zip(provenance.sources, provenance.source_stamps, strict=False):
            stamps.setdefault(name, stamp_ns(seen))
        return {
            name: self._bag.image(self._sources[name], seen) if name in self._sources else None
            for name, seen in stamps.items()
        }

    def _truth_at(self, stamp: int, shape: tuple[int, ...]) -> tuple[Image | None, str]:
        if stamp not in self._infos:
            return None, "it has no camera info"
        try:
            truth = self._truth.image(self._infos[stamp], self._topic)
        except AnyviewError as error:
            return None, error.message
        if truth is not None and truth.shape != shape:
            return None, f"image {shape} and camera info {truth.shape} differ in size"
        return truth, ""


def provenance_of(bag: Bag, topic: str) -> list[Any]:
    """The SynthesisInfo messages of a virtual camera's images, in the order of recording."""
    messages = bag.messages(sibling(topic, PROVENANCE))
    # The type is as the bag defines it; a damaged definition has other fields.
    return [m for m in messages if all(hasattr(m, name) for name in PROVENANCE_FIELDS)]


def resized_like(image: Image, like: Image) -> Image:
    """Return the image at another's size: the baseline that copies the source."""
    height, width = like.shape[:2]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def mean_colour_like(image: Image, like: Image) -> Image:
    """Return one colour at another image's size: the baseline of the source's mean colour."""
    colour = np.rint(image.mean(axis=(0, 1))).astype(np.uint8)
    return np.broadcast_to(colour, like.shape)
