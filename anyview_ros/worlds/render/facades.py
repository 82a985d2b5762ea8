"""Materials of houses: walls, windows, shops, roofs. They return what `materials` says."""

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
)

GLASS = (0.018, 0.024, 0.03)
SHOP_GREEN, SHOP_RED, SHOP_BLUE = (0.03, 0.1, 0.05), (0.22, 0.04, 0.03), (0.03, 0.06, 0.14)
STOREY = 3.1  # metres


@inlined
def wall_axes(p, normal):
    """(along, up) coordinates on the face of a box that `normal` belongs to."""
    if abs(normal[0]) > 0.6:
        return p[1], p[2]
    if abs(normal[1]) > 0.6:
        return p[0], p[2]
    return p[0], p[1]


@inlined
def rectangle(u, half_u, v, half_v, width):
    """Coverage of |u| < half_u and |v| < half_v."""
    return band(0.0, half_u, u, width) * band(0.0, half_v, v, width)


@device
def wall(color, u, v, seed, width):
    """Brick for odd seeds, plaster for even ones."""
    stain = fractal_noise(u * 0.7, v * 0.7, seed, 4, width * 0.7)
    shade = 0.75 + 0.5 * stain
    if seed & 1:
        course = math.floor(v / 0.15)
        mortar = band(0.5, 0.44, fraction(v / 0.15), width / 0.15)
        tone = lattice_value(math.floor(u / 0.45 + 0.5 * (course & 1)), course, seed)
        shade *= (0.8 + 0.2 * mortar) * (0.85 + 0.3 * tone * clamped(1.5 - width * 8.0, 0.0, 1.0))
    return scaled(color, shade)


@device
def shop_front(color, u, v, cell, seed, width):
    """Ground floor: large panes between pillars, a coloured board above."""
    bay = 2.0 * cell
    pane = band(0.5, 0.44, fraction(u / bay), width / bay) * band(1.25, 1.05, v, width)
    board = band(2.65, 0.22, v, width)
    tone = lattice_value(math.floor(u / (2.0 * bay)), 7, seed)
    paint = SHOP_GREEN if tone < 0.3 else (SHOP_RED if tone < 0.55 else SHOP_BLUE)
    paint = mixed(paint, color, 0.15 if tone < 0.8 else 0.7)
    inside = lattice_value(math.floor(u / bay), 3, seed)
    goods = mixed(GLASS, (0.16, 0.13, 0.09), inside * band(0.9, 0.7, v, width))
    return mixed(mixed(color, paint, board), goods, pane), pane


@device
def facade(color, accent, half, p, normal, cell, seed, width):
    """Storeys of windows with frames; some buildings have shops on the ground floor."""
    if abs(normal[2]) > 0.5:
        return scaled(accent, 0.5), 0.0, 0.0
    u, z = wall_axes(p, normal)
    length = 2.0 * (half[1] if abs(normal[0]) > 0.6 else half[0])
    cell = length / max(math.floor(length / cell + 0.5), 1)  # whole windows from edge to edge
    u, v = u + 0.5 * length, z + half[2]
    floor, column = math.floor(v / STOREY), math.floor(u / cell)
    plain = wall(color, u, v, seed, width)
    if floor == 0 and lattice_value(seed, 5, 11) < 0.5:
        shop, pane = shop_front(plain, u, v, cell, seed, width)
        return shop, 0.6 * pane, 0.0
    fu, fv = u - (column + 0.5) * cell, v - (floor + 0.55) * STOREY
    half_u = cell * (0.2 + 0.17 * lattice_value(seed, 1, 2))
    half_v = STOREY * (0.22 + 0.14 * lattice_value(seed, 2, 3))
    if v > 2.0 * half[2] - 0.5 * STOREY:
        return plain, 0.0, 0.0
    pane = rectangle(fu, half_u, fv, half_v, width)
    frame = rectangle(fu, half_u + 0.12, fv, half_v + 0.12, width) - pane
    bars = max(band(0.0, 0.03, fu, width), band(0.3 * half_v, 0.03, fv, width)) * pane
    curtain = lattice_value(column, floor, seed)
    glass = mixed(GLASS, (0.3, 0.28, 0.24), max(curtain - 0.55, 0.0) * 1.2)
    sill = band(-half_v - 0.18, 0.08, fv, width) * band(0.0, half_u + 0.2, fu, width)
    color = mixed(mixed(plain, accent, max(frame, sill)), mixed(glass, accent, bars), pane)
    return color, 0.6 * pane, 0.0


@device
def roof(color, accent, p, normal, width):
    """Courses of tiles; the gable ends are walls of the second colour."""
    if abs(normal[0]) > 0.6:
        return scaled(accent, 0.8), 0.0, 0.0
    course = band(0.5, 0.4, fraction((p[1] + p[2]) / 0.3), width / 0.3)
    stain = fractal_noise(p[0] * 1.5, p[1] * 1.5, 5, 3, width * 1.5)
    return scaled(color, (0.7 + 0.3 * course) * (0.7 + 0.6 * stain)), 0.0, 0.0
