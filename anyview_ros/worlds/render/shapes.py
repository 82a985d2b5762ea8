"""Where a ray enters a box, an ellipsoid or a capped cylinder, and the normal there.

The entry functions hold no branch and only float32, so that a loop over the rays of a tile is
compiled to vector instructions. A ray that starts inside a primitive does not see it: a camera
within a car looks out of it.
"""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.render.device import FAR, device, inlined
from anyview_ros.worlds.render.scene import CENTER, CYLINDER, ELLIPSOID, HALF, ROTATION

MISS = np.float32(FAR)
ZERO, ONE = np.float32(0.0), np.float32(1.0)
NEAREST = np.float32(1e-3)  # metres; nearer entries are the surface that the ray leaves
TINY = np.float32(1e-8)
AXIS_X, AXIS_Y, AXIS_Z = np.int32(0), np.int32(1), np.int32(2)


@inlined
def placement(primitives, k):
    """Centre and rows of the rotation of primitive k, float32.

    Element by element: a view of the row would count references, atomically, in every thread.
    """
    return (
        (primitives[k, CENTER], primitives[k, CENTER + 1], primitives[k, CENTER + 2]),
        (primitives[k, ROTATION], primitives[k, ROTATION + 1], primitives[k, ROTATION + 2]),
        (primitives[k, ROTATION + 3], primitives[k, ROTATION + 4], primitives[k, ROTATION + 5]),
        (primitives[k, ROTATION + 6], primitives[k, ROTATION + 7], primitives[k, ROTATION + 8]),
    )


@inlined
def half_sizes(primitives, k):
    return primitives[k, HALF], primitives[k, HALF + 1], primitives[k, HALF + 2]


@inlined
def local_direction(place, x, y, z):
    _, r, s, t = place
    return (
        r[0] * x + s[0] * y + t[0] * z,
        r[1] * x + s[1] * y + t[1] * z,
        r[2] * x + s[2] * y + t[2] * z,
    )


@inlined
def local_point(place, x, y, z):
    c = place[0]
    return local_direction(place, x - c[0], y - c[1], z - c[2])


@inlined
def world_direction(place, v):
    _, r, s, t = place
    return (
        r[0] * v[0] + r[1] * v[1] + r[2] * v[2],
        s[0] * v[0] + s[1] * v[1] + s[2] * v[2],
        t[0] * v[0] + t[1] * v[1] + t[2] * v[2],
    )


@inlined
def away_from_zero(x):
    return x if abs(x) > TINY else TINY


@inlined
def box_entry(o, d, half):
    """(distance or MISS, axis of the face entered) of local ray o + t d."""
    ix, iy, iz = (
        ONE / away_from_zero(d[0]),
        ONE / away_from_zero(d[1]),
        ONE / away_from_zero(d[2]),
    )
    mx, my, mz = -ix * o[0], -iy * o[1], -iz * o[2]
    wx, wy, wz = abs(ix) * half[0], abs(iy) * half[1], abs(iz) * half[2]
    enter = max(max(mx - wx, my - wy), mz - wz)
    leave = min(min(mx + wx, my + wy), mz + wz)
    hit = (enter < leave) & (enter > NEAREST)
    axis = AXIS_X if enter == mx - wx else (AXIS_Y if enter == my - wy else AXIS_Z)
    return (enter if hit else MISS), axis


@inlined
def ellipsoid_entry(o, d, half):
    """(distance or MISS, AXIS_Z); the quadratic of the unit sphere in scaled space."""
    ox, oy, oz = o[0] / half[0], o[1] / half[1], o[2] / half[2]
    dx, dy, dz = d[0] / half[0], d[1] / half[1], d[2] / half[2]
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    # Squared distance of the ray's line from the centre, free of the cancellation of b b - a c.
    px, py, pz = ox - b / a * dx, oy - b / a * dy, oz - b / a * dz
    inside = ONE - (px * px + py * py + pz * pz)
    enter = (-b - math.sqrt(max(inside * a, ZERO))) / a
    hit = (inside > ZERO) & (enter > NEAREST)
    return (enter if hit else MISS), AXIS_Z


@inlined
def cylinder_entry(o, d, half):
    """(distance or MISS, AXIS_X for the side and AXIS_Z for a cap); elliptic, axis z."""
    ox, oy = o[0] / half[0], o[1] / half[1]
    dx, dy = d[0] / half[0], d[1] / half[1]
    a = max(dx * dx + dy * dy, TINY)
    b = ox * dx + oy * dy
    px, py = ox - b / a * dx, oy - b / a * dy
    inside = ONE - (px * px + py * py)
    root = math.sqrt(max(inside * a, ZERO))
    side_in, side_out = (-b - root) / a, (-b + root) / a
    iz = ONE / away_from_zero(d[2])
    mz, wz = -iz * o[2], abs(iz) * half[2]
    enter, leave = max(side_in, mz - wz), min(side_out, mz + wz)
    hit = (inside > ZERO) & (enter < leave) & (enter > NEAREST)
    axis = AXIS_X if enter == side_in else AXIS_Z
    return (enter if hit else MISS), axis


@device
def local_normal(shape, axis, point, direction, half):
    """Unit normal at a local point that `direction` entered through the face `axis`."""
    if shape == ELLIPSOID:
        n = (point[0] / half[0] ** 2, point[1] / half[1] ** 2, point[2] / half[2] ** 2)
    elif shape == CYLINDER and axis == AXIS_X:
        n = (point[0] / half[0] ** 2, point[1] / half[1] ** 2, 0.0)
    else:
        side = -1.0 if direction[axis] > 0.0 else 1.0
        n = (
            side if axis == AXIS_X else 0.0,
            side if axis == AXIS_Y else 0.0,
            side if axis == AXIS_Z else 0.0,
        )
    length = math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
    return (n[0] / length, n[1] / length, n[2] / length)
