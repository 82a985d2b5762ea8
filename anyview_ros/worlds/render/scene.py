"""What a renderer is given: rows of primitives, bounding groups and an environment."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rows = NDArray[np.float32]

# Columns of a primitive. Names ending in no number are one value wide, the others start a range.
SHAPE, CENTER, ROTATION, HALF = 0, 1, 4, 13
MATERIAL, COLOR, ACCENT, SCALE, SEED, RADIUS, GLOSS, STANDS = 16, 17, 20, 23, 24, 25, 26, 27
# A photograph that tints the material: its index + 1 (0: none), metres a repeat, radians.
TEXTURE, TILE, TURN = 28, 29, 30
COLUMNS = 31

BOX, ELLIPSOID, CYLINDER = 0, 1, 2

(
    PLAIN,
    FACADE,
    ROOF,
    FOLIAGE,
    VEHICLE_BODY,
    VEHICLE_CABIN,
    VEHICLE_SCREEN,
    COACH,
    WHEEL,
    SIGN,
    SIGNAL,
    NOISE,
    STRIPES,
    WOOD,
    MARBLE,
    CHECKS,
    GINGHAM,
    TILES,
    BRICK,
    DOTS,
    TERRAZZO,
    RUG,
    LABEL,
    VESSEL,
    SEGMENTS,
    PUZZLE,
    BOOK,
    PICTURE,
) = range(28)

# Columns of a bounding group: a sphere around the primitives first..last-1; do they cast shadows?
GROUP_CENTER, GROUP_RADIUS, GROUP_FIRST, GROUP_LAST, GROUP_CASTS = 0, 3, 4, 5, 6
GROUP_COLUMNS = 7

# Columns of the environment. Colours are linear, lengths in metres.
SUN, SUNLIGHT, ZENITH, HORIZON = 0, 3, 6, 9
FOG, HAZE_RANGE, AMBIENT, CLOUDS, EXPOSURE, TEXTURE_SEED = 12, 13, 14, 15, 16, 17
ASPHALT, PAVING, GRASS = 18, 21, 24
LANE_WIDTH, LANES, ROAD_HALF, SIDEWALK, BLOCK, SIDE_HALF, YELLOW_LINE = 27, 28, 29, 30, 31, 32, 33
PARKING = 34
# Height of the ground; height above what things stand on below which the sky's light fades; and
# what the ground is: a street, or where FLOOR is not 0 the material of a floor.
GROUND, OCCLUSION, FLOOR, FLOOR_SCALE, FLOOR_COLOR, FLOOR_ACCENT = 35, 36, 37, 38, 39, 42
# TEXTURE, TILE and TURN of the road or floor, of the paving and of the yards; the index + 1 of a
# photographed sky (0: none), and how far it is turned.
ROAD_TEXTURE, PAVING_TEXTURE, YARD_TEXTURE, SKY_TEXTURE, SKY_TURN = 45, 48, 51, 54, 55
ENVIRONMENT_COLUMNS = 56


@dataclass(frozen=True)
class Scene:
    """One instant of a world, ready to render.

    Args:
        primitives: (N, COLUMNS) float32: shape, centre, world_from_local rotation (row-major),
            half sizes, material, linear colours, height of what it stands on.
        groups: (G, GROUP_COLUMNS) float32; every primitive lies in exactly one group.
        environment: (ENVIRONMENT_COLUMNS,) float32: sun, sky, fog and the ground's layout.
        texels: (n, 3) uint8, the photographs that TEXTURE and SKY_TEXTURE name; see `textures`.
    """

    primitives: Rows
    groups: Rows
    environment: Rows
    texels: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 3), np.uint8))

    def __post_init__(self) -> None:
        assert self.primitives.shape[1:] == (COLUMNS,)
        assert self.groups.shape[1:] == (GROUP_COLUMNS,)
        assert self.environment.shape == (ENVIRONMENT_COLUMNS,)
        for rows in (self.primitives, self.groups, self.environment):
            # One layout, or the kernel would be compiled a second time.
            assert rows.dtype == np.float32
            assert rows.flags.c_contiguous
        assert self.texels.dtype == np.uint8
        assert self.texels.flags.c_contiguous
        assert self.texels.flags.writeable  # numba has another type for what is not


@dataclass(frozen=True)
class Finish:
    """What a surface looks like; `scale`, `seed` and `accent` mean what the material says."""

    color: ArrayLike = (0.5, 0.5, 0.5)
    accent: ArrayLike = (0.2, 0.2, 0.2)
    material: int = PLAIN
    scale: float = 1.0
    seed: int = 0
    gloss: float = 0.0


def primitive(
    shape: int,
    center: ArrayLike,
    half: ArrayLike,
    finish: Finish,
    rotation: ArrayLike | None = None,
) -> Rows:
    """One row: (COLUMNS,) float32. `half` are half sizes along the local axes, in metres."""
    row = np.zeros(COLUMNS, np.float32)
    size = np.asarray(half, np.float64)
    row[SHAPE] = shape
    row[CENTER : CENTER + 3] = center
    row[ROTATION : ROTATION + 9] = np.ravel(np.eye(3) if rotation is None else rotation)
    row[HALF : HALF + 3] = size
    row[MATERIAL], row[SCALE], row[SEED] = finish.material, finish.scale, finish.seed
    row[COLOR : COLOR + 3], row[ACCENT : ACCENT + 3] = finish.color, finish.accent
    row[GLOSS] = finish.gloss
    row[RADIUS] = 1.001 * _bounding_radius(shape, size)
    return row


def box(
    center: ArrayLike, half: ArrayLike, finish: Finish, rotation: ArrayLike | None = None
) -> Rows:
    return primitive(BOX, center, half, finish, rotation)


def ellipsoid(
    center: ArrayLike, half: ArrayLike, finish: Finish, rotation: ArrayLike | None = None
) -> Rows:
    return primitive(ELLIPSOID, center, half, finish, rotation)


def rod(start: ArrayLike, end: ArrayLike, radius: float, finish: Finish) -> Rows:
    """A capped cylinder whose axis runs from `start` to `end`."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length = float(np.linalg.norm(b - a))
    half = (radius, radius, 0.5 * length)
    return primitive(CYLINDER, 0.5 * (a + b), half, finish, rotation_to_axis((b - a) / length))


def rotation_to_axis(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation that takes z to the unit vector `axis`."""
    other = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = np.cross(other, axis)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(axis, x), axis], axis=1)


def bounding_groups(rows: Rows, sizes: ArrayLike) -> Rows:
    """(G, GROUP_COLUMNS): spheres around consecutive runs of `sizes[g]` rows."""
    lasts = np.cumsum(np.asarray(sizes, np.int64))
    firsts = lasts - np.asarray(sizes, np.int64)
    assert lasts.size == 0 or lasts[-1] == len(rows)
    groups = np.zeros((len(lasts), GROUP_COLUMNS), np.float32)
    centers, radii = rows[:, CENTER : CENTER + 3], rows[:, RADIUS]
    for group, first, last in zip(groups, firsts, lasts, strict=True):
        inside, reach = centers[first:last], radii[first:last]
        low, high = inside - reach[:, None], inside + reach[:, None]
        middle = 0.5 * (low.min(axis=0) + high.max(axis=0))
        group[:3] = middle
        group[GROUP_RADIUS] = 1.001 * (np.linalg.norm(inside - middle, axis=1) + reach).max()
        group[GROUP_FIRST], group[GROUP_LAST], group[GROUP_CASTS] = first, last, 1.0
    return groups


def _bounding_radius(shape: int, half: NDArray[np.float64]) -> float:
    if shape == ELLIPSOID:
        return float(half.max())
    if shape == CYLINDER:
        return float(np.hypot(half[:2].max(), half[2]))
    return float(np.linalg.norm(half))
