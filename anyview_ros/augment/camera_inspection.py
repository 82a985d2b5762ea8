"""One camera of a recording: its stream, calibration and place, and what `augment` would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import BagCamera, Stream, empty_frame_id, stream_of, tree_of
from anyview_ros.datasets.bag_choice import BagOptions, ChosenCamera
from anyview_ros.datasets.bag_infos import Infos, recorded_infos
from anyview_ros.datasets.bag_transforms import RecordedTransforms, TfTrees
from anyview_ros.datasets.stream_times import StreamTimes, stream_times
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import image_size
from anyview_ros.imaging.compression import check_compressed
from anyview_ros.imaging.encodings import check_encoding
from anyview_ros.imaging.message_fields import seconds
from anyview_ros.topics import COMPRESSED_TYPE, IMAGE_TYPE


@dataclass(frozen=True)
class Calibration:
    """Hold what the first camera info of a camera says.

    Args:
        width, height: pixels of the image that arrives.
        distortion_model: as written there.
        rectified: whether images are taken as they come; None where it cannot be used.
        identity_k: whether K is the identity, a placeholder.
        changes: how often it changed in the recording.
    """

    width: int
    height: int
    distortion_model: str
    rectified: bool | None
    identity_k: bool
    changes: int


@dataclass(frozen=True)
class InspectedCamera:
    """One camera.

    Args:
        name: that it would have.
        topic, info_topic: of its images and camera infos.
        transport: `raw` or `compressed`.
        encoding: of raw images; of compressed ones the format.
        width, height: of the first image, in pixels; 0 where it cannot be read.
        times: of its images.
        wrong_stamps: images that are left out because of their stamps.
        frame_id: of the first image.
        calibration: None where there is none.
        chain: frames from its own to the fixed frame, or as far as they go.
        missing_link: frame at the top of the chain, and the one above which it lacks; empty where
            nothing lacks.
        outside_tf: images before or after the transforms that place it.
        problems: for which `augment` would refuse the recording.
        doubts: what looks wrong.
    """

    name: str
    topic: str
    info_topic: str
    transport: str
    encoding: str
    width: int
    height: int
    times: StreamTimes
    wrong_stamps: int
    frame_id: str
    calibration: Calibration | None
    chain: tuple[str, ...]
    missing_link: tuple[str, ...]
    outside_tf: int
    problems: tuple[AnyviewError, ...]
    doubts: tuple[str, ...]


class CameraInspector:
    """Looks at the cameras of a recording one by one.

    Args:
        bag: open.
        options: how its cameras are taken.
        trees: its TF trees, standing.
    """

    def __init__(self, bag: Bag, options: BagOptions, trees: TfTrees) -> None:
        self._bag, self._options, self._trees = bag, options, trees
        self._read: list[RecordedTransforms] = []
        self._problems: list[AnyviewError] = []

    def trees(self) -> list[RecordedTransforms]:
        """Return the trees that place the cameras seen so far."""
        return self._read

    def inspected(
        self, name: str, chosen: ChosenCamera, images: list[tuple[int, str]]
    ) -> tuple[InspectedCamera, Sequence[int]]:
        """Return what a camera is, and the stamps of its images.

        Args:
            images: stamp and frame, in the order of recording.
        """
        self._problems = []
        own = self._options.camera(name)
        own = replace(own, rectify=own.rectify or self._options.rectify)
        stream = Stream({})
        infos = Infos(name, chosen.topic, "auto", False, [], [])
        with self._noted():
            stream = stream_of(chosen.topic, images, own.frame_id)
        with self._noted():
            infos = recorded_infos(self._bag, name, chosen, own, changes_only=True)
        stamps = sorted(stream.frames)
        frame = stream.frames[stamps[0]] if stamps else own.frame_id
        encoding, size = self._first_image(chosen.topic)
        calibration = self._calibration(infos, stamps[0], frame, size) if stamps else None
        tree = self._tree(chosen.topic)
        chain, missing = self._placed(tree, frame, infos)
        is_placed = tree is not None and bool(frame) and not missing
        outside = self._outside(name, tree, stamps, frame) if tree and is_placed and stamps else 0
        is_compressed = self._bag.types()[chosen.topic] == COMPRESSED_TYPE
        found = InspectedCamera(
            name,
            chosen.topic,
            chosen.info_topic,
            "compressed" if is_compressed else "raw",
            encoding,
            *size,
            stream_times(stamps),
            len(stream.stray),
            frame,
            calibration,
            tuple(chain),
            tuple(missing),
            outside,
            tuple({(p.code, p.message): p for p in self._problems}.values()),
            tuple(self._doubts(stream, infos, tree, outside)),
        )
        return found, stamps

    def _doubts(
        self, stream: Stream, infos: Infos, tree: RecordedTransforms | None, outside: int
    ) -> list[str]:
        if not stream.frames:
            return []
        lookup = tree.lookup if tree is not None else _nowhere
        fixed_frame = self._options.fixed_frame
        doubts = BagCamera(infos.topic, stream, infos, lookup, fixed_frame).doubts()
        if outside:
            doubts.append(
                f"{infos.camera}: {outside} of {len(stream.frames)} images are before the first or "
                "after the last transform that places them, and are not used"
            )
        return doubts

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except AnyviewError as error:
            self._problems.append(error)

    def _first_image(self, topic: str) -> tuple[str, tuple[int, int]]:
        """Return encoding and (width, height) of the first image that can be read."""
        kind = self._bag.types()[topic]
        with self._noted():
            if kind not in (IMAGE_TYPE, COMPRESSED_TYPE):
                raise AnyviewError(
                    "unknown_topic",
                    f"'{topic}' has messages {kind}; images are {IMAGE_TYPE} or {COMPRESSED_TYPE}",
                )
            image = next(self._bag.messages(topic), None)
            if image is None:
                return "", (0, 0)
            if kind == COMPRESSED_TYPE:
                return str(image.format), check_compressed(image)
            return str(image.encoding), check_encoding(image)
        return "", (0, 0)

    def _tree(self, topic: str) -> RecordedTransforms | None:
        with self._noted():
            tree = self._trees.of(topic)
            if tree not in self._read:
                self._read.append(tree)
            tree_of(self._trees, topic, self._options)
            return tree
        return None

    def _calibration(
        self, infos: Infos, stamp: int, frame: str, size: tuple[int, int]
    ) -> Calibration | None:
        info = infos.messages[0] if infos.messages else None
        is_identity = info is not None and np.array_equal(info.k, np.eye(3).ravel())
        rectified = None
        with self._noted():
            if is_identity:
                raise AnyviewError(
                    "uncalibrated_camera",
                    f"K of the camera info of '{infos.topic}' is the identity, a placeholder; give "
                    f"a calibration file, as in -p {infos.camera}.camera_info_url:=front.yaml",
                )
            rectified = infos.lens(stamp, frame).is_pinhole
            if 0 not in size and image_size(info) != size:
                raise infos.size_mismatch(stamp, size)
        return info and _calibration(info, rectified, is_identity, len(infos.messages) - 1)

    def _placed(
        self, tree: RecordedTransforms | None, frame: str, infos: Infos
    ) -> tuple[list[str], list[str]]:
        """Return the frames up to the fixed one, and the link that lacks."""
        with self._noted():
            if not frame:
                raise empty_frame_id(infos.topic, infos.camera)
            if tree is not None:
                tree.lookup(self._options.fixed_frame, frame, 0)
                up, down = _ways(tree, self._options.fixed_frame, frame)
                return [*up, *reversed(down)], []
        if tree is None or not frame:
            known = self._read[-1] if self._read else None
            return (known.chain(frame) if known and frame else []), []
        up = tree.chain(frame)
        down = tree.chain(self._options.fixed_frame)
        return up, [] if set(up) & set(down) else [up[-1], down[-1]]

    def _outside(
        self, name: str, tree: RecordedTransforms, stamps: Sequence[int], frame: str
    ) -> int:
        """Return how many images the recorded transforms do not place, for their stamps."""
        up, down = _ways(tree, self._options.fixed_frame, frame)
        moving = {f: tree.links[f] for f in (*up[:-1], *down) if not tree.links[f].static}
        if not moving:
            return 0
        late = max(moving, key=lambda f: moving[f].first_ns)
        early = min(moving, key=lambda f: moving[f].last_ns)
        first, last = moving[late].first_ns, moving[early].last_ns
        outside = sum(not first <= stamp <= last for stamp in stamps)
        if outside == len(stamps):
            code = "tf_waiting" if stamps[0] > last else "tf_expired"
            self._problems.append(
                AnyviewError(
                    code,
                    f"images of '{name}' are of {seconds(stamps[0])} to {seconds(stamps[-1])}, "
                    f"transforms of '{early if code == 'tf_waiting' else late}' of "
                    f"{seconds(first)} to {seconds(last)}: none is placed; were they stamped by "
                    "one clock, and recorded together?",
                )
            )
            return 0
        return outside


def _calibration(info: Any, rectified: bool | None, is_identity: bool, changes: int) -> Calibration:
    return Calibration(
        *image_size(info), str(info.distortion_model), rectified, is_identity, changes
    )


def _ways(tree: RecordedTransforms, fixed: str, frame: str) -> tuple[list[str], list[str]]:
    """Return frames from one up to that which is above both, and from the fixed one to below it."""
    up, down = tree.chain(frame), tree.chain(fixed)
    common = next(f for f in up if f in down)
    return up[: up.index(common) + 1], down[: down.index(common)]


def _nowhere(target: str, source: str, stamp_ns: int) -> Any:
    raise AnyviewError("tf_unknown_frame", f"no tree places '{source}'")
