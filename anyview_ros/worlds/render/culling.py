"""Which primitives can matter to a row of tiles, to a tile and to its shadows; all float32.

A ball is (x, y, z, radius) in the world. Tests may say yes to what does not matter, never no to
what does.
"""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.render.device import device, dot, inlined
from anyview_ros.worlds.render.scene import GROUND, GROUP_CASTS, GROUP_CENTER, GROUP_RADIUS, SUN
from anyview_ros.worlds.render.shapes import MISS, ONE, ZERO

TILE = 8  # pixels a side
ONE_HALF = np.float32(0.5)


@inlined
def pixel_direction(view, x, y):
    """Unit direction in the world of the ray through (x, y) in pixels."""
    a, b = (x - view[14]) / view[12], (y - view[15]) / view[13]
    dx = view[0] * a + view[1] * b + view[2]
    dy = view[3] * a + view[4] * b + view[5]
    dz = view[6] * a + view[7] * b + view[8]
    scale = ONE / math.sqrt(dx * dx + dy * dy + dz * dz)
    return dx * scale, dy * scale, dz * scale


@inlined
def ball(rows, k, center, radius):
    return rows[k, center], rows[k, center + 1], rows[k, center + 2], rows[k, radius]


@device
def row_planes(view, top, width):
    """Inward normals, in the camera's frame, of the four planes around a row of tiles."""
    x0, x1 = (-ONE_HALF - view[14]) / view[12], (np.float32(width) - ONE_HALF - view[14]) / view[12]
    y0 = (np.float32(top) - ONE_HALF - view[15]) / view[13]
    y1 = (np.float32(top + TILE) - ONE_HALF - view[15]) / view[13]
    left, right = ONE / math.sqrt(ONE + x0 * x0), ONE / math.sqrt(ONE + x1 * x1)
    high, low = ONE / math.sqrt(ONE + y0 * y0), ONE / math.sqrt(ONE + y1 * y1)
    return (
        (left, ZERO, -x0 * left),
        (-right, ZERO, x1 * right),
        (ZERO, high, -y0 * high),
        (ZERO, -low, y1 * low),
    )


@inlined
def to_camera(view, x, y, z):
    """A direction of the world in the camera's frame."""
    return (
        view[0] * x + view[3] * y + view[6] * z,
        view[1] * x + view[4] * y + view[7] * z,
        view[2] * x + view[5] * y + view[8] * z,
    )


@inlined
def capsule_meets(planes, a, b, radius):
    """Whether a ball moved from a to b reaches to within all planes."""
    inside = True
    for n in planes:
        inside = inside & (max(dot(n, a), dot(n, b)) > -radius)
    return inside


@device
def row_candidates(groups, environment, view, top, width, visible, casting):
    """Groups that a row of tiles can see, and those whose shadow it can see; returns the counts.

    A shadow ends on the ground, so that of a ball lies within the ball moved from where it is
    along the sun's rays until it is below the ground.
    """
    planes = row_planes(view, top, width)
    sun = (environment[SUN], environment[SUN + 1], environment[SUN + 2])
    towards = to_camera(view, sun[0], sun[1], sun[2])
    seen, shading = 0, 0
    for g in range(groups.shape[0]):
        x, y, z, radius = ball(groups, g, GROUP_CENTER, GROUP_RADIUS)
        a = to_camera(view, x - view[9], y - view[10], z - view[11])
        fall = (z - environment[GROUND] + radius) / sun[2]
        b = (a[0] - towards[0] * fall, a[1] - towards[1] * fall, a[2] - towards[2] * fall)
        if capsule_meets(planes, a, a, radius):
            visible[seen] = g
            seen += 1
        if (groups[g, GROUP_CASTS] > ZERO) & capsule_meets(planes, a, b, radius):
            casting[shading] = g
            shading += 1
    return seen, shading


@device
def tile_cone(view, left, top):
    """Axis, cosine and sine of the cone around all rays of a tile."""
    middle = np.float32(0.5 * (TILE - 1))
    x0, y0 = np.float32(left) - ONE_HALF, np.float32(top) - ONE_HALF
    axis = pixel_direction(view, np.float32(left) + middle, np.float32(top) + middle)
    cosine = ONE
    for corner in range(4):
        x = x0 + np.float32(TILE * (corner & 1))
        y = y0 + np.float32(TILE * (corner >> 1))
        cosine = min(cosine, dot(axis, pixel_direction(view, x, y)))
    return axis, cosine, math.sqrt(max(ONE - cosine * cosine, ZERO))


@inlined
def cone_meets(view, cone, sphere):
    axis, cosine, sine = cone
    x, y, z, radius = sphere
    offset = (x - view[9], y - view[10], z - view[11])
    squared = dot(offset, offset)
    if squared <= radius * radius:
        return True
    distance = math.sqrt(squared)
    sphere_sine = radius / distance
    sphere_cosine = math.sqrt(max(ONE - sphere_sine * sphere_sine, ZERO))
    limit = cosine * sphere_cosine - sine * sphere_sine  # cos(cone + sphere angle)
    return dot(axis, offset) >= limit * distance


@device
def shadow_frame(environment, axis):
    """Axes u, v, w: w towards the sun, v across the rays, so that a tile is a thin strip."""
    w = (environment[SUN], environment[SUN + 1], environment[SUN + 2])
    vx = w[1] * axis[2] - w[2] * axis[1]
    vy = w[2] * axis[0] - w[0] * axis[2]
    vz = w[0] * axis[1] - w[1] * axis[0]
    length = math.sqrt(vx * vx + vy * vy + vz * vz)
    if length < np.float32(1e-4):  # looking straight along the sun's rays: any across will do
        vx, vy, vz = w[2], ZERO, -w[0]
        length = math.sqrt(vx * vx + vz * vz)
    v = (vx / length, vy / length, vz / length)
    u = (v[1] * w[2] - v[2] * w[1], v[2] * w[0] - v[0] * w[2], v[0] * w[1] - v[1] * w[0])
    return u, v, w


@device
def shadow_bounds(frame, limit, starts, near):
    """(u0, u1, v0, v1, w0) of the points in `starts` that are nearer than `limit`."""
    u, v, w = frame
    px, py, pz = starts
    u0, u1, v0, v1, w0 = MISS, -MISS, MISS, -MISS, MISS
    for i in range(near.size):
        inside = near[i] < limit
        point = (px[i], py[i], pz[i])
        a, b, c = dot(point, u), dot(point, v), dot(point, w)
        u0, u1 = min(u0, a if inside else u0), max(u1, a if inside else u1)
        v0, v1 = min(v0, b if inside else v0), max(v1, b if inside else v1)
        w0 = min(w0, c if inside else w0)
    return u0, u1, v0, v1, w0


@inlined
def strip_meets(frame, bounds, sphere):
    """Whether a ball can shade points within the bounds."""
    u, v, w = frame
    u0, u1, v0, v1, w0 = bounds
    x, y, z, radius = sphere
    a, b, c = dot((x, y, z), u), dot((x, y, z), v), dot((x, y, z), w)
    across = (a + radius > u0) & (a - radius < u1) & (b + radius > v0) & (b - radius < v1)
    return across & (c + radius > w0)
