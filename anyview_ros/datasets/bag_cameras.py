"""The cameras of a recording: when each took images, with which lens, and where it was."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_choice import BagOptions, CameraChoice, ChosenCamera
from anyview_ros.datasets.bag_infos import Infos, calibration_doubt, recorded_infos
from anyview_ros.datasets.bag_transforms import RecordedTransforms, TfTrees
from anyview_ros.datasets.scene_plan import Shot
from anyview_ros.datasets.stamp_order import stray_places
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import optical_doubt
from anyview_ros.imaging.message_fields import seconds

WRONG_STAMP = "wrong_stamp"
NO_CAMERAS: Mapping[str, ChosenCamera] = MappingProxyType({})
Lookup = Callable[[str, str, int], NDArray[np.float64]]  # TransformBuffer.lookup


@dataclass(frozen=True)
class Stream:
    """Images of one topic.

    Args:
        frames: name of the optical frame by stamp.
        stray: how-manieth images of the topic have stamps that are not the stream's.
        example: one of these stamps, in words.
    """

    frames: Mapping[int, str]
    stray: frozenset[int] = frozenset()
    example: str = ""


class BagCamera:
    """One camera of a recording.

    Args:
        topic: of its images.
        stream: these.
        infos: see `Infos`.
        lookup: target_from_source of the recorded transforms.
        fixed_frame: the world.
    """

    def __init__(
        self, topic: str, stream: Stream, infos: Infos, lookup: Lookup, fixed_frame: str
    ) -> None:
        self.topic = topic
        self.stamps_ns = sorted(stream.frames)
        self.stream = stream
        self.infos = infos
        self._lookup = lookup
        self._fixed_frame = fixed_frame

    def shot(self, stamp_ns: int) -> Shot:
        """The frame of a stamp.

        Raises:
            AnyviewError: `empty_frame_id`; those of `Infos.lens` and `RecordedTransforms.lookup`.
        """
        frame = self.stream.frames[stamp_ns]
        if not frame:
            raise empty_frame_id(self.topic, self.infos.camera)
        lens = self.infos.lens(stamp_ns, frame)
        world_from_frame = self._lookup(self._fixed_frame, frame, stamp_ns)
        return Shot(stamp_ns, lens, world_from_frame @ lens.rectified.frame_from_cam)

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return where a TF frame was, (4, 4); empty = the fixed frame. Errors as of `shot`."""
        return self._lookup(self._fixed_frame, frame or self._fixed_frame, stamp_ns)

    def doubts(self) -> list[str]:
        """Return what looks wrong about its calibration and its frame, and what to do, a line each.

        What cannot be had at all is reported with the instants that it costs.
        """
        name, first = self.infos.camera, self.stamps_ns[0]
        middle = self.stamps_ns[len(self.stamps_ns) // 2]
        found = []
        with suppress(AnyviewError):
            lens = self.infos.lens(first, self.stream.frames[first])
            if wrong := calibration_doubt(lens):
                found.append(
                    f"{name}: {wrong}; is its camera info of this resolution and binning? If not, "
                    f"give the right calibration (-p {name}.camera_info_url:=FILE)"
                )
        with suppress(AnyviewError):
            pose = self.shot(middle).world_from_cam
            if question := optical_doubt(self.stream.frames[middle], pose):
                found.append(
                    f"{name}: {question} If not, name the one that is (-p {name}.frame_id:=FRAME)"
                )
        return found


def empty_frame_id(topic: str, camera: str) -> AnyviewError:
    """Return the error for images that name no frame."""
    return AnyviewError(
        "empty_frame_id",
        f"images of '{topic}' do not say in which frame they are; name their optical frame, as in "
        f"-p {camera}.frame_id:={camera}_optical_frame",
    )


@dataclass(frozen=True)
class BagCameras:
    """The cameras of a recording.

    Args:
        by_name: in the order asked for, else by name.
        notes: a line for each choice that was made, and for each doubt.
    """

    by_name: Mapping[str, BagCamera]
    notes: tuple[str, ...]

    def left_out(self) -> list[str]:
        """A line for each camera some of whose images have wrong stamps."""
        return [
            f"{len(camera.stream.stray)} images: {WRONG_STAMP} ({name}), e.g. one of "
            f"{camera.stream.example} is not among those recorded before and after it"
            for name, camera in self.by_name.items()
            if camera.stream.stray
        ]


def bag_cameras(
    bag: Bag,
    options: BagOptions,
    on_image: Callable[[], object] = lambda: None,
    more: Mapping[str, ChosenCamera] = NO_CAMERAS,
) -> BagCameras:
    """Read which cameras a bag has, and when each took images.

    Args:
        on_image: called after each image whose stamp was read.
        more: cameras that are none by the rules, as virtual ones; they come last.

    Raises:
        AnyviewError: `no_cameras`, `unknown_camera`, `unknown_topic`, `no_images`, `clock_jump`,
            `ambiguous_tf`, `invalid_calibration`, `tf_unknown_frame` for the fixed frame.
    """
    choice = CameraChoice(bag, options)
    chosen = {**choice.cameras(), **more}
    trees = TfTrees(bag, options.tf_topics, options.ignore_frames)
    placed = {name: tree_of(trees, camera.topic, options) for name, camera in chosen.items()}
    images = recorded_images(bag, {camera.topic for camera in chosen.values()}, on_image)
    found = {}
    for name, camera in chosen.items():
        own = options.camera(name)
        own = replace(own, rectify=own.rectify or options.rectify)
        stream = stream_of(camera.topic, images[camera.topic], own.frame_id)
        infos = recorded_infos(bag, name, camera, own)
        lookup = placed[name].lookup
        found[name] = BagCamera(camera.topic, stream, infos, lookup, options.fixed_frame)
    notes = [*_image_choices(chosen), *_tree_choices(chosen, trees)]
    notes += [f"not a camera: {topic}, {why}" for topic, why in choice.no_cameras.items()]
    doubts = [doubt for camera in found.values() for doubt in camera.doubts()]
    return BagCameras(found, (*notes, *doubts))


def tree_of(trees: TfTrees, topic: str, options: BagOptions) -> RecordedTransforms:
    """Return the tree that places the camera of a topic in the fixed frame.

    Raises:
        AnyviewError: `ambiguous_tf`, `tf_unknown_frame`.
    """
    tree = trees.of(topic)
    if options.fixed_frame in tree.frames():
        return tree
    more = f", or the topics of another tree (--tf-topics): {trees}" if trees.count > 1 else ""
    raise AnyviewError(
        "tf_unknown_frame",
        f"the fixed frame '{options.fixed_frame}' is not in the recorded TF "
        f"({', '.join(tree.topics) or 'none was recorded'}), frames there are: {tree.named()}; "
        f"name one that does not move (--fixed-frame){more}",
    )


def _image_choices(chosen: Mapping[str, ChosenCamera]) -> list[str]:
    """A line for each camera whose images are on several topics."""
    return [
        f"{name}: images of {camera.topic}, there are also {', '.join(camera.others)} "
        f"(-p {name}.image_topic:=TOPIC takes another)"
        for name, camera in chosen.items()
        if camera.others
    ]


def _tree_choices(chosen: Mapping[str, ChosenCamera], trees: TfTrees) -> list[str]:
    """A line for each TF tree that places cameras, where there are several."""
    placed: dict[tuple[str, ...], list[str]] = {}
    for name, camera in chosen.items():
        placed.setdefault(tuple(trees.topics(camera.topic)), []).append(name)
    return [
        f"{', '.join(names)}: placed by {', '.join(own)}, TF is also on {', '.join(others)} "
        "(--tf-topics)"
        for own, names in placed.items()
        if (others := trees.others(own))
    ]


def recorded_images(
    bag: Bag, topics: Collection[str], on_image: Callable[[], object]
) -> dict[str, list[tuple[int, str]]]:
    """Return stamp and frame of the images of each topic, read in one go."""
    images: dict[str, list[tuple[int, str]]] = {topic: [] for topic in topics}
    for image in bag.recorded(topics):
        images[image.topic].append((image.stamp_ns, image.frame_id.removeprefix("/")))
        on_image()
    return images


def stream_of(topic: str, images: list[tuple[int, str]], frame_id: str) -> Stream:
    """Return the images of a topic that belong to its stream.

    Args:
        images: stamp and frame, in the order of recording.
        frame_id: that of all images; empty = what they say.

    Raises:
        AnyviewError: `no_images`, `clock_jump`.
    """
    # 0 is "not set": nobody knows when the image was taken.
    places = [place for place, (stamp, _) in enumerate(images) if stamp > 0]
    if not places:
        raise AnyviewError(
            "no_images", f"no image with a stamp was recorded on '{topic}'; leave it out"
        )
    stray = [places[k] for k in stray_places([images[place][0] for place in places], topic)]
    frames: dict[int, str] = {}
    for place in sorted(set(places) - set(stray)):
        stamp, frame = images[place]
        frames.setdefault(stamp, frame_id or frame)
    return Stream(frames, frozenset(stray), seconds(images[stray[0]][0]) if stray else "")
