"""Flat patterns of rooms and furniture: what colour the point (u, v), in metres, has.

`scale` is the size of the pattern in metres, `width` the pixel's footprint; patterns finer than it
fade to their mean.
"""

from __future__ import annotations

import math

from anyview_ros.worlds.render.device import (
    band,
    bars,
    clamped,
    device,
    faded,
    fractal_noise,
    fraction,
    inlined,
    lattice_value,
    mixed,
    scaled,
    smoothstep,
)
from anyview_ros.worlds.render.scene import (
    BRICK,
    CHECKS,
    DOTS,
    GINGHAM,
    MARBLE,
    RUG,
    STRIPES,
    TERRAZZO,
    TILES,
    WOOD,
)

DOT = 0.28  # radius of a dot, of the pattern's scale


@inlined
def alternating(scale, x, width):
    """Coverage of every second interval of length `scale`."""
    return bars(2.0 * scale, 0.5, x, width)


@device
def wood(color, accent, u, v, scale, seed, width):
    """Boards of width `scale` along u, grain in the second colour."""
    board = math.floor(v / scale)
    shift = 40.0 * lattice_value(board, 3, seed)
    tone = lattice_value(board, math.floor(u / (9.0 * scale) + shift), seed)
    tone = faded(tone, 0.5, scale, width)
    grain = fractal_noise(0.3 * u / scale + shift, 3.0 * v / scale, seed, 4, 3.0 * width / scale)
    joint = bars(scale, 0.96, v, width)
    shade = (0.82 + 0.3 * tone) * (0.72 + 0.28 * joint)
    return scaled(mixed(accent, color, smoothstep(0.3, 0.7, grain)), shade)


@device
def marble(color, accent, u, v, scale, seed, width):
    u, v = u / scale, v / scale
    cloud = fractal_noise(u, v, seed, 5, width / scale)
    ridge = fractal_noise(1.3 * u + 2.0 * cloud, 1.3 * v, seed + 7, 5, 1.3 * width / scale)
    vein = faded(clamped(1.0 - 22.0 * abs(ridge - 0.5), 0.0, 1.0), 0.2, 0.5 * scale, width)
    return mixed(color, accent, clamped(0.8 * vein + cloud - 0.55, 0.0, 1.0))


@device
def tiles(color, accent, u, v, scale, seed, width):
    """Square tiles, joints in the second colour, each tile a little brighter or darker."""
    joint = bars(scale, 0.95, u, width) * bars(scale, 0.95, v, width)
    tone = lattice_value(math.floor(u / scale), math.floor(v / scale), seed)
    return mixed(accent, scaled(color, 0.85 + 0.3 * faded(tone, 0.5, scale, width)), joint)


@device
def bricks(color, accent, u, v, scale, seed, width):
    """Running bond; `scale` is a brick's length."""
    course = math.floor(v / (0.35 * scale))
    u = u + 0.5 * scale * (course & 1)
    joint = bars(scale, 0.94, u, width) * bars(0.35 * scale, 0.86, v, width)
    tone = faded(lattice_value(math.floor(u / scale), course, seed), 0.5, 0.35 * scale, width)
    return mixed(accent, scaled(color, 0.75 + 0.5 * tone), joint)


@device
def dots(color, accent, u, v, scale, width):
    """Dots of the second colour in staggered rows."""
    row = math.floor(v / scale)
    x = fraction(u / scale + 0.5 * (row & 1)) - 0.5
    y = fraction(v / scale) - 0.5
    dot = band(0.0, DOT, math.sqrt(x * x + y * y), width / scale)
    return mixed(color, accent, faded(dot, math.pi * DOT * DOT, 0.5 * scale, width))


@device
def terrazzo(color, accent, u, v, scale, seed, width):
    """Chips of many tones between the two colours, one in each cell."""
    i, j = math.floor(u / scale), math.floor(v / scale)
    x = u / scale - i - 0.3 - 0.4 * lattice_value(i, j, seed)
    y = v / scale - j - 0.3 - 0.4 * lattice_value(i, j, seed + 1)
    size = 0.12 + 0.18 * lattice_value(i, j, seed + 2)
    chip = band(0.0, size, math.sqrt(x * x + y * y), width / scale)
    chip = faded(chip, math.pi * size * size, 0.5 * scale, width)
    tone = faded(lattice_value(i, j, seed + 3), 0.5, scale, width)
    return mixed(color, scaled(mixed(color, accent, tone), 0.5 + tone), chip)


@device
def rug(color, accent, u, scale, seed, width):
    """Stripes across u of random tones between the two colours."""
    k = math.floor(u / scale)
    soft = clamped(width / scale, 0.05, 1.0)
    share = smoothstep(1.0 - soft, 1.0, fraction(u / scale))
    here, there = lattice_value(k, 1, seed), lattice_value(k + 1, 1, seed)
    return mixed(color, accent, faded(here + (there - here) * share, 0.5, scale, width))


@device
def pattern(kind, color, accent, u, v, scale, seed, width):
    """The colour of a pattern of that kind, NOISE where it is none of the others."""
    if kind == WOOD:
        return wood(color, accent, u, v, scale, seed, width)
    if kind == MARBLE:
        return marble(color, accent, u, v, scale, seed, width)
    if kind in (CHECKS, GINGHAM):
        a, b = alternating(scale, u, width), alternating(scale, v, width)
        mean = 0.5 * (a + b)
        return mixed(color, accent, mean if kind == GINGHAM else a + b - 2.0 * a * b)
    if kind == TILES:
        return tiles(color, accent, u, v, scale, seed, width)
    if kind == BRICK:
        return bricks(color, accent, u, v, scale, seed, width)
    if kind == DOTS:
        return dots(color, accent, u, v, scale, width)
    if kind == TERRAZZO:
        return terrazzo(color, accent, u, v, scale, seed, width)
    if kind == RUG:
        return rug(color, accent, u, scale, seed, width)
    if kind == STRIPES:
        return mixed(color, accent, alternating(scale, u, width))
    noise = fractal_noise(u / scale, v / scale, seed, 4, width / scale)
    return scaled(color, 0.65 + 0.7 * noise)
