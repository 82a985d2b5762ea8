"""The ground of the street world: asphalt with markings, kerbs, sidewalks, crossings, yards.

The street runs along x with its middle at y = 0; side streets cross it at every multiple of the
block length. Patterns are filtered by the pixel's footprint, so that they fade instead of flicker.
"""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.render.device import (
    band,
    bars,
    clamped,
    device,
    fractal_noise,
    fraction,
    inlined,
    lattice_value,
    mixed,
    scaled,
    smoothstep,
    value_noise,
    vector,
)
from anyview_ros.worlds.render.scene import (
    ASPHALT,
    BLOCK,
    GRASS,
    LANE_WIDTH,
    LANES,
    PARKING,
    PAVING,
    PAVING_TEXTURE,
    ROAD_HALF,
    ROAD_TEXTURE,
    SIDE_HALF,
    SIDEWALK,
    TEXTURE_SEED,
    YARD_TEXTURE,
    YELLOW_LINE,
)
from anyview_ros.worlds.render.textures import textured

WHITE_PAINT, YELLOW_PAINT = (0.62, 0.62, 0.6), (0.6, 0.36, 0.05)
KERB_COLOR, KERB_WIDTH = (0.26, 0.26, 0.25), 0.2
SIDE_WALK = 2.2  # width of a side street's sidewalk, metres
DASH_PERIOD, SLAB = 6.0, 1.5
CROSSWALK_START, CROSSWALK_END, STOP_LINE = 0.6, 3.4, 4.0  # metres from the side street's edge


@inlined
def beyond(edge, x, width):
    """Coverage in [0, 1] of x > edge by a pixel of that width."""
    return clamped((x - edge) / max(width, 1e-4) + 0.5, 0.0, 1.0)


@device
def lane_lines(environment, x, y, wide_x, wide_y):
    """(white, yellow) coverage of the lines between lanes and at the road's edges."""
    lane, lanes = float(environment[LANE_WIDTH]), int(environment[LANES])
    half = 0.5 * lanes * lane
    dash = bars(DASH_PERIOD, 0.5, x, wide_x)
    white, yellow = 0.0, 0.0
    for k in range(1, lanes):
        at = k * lane - half
        if 2 * k == lanes and environment[YELLOW_LINE] > 0.5:
            yellow = band(0.14, 0.06, abs(y - at), wide_y)
        else:
            white = max(white, band(at, 0.07, y, wide_y) * dash)
    white = max(white, band(half + 0.1, 0.06, abs(y), wide_y))
    if environment[PARKING] > 0.5:
        bay = bars(DASH_PERIOD, 0.02, x, wide_x) * beyond(half + 0.1, abs(y), wide_y)
        white = max(white, bay)
    return white, yellow


@device
def street_paint(environment, x, y, from_crossing, wide_x, wide_y):
    """(white, yellow) coverage on the main street; `from_crossing` is signed, in metres."""
    edge = abs(from_crossing) - environment[SIDE_HALF]
    if edge > STOP_LINE + 0.4:
        return lane_lines(environment, x, y, wide_x, wide_y)
    if edge < 0.0:
        return 0.0, 0.0
    middle = 0.5 * (CROSSWALK_START + CROSSWALK_END)
    walk = band(middle, middle - CROSSWALK_START, edge, wide_x) * bars(1.0, 0.5, y, wide_y)
    incoming = 1.0 if from_crossing * y > 0.0 else 0.0  # traffic keeps to the right
    stop = band(STOP_LINE, 0.15, edge, wide_x) * incoming
    return max(walk, stop), 0.0


@device
def side_paint(environment, from_crossing, y, wide_x, wide_y):
    """White coverage on a side street, beyond the main street's edge."""
    edge, walk = abs(y) - environment[ROAD_HALF], float(environment[SIDEWALK])
    if edge < walk:
        zebra = bars(1.0, 0.5, from_crossing, wide_x)
        return band(0.5 * walk, 0.5 * walk - 0.4, edge, wide_y) * zebra
    dash = bars(DASH_PERIOD, 0.5, y, wide_y)
    incoming = 1.0 if from_crossing * y < 0.0 else 0.0
    stop = band(walk + 0.8, 0.15, edge, wide_y) * incoming
    return max(
        stop, band(0.0, 0.06, from_crossing, wide_x) * dash * (1.0 if edge > walk + 2.0 else 0.0)
    )


@device
def asphalt(environment, x, y, noise, seed):
    worn = 1.0 - 0.3 * smoothstep(0.68, 0.78, value_noise(x * 0.15, y * 0.3, seed + 9))
    tracks = abs(fraction((abs(y) / environment[LANE_WIDTH]) * 2.0) - 0.5)
    return scaled(vector(environment, ASPHALT), (0.6 + 0.8 * noise) * worn * (0.94 + 0.2 * tracks))


@device
def paving(environment, x, y, noise, seed, wide_x, wide_y):
    joint = bars(SLAB, 0.97, x, wide_x) * bars(SLAB, 0.97, y, wide_y)
    tone = lattice_value(math.floor(x / SLAB), math.floor(y / SLAB), seed)
    bright = (0.8 + 0.2 * tone) * (0.75 + 0.5 * noise) * (0.6 + 0.4 * joint)
    return scaled(vector(environment, PAVING), bright)


@device
def yard(environment, x, y, noise, seed, footprint):
    """Grass and bare soil behind the sidewalks."""
    fine = fractal_noise(x * 1.7, y * 1.7, seed + 3, 4, footprint * 1.7)
    dry = smoothstep(0.4, 0.8, value_noise(x * 0.12, y * 0.12, seed + 5))
    color = mixed(vector(environment, GRASS), (0.2, 0.17, 0.1), dry)
    return scaled(color, 0.4 + 0.5 * fine + 0.5 * noise)


@device
def laid(environment, texels, column, color, p, footprint):
    """The colour of a part of the ground, with the photograph that lies on it, if there is one."""
    texture = int(environment[column])
    if texture == 0:
        return color
    tile, turn = np.float64(environment[column + 1]), np.float64(environment[column + 2])
    return textured(texels, texture - 1, color, p, tile, turn, footprint)


@device
def ground_surface(environment, texels, x, y, wide_x, wide_y):
    """Albedo at (x, y) metres for a pixel that covers wide_x by wide_y metres."""
    seed, footprint = int(environment[TEXTURE_SEED]), math.sqrt(wide_x * wide_y)
    noise = fractal_noise(x * 0.5, y * 0.5, seed, 6, footprint * 0.5)
    block = float(environment[BLOCK])
    from_crossing = x - math.floor(x / block + 0.5) * block
    # Metres outside the main street and outside the side street; the road is where either is < 0.
    out_main = abs(y) - environment[ROAD_HALF]
    out_side = abs(from_crossing) - environment[SIDE_HALF]
    off_road = min(beyond(0.0, out_main, wide_y), beyond(0.0, out_side, wide_x))
    color = asphalt(environment, x, y, noise, seed)
    color = laid(environment, texels, ROAD_TEXTURE, color, (x, y), footprint)
    if off_road < 1.0:
        white, yellow = 0.0, 0.0
        if out_main < 0.0:
            white, yellow = street_paint(environment, x, y, from_crossing, wide_x, wide_y)
        elif out_side < 0.0:
            white = side_paint(environment, from_crossing, y, wide_x, wide_y)
        wear = 0.6 + 0.5 * noise
        color = mixed(color, WHITE_PAINT, clamped(white * wear, 0.0, 1.0))
        color = mixed(color, YELLOW_PAINT, clamped(yellow * wear, 0.0, 1.0))
    if off_road > 0.0:
        slabs = paving(environment, x, y, noise, seed, wide_x, wide_y)
        slabs = laid(environment, texels, PAVING_TEXTURE, slabs, (x, y), footprint)
        inner = min(
            beyond(environment[SIDEWALK], out_main, wide_y), beyond(SIDE_WALK, out_side, wide_x)
        )
        if inner > 0.0:
            lawn = yard(environment, x, y, noise, seed, footprint)
            lawn = laid(environment, texels, YARD_TEXTURE, lawn, (x, y), footprint)
            slabs = mixed(slabs, lawn, inner)
        past_kerb = min(beyond(KERB_WIDTH, out_main, wide_y), beyond(KERB_WIDTH, out_side, wide_x))
        border = mixed(scaled(KERB_COLOR, 0.7 + 0.6 * noise), slabs, past_kerb)
        color = mixed(color, border, off_road)
    return color
