"""A sampler of virtual cameras as a cameras file has it: ranges about a real camera, and rules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

from anyview_ros.clips.virtual.camera_request import check_name
from anyview_ros.errors import AnyviewError

Range = tuple[float, float]
MAX_COUNT = 1000  # cameras of a sampler
MAX_STEPS = 100  # of a grid along one of its axes


@dataclass(frozen=True)
class PositionRanges:
    """Metres from the real camera, along the axes of the parent frame."""

    x: Range = (0.0, 0.0)
    y: Range = (0.0, 0.0)
    z: Range = (0.0, 0.0)


@dataclass(frozen=True)
class RotationRanges:
    """Radians about the real camera's own axes: ahead, left, up (REP 103); yaw is applied first."""

    roll: Range = (0.0, 0.0)
    pitch: Range = (0.0, 0.0)
    yaw: Range = (0.0, 0.0)


@dataclass(frozen=True)
class IntrinsicsRanges:
    """Hold what is changed of the real camera's intrinsics.

    Args:
        zoom: factor on its focal lengths.
        cx, cy: pixels that its principal point is moved by.
    """

    zoom: Range = (1.0, 1.0)
    cx: Range = (0.0, 0.0)
    cy: Range = (0.0, 0.0)


@dataclass(frozen=True)
class GridSteps:
    """Values along each range, both ends among them; 1 = its middle alone."""

    x: int = 1
    y: int = 1
    z: int = 1
    roll: int = 1
    pitch: int = 1
    yaw: int = 1
    zoom: int = 1
    cx: int = 1
    cy: int = 1


@dataclass(frozen=True)
class Box:
    """Two corners in the parent frame, in metres."""

    min: tuple[float, float, float]
    max: tuple[float, float, float]

    def holds(self, point: tuple[float, float, float]) -> bool:
        """Return whether a point lies in it."""
        bounds = zip(self.min, point, self.max, strict=True)
        return all(low <= value <= high for low, value, high in bounds)


@dataclass(frozen=True)
class Rejection:
    """Rules by which a camera is not taken; those left out reject nothing.

    Args:
        below: z of the parent frame under which a camera is below the ground, or too near it.
        box: the vehicle's.
        overlap: least share of what a camera looks at that a source camera sees.
    """

    below: float | None = None
    box: Box | None = None
    overlap: float = 0.0


@dataclass(frozen=True)
class SamplerEntry:
    """Cameras that are drawn about a real one, anew for each recording; or those of a grid.

    Args:
        name: the cameras are `<name>_0`, `<name>_1` and so on.
        about: the source camera whose place, size and intrinsics they vary.
        parent_frame: to which they are fixed, and in which rules are meant; empty = the fixed
            frame.
        count: that are drawn.
        seed: of the draw.
        grid: in place of `count`.
        rate, sources, uncertainty_samples: as of a named camera.
    """

    name: str
    about: str
    parent_frame: str = ""
    count: int = 0
    seed: int = 0
    grid: GridSteps | None = None
    position: PositionRanges = PositionRanges()
    rotation: RotationRanges = RotationRanges()
    intrinsics: IntrinsicsRanges = IntrinsicsRanges()
    reject: Rejection = Rejection()
    rate: float = 0.0
    sources: tuple[str, ...] = ()
    uncertainty_samples: int = 0

    def ranges(self) -> dict[str, Range]:
        """Return all ranges, by the names of `GridSteps`."""
        groups = (self.position, self.rotation, self.intrinsics)
        return {f.name: getattr(group, f.name) for group in groups for f in fields(group)}


def mistakes(sampler: SamplerEntry) -> Iterator[str]:
    """Yield what is wrong with a sampler whose values are of the right kinds, by its keys."""
    try:
        check_name(f"{sampler.name}_0")
    except AnyviewError as error:
        yield f"name: {error.message}"
    for group in ("position", "rotation", "intrinsics"):
        ranges = getattr(sampler, group)
        for key in (field.name for field in fields(ranges)):
            low, high = getattr(ranges, key)
            if low > high:
                yield f"{group}.{key} must be [least, most], got [{low:g}, {high:g}]"
    if sampler.intrinsics.zoom[0] <= 0:
        yield f"intrinsics.zoom must be above 0, got {list(sampler.intrinsics.zoom)}"
    yield from _mistakes_of_number(sampler)
    box = sampler.reject.box
    if box and any(low >= high for low, high in zip(box.min, box.max, strict=True)):
        yield f"reject.box.min must be below max on each axis, got {[*box.min]} and {[*box.max]}"
    if not 0 <= sampler.reject.overlap <= 1:
        yield f"reject.overlap must be a share, 0 to 1, got {sampler.reject.overlap:g}"


def _mistakes_of_number(sampler: SamplerEntry) -> Iterator[str]:
    if sampler.grid is None:
        if not 1 <= sampler.count <= MAX_COUNT:
            yield f"count must be 1..{MAX_COUNT}, or give a grid in its place, got {sampler.count}"
        return
    if sampler.count:
        yield "count and grid exclude each other: give one of them"
    steps = {field.name: getattr(sampler.grid, field.name) for field in fields(sampler.grid)}
    for key, number in steps.items():
        low, high = sampler.ranges()[key]
        if not 1 <= number <= MAX_STEPS:
            yield f"grid.{key} must be 1..{MAX_STEPS}, got {number}"
        elif number > 1 and low == high:
            yield f"grid.{key} is {number}, but its range is one value, {low:g}: give the range"
    if (total := math.prod(steps.values())) > MAX_COUNT:
        yield f"grid has {total} cameras, of at most {MAX_COUNT}"
