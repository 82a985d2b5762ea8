"""Materials of things that lie on a table. They return what `materials` says.

Local axes: z is the thing's axis, or up; a cap of a cylinder and the pole of an ellipsoid lie on
it.
"""

from __future__ import annotations

import math

from anyview_ros.worlds.render.device import (
    band,
    clamped,
    device,
    fractal_noise,
    fraction,
    inlined,
    lattice_value,
    mixed,
    scaled,
    smoothstep,
)
from anyview_ros.worlds.render.facades import rectangle, wall_axes
from anyview_ros.worlds.render.scene import BOOK, BOX, LABEL, PICTURE, PUZZLE, SEGMENTS, VESSEL

PAPER, INK, WHITE = (0.72, 0.69, 0.6), (0.03, 0.03, 0.035), (0.75, 0.74, 0.71)
STICKERS = (
    (0.62, 0.08, 0.06),
    (0.05, 0.17, 0.45),
    (0.08, 0.36, 0.14),
    (0.72, 0.5, 0.05),
    (0.7, 0.24, 0.04),
    (0.74, 0.74, 0.72),
)


@inlined
def whole(length, scale):
    """The size nearest to `scale` that fits an even number of times into `length`."""
    return 0.5 * length / max(math.floor(0.5 * length / scale + 0.5), 1.0)


@device
def surface_axes(shape, half, p, normal, scale):
    """(u, v, scale) in metres on the face that `normal` belongs to.

    Around a cylinder or an ellipsoid u is the way along the girth; the scale is made to fit it.
    """
    if shape == BOX:
        u, v = wall_axes(p, normal)
        return u, v, scale
    if shape != BOX and abs(normal[2]) > 0.999:
        return p[0], p[1], scale
    fitting = whole(2.0 * math.pi * half[0], scale)
    return math.atan2(p[1], p[0]) * half[0], p[2], fitting


@device
def label(color, accent, shape, half, p, normal, scale, seed, width):
    """A printed field around a can, a bottle or a box: a title, a picture, lines of text."""
    if abs(normal[2]) > 0.8:
        return color
    u, v, _ = surface_axes(shape, half, p, normal, scale)
    if shape != BOX:  # front and back
        u = (fraction(u / (math.pi * half[0])) - 0.5) * math.pi * half[0]
    side = half[1] if shape == BOX and abs(normal[0]) > 0.6 else half[0]
    field = band(0.05 * half[2], 0.7 * half[2], v, width)
    title = rectangle(u, 0.7 * side, v - 0.5 * half[2], 0.12 * half[2], width)
    picture = band(0.0, 0.42 * side, math.sqrt(u * u + (v + 0.05 * half[2]) ** 2), width)
    line = band(0.5, 0.3, fraction(9.0 * v / half[2]), 9.0 * width / half[2])
    text = rectangle(u, 0.6 * side, v + 0.52 * half[2], 0.11 * half[2], width) * line
    inside = mixed(mixed(accent, STICKERS[seed % 6], picture), WHITE, title)
    return mixed(color, mixed(inside, INK, 0.8 * text), field)


@device
def vessel(color, accent, half, p, normal, width):
    """Cup, bowl or pot: open at the top, with a stripe of the second colour."""
    if abs(normal[2]) > 0.8:
        radius = math.sqrt(p[0] * p[0] + p[1] * p[1])
        if normal[2] < 0.0:
            return color
        deep = 0.25 + 0.6 * smoothstep(-1.0, 1.0, p[0] / half[0])  # the rim's shadow inside
        return mixed(color, scaled(accent, deep), band(0.0, 0.86 * half[0], radius, width))
    return mixed(color, accent, band(0.45 * half[2], 0.16 * half[2], p[2], width))


@device
def segments(color, accent, half, p, width):
    """Six gores of two colours with white poles: a beach ball."""
    turn = math.atan2(p[1], p[0]) / math.pi * 3.0
    radius = math.sqrt(p[0] * p[0] + p[1] * p[1])
    wide = 3.0 * width / (math.pi * max(radius, 0.1 * half[0]))
    gore = mixed(color, accent, band(0.5, 0.25, fraction(0.5 * turn), 0.5 * wide))
    return mixed(WHITE, gore, clamped((radius - 0.3 * half[0]) / max(width, 1e-4) + 0.5, 0.0, 1.0))


@device
def puzzle(half, p, normal, seed, width):
    """A puzzle cube: three by three stickers a face."""
    u, v = wall_axes(p, normal)
    cell = 2.0 * half[0] / 3.0
    i, j = math.floor(u / cell + 1.5), math.floor(v / cell + 1.5)
    face = 1 if abs(normal[0]) > 0.6 else (2 if abs(normal[1]) > 0.6 else 3)
    if normal[0] + normal[1] + normal[2] < 0.0:
        face += 3
    chosen = int(6.0 * lattice_value(i + 3 * j, face, seed))
    x, y = fraction(u / cell + 1.5) - 0.5, fraction(v / cell + 1.5) - 0.5
    return mixed(INK, STICKERS[chosen], rectangle(x, 0.42, y, 0.42, width / cell))


@device
def book(color, accent, half, p, normal, width):
    """Cover on both sides and on the spine (-x), pages on the other edges."""
    if abs(normal[2]) > 0.6:
        frame = rectangle(p[0], 0.8 * half[0], p[1], 0.85 * half[1], width)
        inner = rectangle(p[0], 0.74 * half[0], p[1], 0.8 * half[1], width)
        title = rectangle(p[0] - 0.35 * half[0], 0.16 * half[0], p[1], 0.55 * half[1], width)
        return mixed(color, accent, clamped(frame - inner + title, 0.0, 1.0))
    if normal[0] < -0.6:
        return mixed(color, accent, rectangle(p[1], 0.6 * half[1], p[2], 0.4 * half[2], width))
    pages = band(0.0, 0.8 * half[2], p[2], width)
    return mixed(color, PAPER, pages)


@device
def picture(color, accent, half, p, normal, seed, width):
    """A framed landscape or poster on the face +z."""
    if normal[2] < 0.6:
        return INK
    inside = rectangle(p[0], 0.88 * half[0], p[1], 0.88 * half[1], width)
    u, v = p[0] / half[0], p[1] / half[1]
    hills = 1.2 * fractal_noise(1.5 * u, 0.5, seed, 3, 1.5 * width / half[0]) - 0.7
    land = band(-1.0, 1.0 + hills, v, width / half[1])
    sun = band(0.0, 0.2, math.sqrt((u - 0.4) ** 2 + (v - 0.45) ** 2), width / half[0])
    sky = mixed(scaled(color, 0.6 + 0.3 * v), STICKERS[seed % 6], sun)
    return mixed(INK, mixed(sky, accent, land), inside)


@device
def ware(material, color, accent, shape, half, p, normal, scale, seed, width):
    """(albedo, gloss factor, glow) of a material that belongs to one kind of thing."""
    if material == LABEL:
        color = label(color, accent, shape, half, p, normal, scale, seed, width)
    elif material == VESSEL:
        color = vessel(color, accent, half, p, normal, width)
    elif material == SEGMENTS:
        color = segments(color, accent, half, p, width)
    elif material == PUZZLE:
        color = puzzle(half, p, normal, seed, width)
    elif material == BOOK:
        color = book(color, accent, half, p, normal, width)
    elif material == PICTURE:
        color = picture(color, accent, half, p, normal, seed, width)
    return color, 1.0, 0.0
