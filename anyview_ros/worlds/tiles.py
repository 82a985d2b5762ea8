"""Draws one row of tiles of an image. See `raycast` for the order of the steps."""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.device import device, dot, inlined
from anyview_ros.worlds.scene import (
    BOX,
    CENTER,
    ELLIPSOID,
    GROUP_CENTER,
    GROUP_FIRST,
    GROUP_LAST,
    GROUP_RADIUS,
    HAZE_RANGE,
    RADIUS,
    SHAPE,
    SUN,
)
from anyview_ros.worlds.shading import GROUND, SKY, pixel_color
from anyview_ros.worlds.shapes import (
    MISS,
    ONE,
    ZERO,
    box_entry,
    cylinder_entry,
    ellipsoid_entry,
    half_sizes,
    local_direction,
    local_point,
    placement,
)

TILE = 8  # pixels a side
DOWNWARDS = np.float32(-1e-5)
GROUND_CODE, SKY_CODE, FACES = np.int32(GROUND), np.int32(SKY), np.int32(4)
# A shadow ray starts a little nearer to the camera than the surface, so as not to meet it again.
LIFT, LIFT_SHARE = np.float32(0.003), np.float32(3e-4)
HALF = np.float32(0.5)


@inlined
def pixel_direction(view, x, y):
    """Unit direction in the world, float32, of the ray through (x, y) in pixels."""
    a, b = (x - view[14]) / view[12], (y - view[15]) / view[13]
    dx = view[0] * a + view[1] * b + view[2]
    dy = view[3] * a + view[4] * b + view[5]
    dz = view[6] * a + view[7] * b + view[8]
    scale = ONE / math.sqrt(dx * dx + dy * dy + dz * dz)
    return dx * scale, dy * scale, dz * scale


@device
def fill_directions(view, left, top, samples, dx, dy, dz):
    """Rays of a tile, pixel by pixel, samples of a pixel together."""
    step = ONE / np.float32(samples)
    first = (step - ONE) * HALF
    per_pixel = samples * samples
    for q in range(per_pixel):
        u = first + np.float32(q % samples) * step
        v = first + np.float32(q // samples) * step
        for y in range(TILE):
            for x in range(TILE):
                i = (y * TILE + x) * per_pixel + q
                dx[i], dy[i], dz[i] = pixel_direction(
                    view, np.float32(left + x) + u, np.float32(top + y) + v
                )


@device
def tile_cone(view, left, top):
    """Axis, cosine and sine of the cone around all rays of a tile; float32."""
    middle = np.float32(0.5 * (TILE - 1))
    x0, y0 = np.float32(left) - HALF, np.float32(top) - HALF
    ax, ay, az = pixel_direction(view, np.float32(left) + middle, np.float32(top) + middle)
    cosine = ONE
    for corner in range(4):
        x = x0 + np.float32(TILE * (corner & 1))
        y = y0 + np.float32(TILE * (corner >> 1))
        cx, cy, cz = pixel_direction(view, x, y)
        cosine = min(cosine, ax * cx + ay * cy + az * cz)
    return (ax, ay, az), cosine, math.sqrt(max(ONE - cosine * cosine, ZERO))


@inlined
def ball(rows, k, center, radius):
    return rows[k, center], rows[k, center + 1], rows[k, center + 2], rows[k, radius]


@device
def row_planes(view, top, width):
    """Inward normals, in the camera's frame, of the four planes around a row of tiles."""
    x0, x1 = (-HALF - view[14]) / view[12], (np.float32(width) - HALF - view[14]) / view[12]
    y0 = (np.float32(top) - HALF - view[15]) / view[13]
    y1 = (np.float32(top + TILE) - HALF - view[15]) / view[13]
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
    return (
        view[0] * x + view[3] * y + view[6] * z,
        view[1] * x + view[4] * y + view[7] * z,
        view[2] * x + view[5] * y + view[8] * z,
    )


@inlined
def capsule_meets(planes, a, b, radius):
    """Whether the ball of that radius, moved from a to b, reaches to within all planes."""
    inside = True
    for n in planes:
        inside = inside & (max(dot(n, a), dot(n, b)) > -radius)
    return inside


@device
def row_candidates(groups, environment, view, top, width, visible, casting):
    """Groups that a row of tiles can see, and those whose shadow it can see; returns the counts.

    The shadow of a ball ends on the ground, so it lies within the ball moved from where it is
    along the sun's rays until it is below the ground.
    """
    planes = row_planes(view, top, width)
    sun = (environment[SUN], environment[SUN + 1], environment[SUN + 2])
    towards = to_camera(view, sun[0], sun[1], sun[2])
    seen, shading = 0, 0
    for g in range(groups.shape[0]):
        x, y, z, radius = ball(groups, g, GROUP_CENTER, GROUP_RADIUS)
        a = to_camera(view, x - view[9], y - view[10], z - view[11])
        fall = (z + radius) / sun[2]
        b = (a[0] - towards[0] * fall, a[1] - towards[1] * fall, a[2] - towards[2] * fall)
        if capsule_meets(planes, a, b, radius):
            casting[shading] = g
            shading += 1
            if capsule_meets(planes, a, a, radius):
                visible[seen] = g
                seen += 1
    return seen, shading


@inlined
def cone_meets_sphere(view, cone, sphere):
    x, y, z, radius = sphere
    axis, cosine, sine = cone
    cx, cy, cz = x - view[9], y - view[10], z - view[11]
    squared = cx * cx + cy * cy + cz * cz
    if squared <= radius * radius:
        return True
    distance = math.sqrt(squared)
    sphere_sine = radius / distance
    sphere_cosine = math.sqrt(max(ONE - sphere_sine * sphere_sine, ZERO))
    limit = cosine * sphere_cosine - sine * sphere_sine  # cos(cone + sphere angle)
    return axis[0] * cx + axis[1] * cy + axis[2] * cz >= limit * distance


@device
def see_ground(view, dx, dy, dz, near, code):
    height = view[11]
    for i in range(near.size):
        down = dz[i] < DOWNWARDS
        t = -height / (dz[i] if down else -ONE)
        hit = down & (t > ZERO)
        near[i] = t if hit else MISS
        code[i] = GROUND_CODE if hit else SKY_CODE


@device
def see_primitive(primitives, k, view, dx, dy, dz, near, code):
    """Let primitive k hide what is behind it: the nearest distance and its face of each ray."""
    place, half = placement(primitives, k), half_sizes(primitives, k)
    origin = local_point(place, view[9], view[10], view[11])
    shape, base = int(primitives[k, SHAPE]), np.int32(k) * FACES
    if shape == BOX:
        for i in range(near.size):
            t, axis = box_entry(origin, local_direction(place, dx[i], dy[i], dz[i]), half)
            closer = t < near[i]
            near[i] = t if closer else near[i]
            code[i] = base + axis if closer else code[i]
    elif shape == ELLIPSOID:
        for i in range(near.size):
            t, axis = ellipsoid_entry(origin, local_direction(place, dx[i], dy[i], dz[i]), half)
            closer = t < near[i]
            near[i] = t if closer else near[i]
            code[i] = base + axis if closer else code[i]
    else:
        for i in range(near.size):
            t, axis = cylinder_entry(origin, local_direction(place, dx[i], dy[i], dz[i]), half)
            closer = t < near[i]
            near[i] = t if closer else near[i]
            code[i] = base + axis if closer else code[i]


@device
def see(primitives, groups, candidates, view, cone, dx, dy, dz, near, code):
    see_ground(view, dx, dy, dz, near, code)
    for g in candidates:
        if cone_meets_sphere(view, cone, ball(groups, g, GROUP_CENTER, GROUP_RADIUS)):
            for k in range(int(groups[g, GROUP_FIRST]), int(groups[g, GROUP_LAST])):
                if cone_meets_sphere(view, cone, ball(primitives, k, CENTER, RADIUS)):
                    see_primitive(primitives, k, view, dx, dy, dz, near, code)


@device
def shadow_frame(environment, axis):
    """Axes u, v, w: w towards the sun, v across the rays, so that a tile is a thin strip."""
    w = (environment[SUN], environment[SUN + 1], environment[SUN + 2])
    vx = w[1] * axis[2] - w[2] * axis[1]
    vy = w[2] * axis[0] - w[0] * axis[2]
    vz = w[0] * axis[1] - w[1] * axis[0]
    length = math.sqrt(vx * vx + vy * vy + vz * vz)
    if length < np.float32(1e-4):  # looking straight along the sun's rays: any across will do
        vx, vy, vz = -w[1], w[0], ZERO
        length = math.sqrt(vx * vx + vy * vy) + np.float32(1e-12)
    v = (vx / length, vy / length, vz / length)
    u = (v[1] * w[2] - v[2] * w[1], v[2] * w[0] - v[0] * w[2], v[0] * w[1] - v[1] * w[0])
    return u, v, w


@device
def place_shadow_rays(view, frame, limit, dx, dy, dz, near, px, py, pz, lit):
    """Starts of shadow rays; returns the bounds (u0, u1, v0, v1, w0) of those nearer than limit."""
    u, v, w = frame
    u0, u1, v0, v1, w0 = MISS, -MISS, MISS, -MISS, MISS
    for i in range(near.size):
        t = near[i] - (LIFT + near[i] * LIFT_SHARE)
        x, y, z = view[9] + t * dx[i], view[10] + t * dy[i], view[11] + t * dz[i]
        px[i], py[i], pz[i] = x, y, z
        lit[i] = ONE
        inside = near[i] < limit
        a = x * u[0] + y * u[1] + z * u[2]
        b = x * v[0] + y * v[1] + z * v[2]
        c = x * w[0] + y * w[1] + z * w[2]
        u0, u1 = min(u0, a if inside else u0), max(u1, a if inside else u1)
        v0, v1 = min(v0, b if inside else v0), max(v1, b if inside else v1)
        w0 = min(w0, c if inside else w0)
    return u0, u1, v0, v1, w0


@inlined
def strip_meets_sphere(frame, bounds, sphere):
    """Whether a sphere can shade points within the bounds."""
    x, y, z, radius = sphere
    u, v, w = frame
    u0, u1, v0, v1, w0 = bounds
    a = x * u[0] + y * u[1] + z * u[2]
    b = x * v[0] + y * v[1] + z * v[2]
    c = x * w[0] + y * w[1] + z * w[2]
    return (
        (a + radius > u0)
        & (a - radius < u1)
        & (b + radius > v0)
        & (b - radius < v1)
        & (c + radius > w0)
    )


@device
def shade_from(primitives, k, sun, px, py, pz, lit):
    """Darken the points from which the sun is behind primitive k."""
    place, half = placement(primitives, k), half_sizes(primitives, k)
    direction = local_direction(place, sun[0], sun[1], sun[2])
    shape = int(primitives[k, SHAPE])
    if shape == BOX:
        for i in range(lit.size):
            t, _ = box_entry(local_point(place, px[i], py[i], pz[i]), direction, half)
            lit[i] = ZERO if t < MISS else lit[i]
    elif shape == ELLIPSOID:
        for i in range(lit.size):
            t, _ = ellipsoid_entry(local_point(place, px[i], py[i], pz[i]), direction, half)
            lit[i] = ZERO if t < MISS else lit[i]
    else:
        for i in range(lit.size):
            t, _ = cylinder_entry(local_point(place, px[i], py[i], pz[i]), direction, half)
            lit[i] = ZERO if t < MISS else lit[i]


@device
def cast_shadows(
    primitives, groups, candidates, environment, view, axis, dx, dy, dz, near, px, py, pz, lit
):
    frame = shadow_frame(environment, axis)
    limit = environment[HAZE_RANGE] + environment[HAZE_RANGE]  # beyond it all is haze
    bounds = place_shadow_rays(view, frame, limit, dx, dy, dz, near, px, py, pz, lit)
    if bounds[0] > bounds[1]:
        return
    for g in candidates:
        if strip_meets_sphere(frame, bounds, ball(groups, g, GROUP_CENTER, GROUP_RADIUS)):
            for k in range(int(groups[g, GROUP_FIRST]), int(groups[g, GROUP_LAST])):
                if strip_meets_sphere(frame, bounds, ball(primitives, k, CENTER, RADIUS)):
                    shade_from(primitives, k, frame[2], px, py, pz, lit)


@device
def draw_tile_row(primitives, groups, environment, view, samples, row, image, distance):
    """Draw rows 8 row .. 8 row + 7 of `image` and `distance`.

    Args:
        primitives, groups, environment: of a Scene.
        view: (16,) float32: world_from_cam rotation (row-major), origin, fx, fy, cx, cy.
        samples: rays a side of a pixel.
        row: index of the row of tiles.
        image: (H, W, 3) uint8, written.
        distance: (H, W) float32, written: the nearest of a pixel's rays, in metres.
    """
    height, width = distance.shape
    per_pixel = samples * samples
    rays = TILE * TILE * per_pixel
    dx, dy, dz = np.empty(rays, np.float32), np.empty(rays, np.float32), np.empty(rays, np.float32)
    px, py, pz = np.empty(rays, np.float32), np.empty(rays, np.float32), np.empty(rays, np.float32)
    near, lit = np.empty(rays, np.float32), np.empty(rays, np.float32)
    code = np.empty(rays, np.int32)
    top = row * TILE
    visible, casting = np.empty(len(groups), np.int32), np.empty(len(groups), np.int32)
    seen, shading = row_candidates(groups, environment, view, top, width, visible, casting)
    visible, casting = visible[:seen], casting[:shading]
    for left in range(0, width, TILE):
        fill_directions(view, left, top, samples, dx, dy, dz)
        cone = tile_cone(view, left, top)
        see(primitives, groups, visible, view, cone, dx, dy, dz, near, code)
        cast_shadows(
            primitives,
            groups,
            casting,
            environment,
            view,
            cone[0],
            dx,
            dy,
            dz,
            near,
            px,
            py,
            pz,
            lit,
        )
        for y in range(top, min(top + TILE, height)):
            for x in range(left, min(left + TILE, width)):
                first = ((y - top) * TILE + x - left) * per_pixel
                r, g, b, t = pixel_color(
                    primitives, environment, view, first, per_pixel, dx, dy, dz, near, code, lit
                )
                image[y, x, 0], image[y, x, 1], image[y, x, 2] = r, g, b
                distance[y, x] = t
