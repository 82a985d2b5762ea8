"""An inspection in words."""

from __future__ import annotations

from collections.abc import Iterator

from anyview_ros.augment.camera_inspection import InspectedCamera
from anyview_ros.augment.inspection import Inspection, Storage, TfTree
from anyview_ros.augment.timing import Estimate

MOST_FRAMES = 40  # of a tree that are shown


def lines(found: Inspection, size_bytes: int) -> Iterator[str]:
    """Yield what is in a recording, and whether it can be used.

    Args:
        size_bytes: of its files.
    """
    if found.storage is not None:
        yield _storage(found.storage, size_bytes)
    for camera in found.cameras:
        yield ""
        yield from _camera(camera)
    if found.sync is not None:
        yield ""
        for other in found.sync.others:
            yield (
                f"sync: the image of {other.camera} nearest to one of {found.sync.reference} is "
                f"{1e3 * other.mean_s:.1f} ms away on average, {1e3 * other.worst_s:.1f} ms at most"
            )
    for tree in found.tf:
        yield ""
        yield from _tree(tree, found.fixed_frame)
    if found.virtual_cameras or found.left_out:
        yield ""
    if found.virtual_cameras:
        yield f"virtual cameras that it has already: {', '.join(found.virtual_cameras)}"
    yield from (f"not a camera: {left.topic}, {left.reason}" for left in found.left_out)
    yield from (f"unreadable: {part}" for part in found.unreadable)
    yield ""
    yield from _verdict(found)


def time_line(estimate: Estimate) -> str:
    """Return how long a virtual camera would take."""
    return (
        f"time: about {duration(estimate.total_s)} for one virtual camera from {estimate.camera}: "
        f"{estimate.clips} clips, {estimate.clip_s:.1f} s each "
        f"({estimate.model}, {estimate.provider})"
    )


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _storage(storage: Storage, size_bytes: int) -> str:
    kinds = " and ".join(storage.kinds) or "no file"
    packed = f", compressed by {storage.compression} (zstd)" if storage.compression else ""
    files = f"{storage.files} file{'s' * (storage.files != 1)}"
    return (
        f"{kinds}{packed}, {files}, {size_bytes / 1e6:.1f} MB, {storage.duration_s:.1f} s, "
        f"{storage.messages} messages on {storage.topics} topics"
    )


def _camera(camera: InspectedCamera) -> Iterator[str]:
    times = camera.times
    yield f"camera {camera.name}: {camera.topic}"
    size = f"{camera.width}x{camera.height} {camera.encoding}" if camera.width else "unknown size"
    yield (
        f"  {size}, {times.images} images at {times.rate_hz:.1f} Hz, longest gap "
        f"{times.longest_gap_s:.2f} s, {100 * times.missing_share:.1f} % missing"
    )
    if camera.wrong_stamps:
        yield f"  {camera.wrong_stamps} images have wrong stamps and are left out"
    yield f"  calibration: {_calibration(camera)}"
    if camera.chain:
        yield f"  frame: {' < '.join(camera.chain)}"
    if camera.missing_link:
        child, parent = camera.missing_link
        yield f"  missing in TF: a link from '{child}' up to the tree of '{parent}'"
    yield from (f"  problem [{problem.code}]" for problem in camera.problems)
    yield from (f"  doubt: {doubt}" for doubt in camera.doubts)


def _calibration(camera: InspectedCamera) -> str:
    found, topic = camera.calibration, camera.info_topic or "a file"
    if found is None:
        return f"none ({topic})"
    words = [topic, f"{found.width}x{found.height}"]
    words.append(found.distortion_model or "no distortion model")
    if found.identity_k:
        words.append("K is the identity: never calibrated")
    elif found.rectified is None:
        words.append("cannot be used")
    else:
        words.append("images are taken as they come" if found.rectified else "images are rectified")
    if found.changes:
        words.append(f"changes {found.changes} times")
    return ", ".join(words)


def _tree(tree: TfTree, fixed_frame: str) -> Iterator[str]:
    below: dict[str, list[tuple[str, str]]] = {}
    for link in tree.links:
        rate = f", {link.rate_hz:.1f} Hz" if link.rate_hz else ""
        how = "static" if link.static else f"moves{rate}"
        below.setdefault(link.parent, []).append((link.child, how))
    yield f"TF ({', '.join(tree.topics) or 'none was recorded'}), fixed frame {fixed_frame}"
    stack = [(top, "", 1) for top in reversed(tree.tops)]
    shown: set[str] = set()
    while stack and len(shown) < MOST_FRAMES:
        frame, how, depth = stack.pop()
        if frame in shown:  # it has two parents
            continue
        shown.add(frame)
        yield f"{'  ' * depth}{frame}" + (f"  ({how})" if how else "")
        stack += [(child, how, depth + 1) for child, how in reversed(below.get(frame, []))]
    every = {*tree.tops, *(link.child for link in tree.links)}
    if len(every) > len(shown):
        yield f"  and {len(every) - len(shown)} more frames"


def _verdict(found: Inspection) -> Iterator[str]:
    if found.usable:
        names = ", ".join(camera.name for camera in found.cameras)
        yield f"usable: `anyview augment` can take {names} as sources"
        return
    yield "not usable as it is:"
    yield from (f"  [{problem.code}] {problem.message}" for problem in found.problems)
    yield from (f"  or {advice}" for advice in found.advice)
