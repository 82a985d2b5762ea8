"""The surface of a primitive: which of the procedural materials, in the primitive's own axes.

Every material returns (albedo, gloss, glow): linear colour, a factor on the primitive's gloss, and
how much of the albedo is added as light of its own. `width` is the pixel's footprint in metres.
"""

from __future__ import annotations

import numpy as np

from anyview_ros.worlds.render.device import (
    device,
    fractal_noise,
    mixed,
    row_vector,
    scaled,
    smoothstep,
    vector,
)
from anyview_ros.worlds.render.facades import facade, roof
from anyview_ros.worlds.render.paint import (
    coach,
    sign,
    signal,
    vehicle_body,
    vehicle_cabin,
    vehicle_screen,
    wheel,
)
from anyview_ros.worlds.render.patterns import pattern
from anyview_ros.worlds.render.scene import (
    ACCENT,
    COACH,
    COLOR,
    FACADE,
    FLOOR,
    FLOOR_ACCENT,
    FLOOR_COLOR,
    FLOOR_SCALE,
    FOLIAGE,
    HALF,
    LABEL,
    MATERIAL,
    NOISE,
    ROOF,
    SCALE,
    SEED,
    SHAPE,
    SIGN,
    SIGNAL,
    TEXTURE_SEED,
    VEHICLE_BODY,
    VEHICLE_CABIN,
    VEHICLE_SCREEN,
    WHEEL,
)
from anyview_ros.worlds.render.wares import surface_axes, ware


@device
def foliage(color, accent, p, scale, seed, width):
    u, v = p[0] + 0.6 * p[1], p[2] - 0.5 * p[1]
    leaves = fractal_noise(u * scale * 3.0, v * scale * 3.0, seed, 5, width * scale * 3.0)
    clump = smoothstep(0.32, 0.68, leaves)
    return scaled(mixed(accent, color, clump), 0.35 + 1.2 * leaves), 0.0, 0.0


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
    if material >= LABEL:
        shape = int(primitives[k, SHAPE])
        return ware(material, color, accent, shape, half, p, normal, scale, seed, width)
    if material >= NOISE:
        u, v, fit = surface_axes(int(primitives[k, SHAPE]), half, p, normal, scale)
        return pattern(material, color, accent, u, v, fit, seed, width), 1.0, 0.0
    if material == FACADE:
        return facade(color, accent, half, p, normal, scale, seed, width)
    if material == ROOF:
        return roof(color, accent, p, normal, width)
    if material == FOLIAGE:
        return foliage(color, accent, p, scale, seed, width)
    return painted(material, color, accent, half, p, normal, scale, seed, width)


@device
def floor_surface(environment, x, y, width):
    """Albedo of a room's floor."""
    return pattern(
        int(environment[FLOOR]),
        vector(environment, FLOOR_COLOR),
        vector(environment, FLOOR_ACCENT),
        x,
        y,
        np.float64(environment[FLOOR_SCALE]),
        int(environment[TEXTURE_SEED]),
        width,
    )
