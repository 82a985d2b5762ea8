"""Write the scenes that were planned of a bag, in one pass over its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from anyview_ros.contract import PixelRule
from anyview_ros.datasets.bag import Bag, RecordedMessage
from anyview_ros.datasets.bag_cameras import BagCamera
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
    cameras: Mapping[str, BagCamera],
    plan: Plan,
    folders: SceneFolders,
    longer_side: int,
    on_frame: Callable[[], object],
) -> dict[int, AnyviewError]:
    """Write every scene of a plan; returns why some could not be written.

    Args:
        cameras: by name.
        plan: of these cameras.
        longer_side: of the images in pixels at most; 0 = as recorded.
        on_frame: called after each frame.

    Raises:
        AnyviewError: as `SceneWriter`.
    """
    places: dict[str, dict[int, tuple[Place, Shot]]] = {c.topic: {} for c in cameras.values()}
    by_topic = {camera.topic: camera for camera in cameras.values()}
    for number, index, name, shot in plan.shots():
        places[cameras[name].topic][shot.stamp_ns] = Place(number, name, index), shot
    counts: Counter[str] = Counter()
    with SceneSet(folders, list(cameras), plan.num_frames) as scenes:
        for image in bag.recorded(places):
            camera, count = by_topic[image.topic], counts[image.topic]
            counts[image.topic] += 1
            if count in camera.stream.stray:
                continue
            # Of two images with one stamp the first counts.
            found = places[image.topic].pop(image.stamp_ns, None)
            if found is not None:
                place, shot = found
                scenes.add(place, partial(read_frame, bag, image, camera, shot, longer_side))
                on_frame()
    return scenes.failed


def read_frame(
    bag: Bag, image: RecordedMessage, camera: BagCamera, shot: Shot, longer_side: int
) -> Frame:
    """Decode, rectify and resize a recorded image.

    Raises:
        AnyviewError: `invalid_message`, `unsupported_encoding`, `invalid_image`, `size_mismatch`.
    """
    message = bag.message(image)
    try:
        return _seen(message, image.message_type == COMPRESSED_TYPE, camera, shot, longer_side)
    except AnyviewError as error:
        raise AnyviewError(error.code, f"'{image.topic}': {error}") from None


def _seen(message: Any, compressed: bool, camera: BagCamera, shot: Shot, longer_side: int) -> Frame:
    native = check_compressed(message) if compressed else check_encoding(message)
    raw = shot.lens.raw
    if native != (raw.width, raw.height):
        raise camera.infos.size_mismatch(shot.stamp_ns, native)
    size = bounded_size((raw.height, raw.width), longer_side)
    rectify = rectifier(shot.lens, size)
    rgb = decode_compressed(message, rectify.source_size) if compressed else decode(message)
    resized = resize_camera(shot.lens.camera, size, PIXEL_RULE)
    return Frame(shot.stamp_ns, rectify.apply(rgb), resized, shot.world_from_cam)


def bounded_size(size: tuple[int, int], longer_side: int) -> tuple[int, int]:
    """(H, W) of the same shape with no side longer than that; 0 = any."""
    factor = min(1.0, longer_side / max(size)) if longer_side else 1.0
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
