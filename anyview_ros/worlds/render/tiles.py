"""Draws one row of tiles of an image. See `raycast` for the order of the steps.

The arrays of a tile hold one value for each ray: `rays` = (dx, dy, dz) unit directions, `starts` =
(px, py, pz) where shadow rays start, `near` distances, `code` what was hit (see `shading`), `lit`.
"""

from __future__ import annotations

import numpy as np

from anyview_ros.worlds.render.culling import (
    ONE_HALF,
    TILE,
    ball,
    cone_meets,
    pixel_direction,
    row_candidates,
    shadow_bounds,
    shadow_frame,
    strip_meets,
    tile_cone,
)
from anyview_ros.worlds.render.device import device
from anyview_ros.worlds.render.scene import (
    BOX,
    CENTER,
    ELLIPSOID,
    GROUND,
    GROUP_CENTER,
    GROUP_FIRST,
    GROUP_LAST,
    GROUP_RADIUS,
    HAZE_RANGE,
    RADIUS,
    SHAPE,
)
from anyview_ros.worlds.render.shading import ON_GROUND, SKY, pixel_color
from anyview_ros.worlds.render.shapes import (
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

DOWNWARDS = np.float32(-1e-5)
GROUND_CODE, SKY_CODE, FACES = np.int32(ON_GROUND), np.int32(SKY), np.int32(4)
# A shadow ray starts a little nearer to the camera than the surface, so as not to meet it again.
LIFT, LIFT_SHARE = np.float32(0.003), np.float32(3e-4)


@device
def aim(view, left, top, samples, rays):
    """Fill in the rays of a tile, pixel by pixel, the samples of a pixel together."""
    dx, dy, dz = rays
    step = ONE / np.float32(samples)
    first = (step - ONE) * ONE_HALF
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
def see_ground(view, ground, rays, near, code):
    _, _, dz = rays
    height = view[11] - ground
    for i in range(near.size):
        down = dz[i] < DOWNWARDS
        t = -height / (dz[i] if down else -ONE)
        hit = down & (t > ZERO)
        near[i] = t if hit else MISS
        code[i] = GROUND_CODE if hit else SKY_CODE


@device
def see_primitive(primitives, k, view, rays, near, code):
    """Let primitive k hide what is behind it.

    The loops differ in one call: a shape chosen within the loop would keep it from being
    vectorised.
    """
    dx, dy, dz = rays
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
def see(primitives, groups, candidates, view, cone, rays, near, code):
    """Let the groups `candidates` hide what is behind them."""
    for g in candidates:
        if cone_meets(view, cone, ball(groups, g, GROUP_CENTER, GROUP_RADIUS)):
            for k in range(int(groups[g, GROUP_FIRST]), int(groups[g, GROUP_LAST])):
                if cone_meets(view, cone, ball(primitives, k, CENTER, RADIUS)):
                    see_primitive(primitives, k, view, rays, near, code)


@device
def shade_from(primitives, k, sun, starts, lit):
    """Darken the points from which the sun is behind primitive k."""
    px, py, pz = starts
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
def start_shadow_rays(view, rays, near, starts, lit):
    dx, dy, dz = rays
    px, py, pz = starts
    for i in range(near.size):
        t = near[i] - (LIFT + near[i] * LIFT_SHARE)
        px[i], py[i], pz[i] = view[9] + t * dx[i], view[10] + t * dy[i], view[11] + t * dz[i]
        lit[i] = ONE


@device
def cast_shadows(primitives, groups, candidates, frame, bounds, starts, lit):
    for g in candidates:
        if strip_meets(frame, bounds, ball(groups, g, GROUP_CENTER, GROUP_RADIUS)):
            for k in range(int(groups[g, GROUP_FIRST]), int(groups[g, GROUP_LAST])):
                if strip_meets(frame, bounds, ball(primitives, k, CENTER, RADIUS)):
                    shade_from(primitives, k, frame[2], starts, lit)


@device
def three(count):
    return np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)


@device
def draw_tile_row(scene, view, samples, row, image, inverse_depth):
    """Draw pixel rows 8 row .. 8 row + 7.

    Args:
        scene: (primitives, groups, environment, texels) of a Scene.
        view: (16,) float32: world_from_cam rotation (row-major), origin, fx, fy, cx, cy.
        samples: rays a side of a pixel.
        row: index of the row of tiles.
        image: (H, W, 3) uint8, written.
        inverse_depth: (H, W) float32, written: see `raycast.render_with_depth`.
    """
    primitives, groups, environment, texels = scene
    height, width = inverse_depth.shape
    per_pixel, top = samples * samples, row * TILE
    count = TILE * TILE * per_pixel
    rays, starts = three(count), three(count)
    near, lit = np.empty(count, np.float32), np.empty(count, np.float32)
    code = np.empty(count, np.int32)
    visible, casting = np.empty(len(groups), np.int32), np.empty(len(groups), np.int32)
    seen, shading = row_candidates(groups, environment, view, top, width, visible, casting)
    limit = environment[HAZE_RANGE] + environment[HAZE_RANGE]  # beyond it all is haze
    for left in range(0, width, TILE):
        aim(view, left, top, samples, rays)
        cone = tile_cone(view, left, top)
        see_ground(view, environment[GROUND], rays, near, code)
        see(primitives, groups, visible[:seen], view, cone, rays, near, code)
        start_shadow_rays(view, rays, near, starts, lit)
        frame = shadow_frame(environment, cone[0])
        bounds = shadow_bounds(frame, limit, starts, near)
        if bounds[0] <= bounds[1]:
            cast_shadows(primitives, groups, casting[:shading], frame, bounds, starts, lit)
        for y in range(top, min(top + TILE, height)):
            for x in range(left, min(left + TILE, width)):
                first = ((y - top) * TILE + x - left) * per_pixel
                pixel = (first, first + per_pixel)
                r, g, b, inverse = pixel_color(
                    primitives, environment, texels, view, pixel, rays, near, code, lit
                )
                image[y, x, 0], image[y, x, 1], image[y, x, 2] = r, g, b
                inverse_depth[y, x] = inverse
