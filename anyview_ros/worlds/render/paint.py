"""Materials of vehicles, signs and traffic lights. They return what `materials` says.

A vehicle's ends, windows and wheel arches are painted on a few boxes, whose local axes are x
forward, y left, z up.
"""

from __future__ import annotations

import math

from anyview_ros.worlds.render.device import (
    band,
    device,
    fraction,
    inlined,
    mixed,
    scaled,
    smoothstep,
)
from anyview_ros.worlds.render.facades import GLASS, rectangle, wall_axes

RUBBER, TRIM, SIGN_WHITE = (0.012, 0.012, 0.013), (0.02, 0.02, 0.022), (0.75, 0.75, 0.73)
LAMP, TAIL_LAMP, PLATE = (0.85, 0.85, 0.8), (0.55, 0.015, 0.01), (0.6, 0.58, 0.5)
AXLE = 0.62  # of half the body's length, ahead of and behind its middle
ARCH = 0.4  # metres, radius of a wheel arch


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
        mark = band(0.0, 0.68, math.sqrt(x * x + y * y), fine)
    elif seed % 3 == 1:
        mark = band(0.0, 0.12, x, fine) * band(0.0, 0.6, y, fine)
    else:
        mark = band(0.0, 0.65, x, fine) * band(0.0, 0.16, y, fine)
    return mixed(color, SIGN_WHITE, mark), 0.3, 0.0


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
