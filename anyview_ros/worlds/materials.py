"""Procedural materials of primitives, evaluated in the primitive's own axes.

Every material returns (albedo, gloss, glow): linear colour, a factor on the primitive's gloss, and
how much of the albedo is added as light of its own. `width` is the pixel's footprint in metres.
"""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.device import (
    band,
    clamped,
    device,
    fractal_noise,
    fraction,
    inlined,
    lattice_value,
    mixed,
    row_vector,
    scaled,
    smoothstep,
)
from anyview_ros.worlds.scene import (
    ACCENT,
    COACH,
    COLOR,
    FACADE,
    FOLIAGE,
    HALF,
    MATERIAL,
    NOISE,
    ROOF,
    SCALE,
    SEED,
    SIGN,
    SIGNAL,
    STRIPES,
    VEHICLE_BODY,
    VEHICLE_CABIN,
    VEHICLE_SCREEN,
    WHEEL,
)

GLASS, RUBBER, TRIM = (0.018, 0.024, 0.03), (0.012, 0.012, 0.013), (0.02, 0.02, 0.022)
LAMP, TAIL_LAMP, PLATE = (0.85, 0.85, 0.8), (0.55, 0.015, 0.01), (0.6, 0.58, 0.5)
SHOP_GREEN, SHOP_RED, SHOP_BLUE = (0.03, 0.1, 0.05), (0.22, 0.04, 0.03), (0.03, 0.06, 0.14)
STOREY = 3.1  # metres
AXLE = 0.62  # of half the body's length, ahead of and behind its middle
ARCH = 0.4  # metres, radius of a wheel arch


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


@device
def foliage(color, accent, p, scale, seed, width):
    u, v = p[0] + 0.6 * p[1], p[2] - 0.5 * p[1]
    leaves = fractal_noise(u * scale * 3.0, v * scale * 3.0, seed, 5, width * scale * 3.0)
    clump = smoothstep(0.32, 0.68, leaves)
    return scaled(mixed(accent, color, clump), 0.35 + 1.2 * leaves), 0.0, 0.0


@device
def lamps_and_plate(color, half, y, z, rear, width):
    """Front or rear end of a car: (albedo, gloss, glow)."""
    bumper = band(-half[2], 0.45 * half[2], z, width)
    color = mixed(color, TRIM, 0.85 * bumper)
    side = abs(y) - 0.74 * half[1]
    lamp = rectangle(side, 0.2 * half[1], z - 0.35 * half[2], 0.24 * half[2], width)
    plate = rectangle(y, 0.26, z + 0.35 * half[2], 0.07, width)
    if not rear:
        grille = rectangle(y, 0.5 * half[1], z - 0.2 * half[2], 0.32 * half[2], width)
        color = mixed(color, TRIM, grille)
    color = mixed(color, TAIL_LAMP if rear else LAMP, lamp)
    return mixed(color, PLATE, plate), 1.0 - bumper, 0.35 * lamp


@inlined
def wheel_arches(color, half, x, z, wheel_z, width):
    distance = math.sqrt((abs(x) - AXLE * half[0]) ** 2 + (z - wheel_z) ** 2)
    return mixed(color, RUBBER, band(0.0, ARCH, distance, width))


@device
def vehicle_body(color, half, p, normal, wheel_z, width):
    x, y, z = p
    if abs(normal[0]) > 0.6:
        return lamps_and_plate(color, half, y, z, normal[0] < 0.0, width)
    if abs(normal[1]) > 0.6:
        seams = max(band(0.24 * half[0], 0.012, x, width), band(-0.2 * half[0], 0.012, x, width))
        sill = band(-half[2], 0.12, z, width)
        color = mixed(color, TRIM, max(0.6 * seams, 0.9 * sill))
        return wheel_arches(color, half, x, z, wheel_z, width), 1.0, 0.0
    return color, 1.0, 0.0


@device
def vehicle_cabin(color, half, p, normal, width):
    """Windows all around below a roof of the body's colour."""
    if abs(normal[2]) > 0.6:
        return color, 1.0, 0.0
    u, z = wall_axes(p, normal)
    length = half[1] if abs(normal[0]) > 0.6 else half[0]
    glass = band(0.0, length - 0.09, u, width) * band(-0.08 * half[2], 0.78 * half[2], z, width)
    if abs(normal[1]) > 0.6:
        glass *= 1.0 - band(0.05 * length, 0.05, u, width)
    return mixed(color, GLASS, glass), 1.0, 0.0


@device
def vehicle_screen(color, half, p, normal, width):
    """A sloping pane: glass on its outer side, painted pillars around it."""
    if normal[2] < 0.6:
        return color, 1.0, 0.0
    glass = rectangle(p[0], half[0] - 0.05, p[1], half[1] - 0.09, width)
    return mixed(color, GLASS, glass), 1.0, 0.0


@device
def coach(color, accent, half, p, normal, wheel_z, width):
    """Bus: a row of windows, a stripe of the second colour, wheel arches, doors, a line number."""
    x, y, z = p
    if abs(normal[2]) > 0.6:
        return scaled(color, 0.8), 1.0, 0.0
    color = mixed(color, accent, band(-0.28 * half[2], 0.12 * half[2], z, width))
    if abs(normal[1]) > 0.6:
        pane = band(0.5, 0.46, fraction(x / 1.5), width / 1.5) * band(0.0, half[0] - 0.3, x, width)
        glass = pane * band(0.32 * half[2], 0.32 * half[2], z, width)
        color = wheel_arches(mixed(color, GLASS, glass), half, x, z, wheel_z, width)
        return color, 1.0, 0.0
    screen = rectangle(y, half[1] - 0.12, z - 0.25 * half[2], 0.45 * half[2], width)
    board = rectangle(y, 0.55 * half[1], z - 0.84 * half[2], 0.1 * half[2], width)
    side = abs(y) - 0.78 * half[1]
    lamp = rectangle(side, 0.14 * half[1], z + 0.62 * half[2], 0.08 * half[2], width)
    color = mixed(color, GLASS, max(screen, board))
    color = mixed(color, (0.9, 0.45, 0.05), board * band(0.5, 0.3, fraction(y / 0.25), width * 4.0))
    return (
        mixed(color, TAIL_LAMP if normal[0] < 0.0 else LAMP, lamp),
        1.0,
        0.35 * lamp + 0.2 * board,
    )


@device
def wheel(color, half, p, normal, width):
    if abs(normal[2]) < 0.5:
        return RUBBER, 0.0, 0.0
    radius = math.sqrt(p[0] * p[0] + p[1] * p[1])
    rim = band(0.0, 0.66 * half[0], radius, width)
    spokes = 0.5 + 0.5 * math.cos(5.0 * math.atan2(p[1], p[0]))
    hub = band(0.0, 0.2 * half[0], radius, width)
    return (
        mixed(RUBBER, scaled(color, 0.25 + 0.75 * max(smoothstep(0.3, 0.6, spokes), hub)), rim),
        rim,
        0.0,
    )


@device
def sign(color, half, p, normal, seed, width):
    """Traffic sign on the +z face: a ring, an arrow or a bar; the rest is bare metal."""
    if normal[2] < 0.5:
        return (0.25, 0.25, 0.26), 0.3, 0.0
    x, y = p[0] / half[0], p[1] / half[1]
    fine = width / half[0]
    if seed % 3 == 0:
        inner = band(0.0, 0.68, math.sqrt(x * x + y * y), fine)
        return mixed(color, (0.75, 0.75, 0.73), inner), 0.3, 0.0
    if seed % 3 == 1:
        mark = band(0.0, 0.12, x, fine) * band(0.0, 0.6, y, fine)
        return mixed(color, (0.75, 0.75, 0.73), mark), 0.3, 0.0
    mark = band(0.0, 0.65, x, fine) * band(0.0, 0.16, y, fine)
    return mixed(color, (0.75, 0.75, 0.73), mark), 0.3, 0.0


@device
def signal(color, half, p, normal, seed, width):
    """Traffic light on the +x face: three lenses, number `seed` from the top is lit."""
    if normal[0] < 0.5:
        return color, 0.0, 0.0
    for k in range(3):
        z = p[2] - 0.62 * half[2] * (1 - k)
        if abs(z) < 0.31 * half[2]:
            lens = band(0.0, 0.27 * half[2], math.sqrt(p[1] * p[1] + z * z), width)
            on = 1.0 if k == seed else 0.06
            hue = (
                (1.0, 0.05, 0.02) if k == 0 else ((1.0, 0.5, 0.02) if k == 1 else (0.05, 0.9, 0.3))
            )
            return mixed(color, scaled(hue, on), lens), 0.0, 2.0 * lens * on
    return color, 0.0, 0.0


@device
def painted(material, color, accent, half, p, normal, scale, seed, width):
    """Materials of vehicles and signs."""
    if material == VEHICLE_BODY:
        return vehicle_body(color, half, p, normal, scale, width)
    if material == VEHICLE_CABIN:
        return vehicle_cabin(color, half, p, normal, width)
    if material == VEHICLE_SCREEN:
        return vehicle_screen(color, half, p, normal, width)
    if material == COACH:
        return coach(color, accent, half, p, normal, scale, width)
    if material == WHEEL:
        return wheel(color, half, p, normal, width)
    if material == SIGN:
        return sign(color, half, p, normal, seed, width)
    if material == SIGNAL:
        return signal(color, half, p, normal, seed, width)
    return color, 1.0, 0.0


@device
def surface(primitives, k, p, normal, width):
    """(albedo, gloss factor, glow) of primitive k at the local point p."""
    material, seed = int(primitives[k, MATERIAL]), int(primitives[k, SEED])
    scale, half = np.float64(primitives[k, SCALE]), row_vector(primitives, k, HALF)
    color, accent = row_vector(primitives, k, COLOR), row_vector(primitives, k, ACCENT)
    if material == FACADE:
        return facade(color, accent, half, p, normal, scale, seed, width)
    if material == ROOF:
        return roof(color, accent, p, normal, width)
    if material == FOLIAGE:
        return foliage(color, accent, p, scale, seed, width)
    if material == NOISE:
        u, v = wall_axes(p, normal)
        noise = fractal_noise(u * scale, v * scale, seed, 4, width * scale)
        return scaled(color, 0.65 + 0.7 * noise), 1.0, 0.0
    if material == STRIPES:
        u, _ = wall_axes(p, normal)
        return mixed(color, accent, band(0.5, 0.25, fraction(u / scale), width / scale)), 1.0, 0.0
    return painted(material, color, accent, half, p, normal, scale, seed, width)
