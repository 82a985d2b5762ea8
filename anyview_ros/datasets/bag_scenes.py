"""Write the scenes that were planned of a bag, in one pass over its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from anyview_ros.contract import PixelRule
from anyview_ros.datasets.bag import Bag, RecordedMessage
from anyview_ros.datasets.scene_plan import Plan, Shot
from anyview_ros.datasets.scene_set import Place, SceneFolders, SceneSet
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Frame
from anyview_ros.imaging.compression import check_compressed, decode_compressed
from anyview_ros.imaging.encodings import check_encoding, decode
from anyview_ros.imaging.rectification import rectifier
from anyview_ros.imaging.resize import resize_camera
from anyview_ros.topics import COMPRESSED_TYPE

PIXEL_RULE: PixelRule = "pixel_centre"  # how intrinsics are resized: those of a physical camera


def write_bag_scenes(
    bag: Bag,
    topics: Mapping[str, str],
    plan: Plan,
    folders: SceneFolders,
    longer_side: int,
    on_frame: Callable[[], object],
) -> dict[int, AnyviewError]:
    """Write every scene of a plan; returns why some could not be written.

    Args:
        topics: of images, by camera.
        plan: of these cameras.
        longer_side: of the images in pixels at most; 0 = as recorded.
        on_frame: called after each frame.

    Raises:
        AnyviewError: as `SceneWriter`.
    """
    places: dict[str, dict[int, tuple[Place, Shot]]] = {topic: {} for topic in topics.values()}
    for number, index, camera, shot in plan.shots():
        places[topics[camera]][shot.stamp_ns] = Place(number, camera, index), shot
    with SceneSet(folders, list(topics), plan.num_frames) as scenes:
        for image in bag.recorded(places):
            # Of two images with one stamp the first counts.
            found = places[image.topic].pop(image.stamp_ns, None)
            if found is not None:
                place, shot = found
                scenes.add(place, partial(read_frame, bag, image, shot, longer_side))
                on_frame()
    return scenes.failed


def read_frame(bag: Bag, image: RecordedMessage, shot: Shot, longer_side: int) -> Frame:
    """Decode, rectify and resize a recorded image.

    Raises:
        AnyviewError: `invalid_message`, `unsupported_encoding`, `invalid_image`, `size_mismatch`.
    """
    message = bag.message(image)
    try:
        return _seen(message, image.message_type == COMPRESSED_TYPE, shot, longer_side)
    except AnyviewError as error:
        raise AnyviewError(error.code, f"'{image.topic}': {error}") from None


def _seen(message: Any, compressed: bool, shot: Shot, longer_side: int) -> Frame:
    native = check_compressed(message) if compressed else check_encoding(message)
    raw = shot.lens.raw
    if native != (raw.width, raw.height):
        raise AnyviewError(
            "size_mismatch",
            f"an image is {native[0]}x{native[1]}, its camera info says {raw.width}x{raw.height}",
        )
    size = bounded_size((raw.height, raw.width), longer_side)
    rectify = rectifier(shot.lens, size)
    rgb = decode_compressed(message, rectify.source_size) if compressed else decode(message)
    camera = resize_camera(shot.lens.camera, size, PIXEL_RULE)
    return Frame(shot.stamp_ns, rectify.apply(rgb), camera, shot.world_from_cam)


def bounded_size(size: tuple[int, int], longer_side: int) -> tuple[int, int]:
    """(H, W) of the same shape with no side longer than that; 0 = any."""
    factor = min(1.0, longer_side / max(size)) if longer_side else 1.0
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
