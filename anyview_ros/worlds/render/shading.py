"""From what a pixel's rays hit to its colour: surfaces, sun, sky, haze, exposure."""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.render.device import (
    added,
    clamped,
    device,
    dot,
    fractal_noise,
    inlined,
    mixed,
    product,
    scaled,
    smoothstep,
    vector,
)
from anyview_ros.worlds.render.ground import ground_surface, laid
from anyview_ros.worlds.render.materials import floor_surface, surface
from anyview_ros.worlds.render.scene import (
    AMBIENT,
    CLOUDS,
    EXPOSURE,
    FLOOR,
    FOG,
    GLOSS,
    HAZE_RANGE,
    HORIZON,
    OCCLUSION,
    ROAD_TEXTURE,
    SHAPE,
    SKY_TEXTURE,
    STANDS,
    SUN,
    SUNLIGHT,
    TEXTURE,
    TEXTURE_SEED,
    TILE,
    TURN,
    ZENITH,
)
from anyview_ros.worlds.render.shapes import (
    ONE,
    ZERO,
    half_sizes,
    local_direction,
    local_normal,
    local_point,
    placement,
    world_direction,
)
from anyview_ros.worlds.render.textures import photographed_sky, textured
from anyview_ros.worlds.render.wares import surface_axes

ON_GROUND, SKY = -1, -2  # codes of rays that meet no primitive


@device
def clear_sky(environment, d):
    """Linear colour of the sky without clouds in the unit direction d, the sun's glow included."""
    up = math.sqrt(clamped(d[2], 0.0, 1.0))
    color = mixed(vector(environment, HORIZON), vector(environment, ZENITH), up)
    towards = max(dot(d, vector(environment, SUN)), 0.0)
    glow = towards * towards
    glow = glow * glow
    glow = glow * glow  # ** 8
    light = 0.12 * glow * glow
    if glow > 0.8:
        light += 0.9 * math.pow(glow, 50.0)
    return added(color, scaled(vector(environment, SUNLIGHT), light))


@device
def sky_color(environment, texels, d):
    """Linear colour of the sky in the unit direction d."""
    if environment[SKY_TEXTURE] > 0.0:
        return photographed_sky(texels, environment, d)
    color = clear_sky(environment, d)
    if d[2] < 0.02:
        return color
    cover, seed = np.float64(environment[CLOUDS]), int(environment[TEXTURE_SEED])
    plane = 1.3 / (d[2] + 0.15)
    n = fractal_noise(d[0] * plane + seed, d[1] * plane, seed, 4, 0.05)
    share = cover * smoothstep(0.42, 0.68, n) * smoothstep(0.02, 0.25, d[2])
    white = 0.75 + 0.25 * cover
    return mixed(color, (white, white, white), share)


@inlined
def hazed(environment, color, t):
    """Clear up to about half of HAZE_RANGE, nothing left at 1.5 of it: there traffic may wrap."""
    far = t / environment[HAZE_RANGE]
    left = math.exp(-t * environment[FOG] - far * far * far * far)
    return mixed(vector(environment, HORIZON), color, left)


@device
def reflected(environment, color, n, d, gloss, lit):
    """Add a mirror image of the clear sky (Schlick) and of the sun."""
    cosine = -dot(n, d)
    r = added(d, scaled(n, 2.0 * cosine))
    grazing = 1.0 - clamped(cosine, 0.0, 1.0)
    strength = gloss * (0.08 + 0.92 * grazing * grazing * grazing * grazing)
    street = scaled(vector(environment, HORIZON), 0.12)
    mirror = clear_sky(environment, r) if r[2] > 0.0 else street
    color = mixed(color, mirror, clamped(strength, 0.0, 0.8))
    shine = dot(r, vector(environment, SUN))
    if shine > 0.9:
        shine = math.pow(shine, 60.0) * 0.7 * gloss * lit
        color = added(color, scaled(vector(environment, SUNLIGHT), shine))
    return color


@inlined
def daylight(environment, albedo, n, lit, openness):
    """Albedo under sun and sky; `openness` is the share of the sky that is not hidden."""
    sun = max(dot(n, vector(environment, SUN)), 0.0) * lit
    ground = scaled(vector(environment, HORIZON), 0.55)
    above = added(scaled(vector(environment, ZENITH), 0.7), (0.12, 0.12, 0.12))
    sky = scaled(mixed(ground, above, 0.5 + 0.5 * n[2]), float(environment[AMBIENT]) * openness)
    return product(albedo, added(scaled(vector(environment, SUNLIGHT), sun), sky))


@device
def ground_color(environment, texels, p, d, footprint, lit):
    # On the ground a pixel is long along the ray and narrow across it.
    long = footprint / max(-d[2], 1e-3)
    flat = 1.0 / math.sqrt(d[0] * d[0] + d[1] * d[1] + 1e-9)
    along_x, along_y = abs(d[0]) * flat, abs(d[1]) * flat
    wide_x, wide_y = along_x * long + along_y * footprint, along_y * long + along_x * footprint
    if environment[FLOOR] > 0.0:
        wide = math.sqrt(wide_x * wide_y)
        albedo = floor_surface(environment, p[0], p[1], wide)
        albedo = laid(environment, texels, ROAD_TEXTURE, albedo, p, wide)
    else:
        albedo = ground_surface(environment, texels, p[0], p[1], wide_x, wide_y)
    return daylight(environment, albedo, (0.0, 0.0, 1.0), lit, 1.0)


@device
def primitive_color(primitives, environment, texels, code, p, d, footprint, lit):
    k, axis = code // 4, code % 4
    place, half = placement(primitives, k), half_sizes(primitives, k)
    q = local_point(place, p[0], p[1], p[2])
    local = local_direction(place, d[0], d[1], d[2])
    normal = local_normal(int(primitives[k, SHAPE]), axis, q, local, half)
    n = world_direction(place, normal)
    width = footprint / math.sqrt(max(-dot(n, d), 0.1))
    albedo, gloss, glow = surface(primitives, k, q, normal, width)
    texture = int(primitives[k, TEXTURE])
    if texture > 0:
        shape, tile = int(primitives[k, SHAPE]), np.float64(primitives[k, TILE])
        u, v, tile = surface_axes(shape, half, q, normal, tile)
        turn = np.float64(primitives[k, TURN])
        albedo = textured(texels, texture - 1, albedo, (u, v), tile, turn, width)
    fades = np.float64(environment[OCCLUSION])
    above = p[2] - primitives[k, STANDS] + fades / 3.0 * max(n[2], 0.0)
    openness = 0.55 + 0.45 * smoothstep(0.0, fades, above)
    color = added(daylight(environment, albedo, n, lit, openness), scaled(albedo, glow))
    gloss *= float(primitives[k, GLOSS])
    if gloss > 0.0:
        color = reflected(environment, color, n, d, gloss, lit)
    return color


@device
def surface_color(primitives, environment, texels, code, p, d, t, pixel_angle, lit):
    if code == SKY:
        return sky_color(environment, texels, d)
    if code == ON_GROUND:
        color = ground_color(environment, texels, p, d, t * pixel_angle, lit)
    else:
        color = primitive_color(primitives, environment, texels, code, p, d, t * pixel_angle, lit)
    return hazed(environment, color, t)


@inlined
def exposed(x):
    """Linear light to a byte: a soft shoulder, then gamma 2."""
    x = max(x, 0.0)
    x = x * (1.0 + 0.12 * x) / (1.0 + 0.45 * x)
    return int(math.sqrt(min(x, 1.0)) * 255.0 + 0.5)


@device
def pixel_color(primitives, environment, texels, view, pixel, rays, near, code, lit):
    """(r, g, b) bytes of the rays pixel[0] .. pixel[1] - 1, and inverse depth (see `raycast`).

    Rays that meet the same face are shaded once, at their mean point: textures are band-limited
    to a pixel already, so only edges and shadows need the single rays.
    """
    (first, end), (dx, dy, dz) = pixel, rays
    color, most, inverse_depth = (0.0, 0.0, 0.0), 0, ZERO
    pixel_angle = 1.0 / view[12]
    origin = vector(view, 9)
    for q in range(first, end):
        alone = True
        for earlier in range(first, q):
            alone = alone and code[earlier] != code[q]
        if alone:
            seen, light, shared, inverse = (0.0, 0.0, 0.0), 0.0, 0, ZERO
            for same in range(q, end):
                if code[same] == code[q]:
                    seen = added(
                        seen, scaled((dx[same], dy[same], dz[same]), np.float64(near[same]))
                    )
                    along = view[2] * dx[same] + view[5] * dy[same] + view[8] * dz[same]
                    inverse += ONE / (near[same] * along)
                    light += lit[same]
                    shared += 1
            inverse = ZERO if code[q] == SKY else inverse / np.float32(shared)
            if shared > most or (shared == most and inverse > inverse_depth):
                most, inverse_depth = shared, inverse
            seen = scaled(seen, 1.0 / shared)
            t = math.sqrt(dot(seen, seen))
            c = surface_color(
                primitives,
                environment,
                texels,
                code[q],
                added(origin, seen),
                scaled(seen, 1.0 / t),
                t,
                pixel_angle,
                light / shared,
            )
            color = added(color, scaled(c, shared / (end - first)))
    color = scaled(color, np.float64(environment[EXPOSURE]))
    return exposed(color[0]), exposed(color[1]), exposed(color[2]), inverse_depth
