"""Sample photographs: textures with a trilinear filter as wide as the pixel, and skies.

A texture is SIDE x SIDE texels and its mip levels down to one, end to end; bytes are square roots
of linear light. It is repeated in mirror images, so that no picture has a seam.
"""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.device import clamped, device, inlined, mixed, product, scaled
from anyview_ros.worlds.scene import SKY_TURN

SIDE, LEVELS = 256, 9
TEXELS = (4 * SIDE * SIDE - 1) // 3  # of all levels
DARKEST = 0.05  # mean that a texture is not brightened beyond
LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709


@inlined
def level_start(side):
    """Index of the first texel of the level of that side: how many larger levels hold."""
    return (4 * SIDE * SIDE - 4 * side * side) // 3


@inlined
def mirrored_index(i, side):
    i = i & (2 * side - 1)
    return 2 * side - 1 - i if i >= side else i


@inlined
def light(rows, row, at):
    """Linear colour of the bytes at rows[row, at]."""
    r, g, b = (
        np.float64(rows[row, at, 0]),
        np.float64(rows[row, at, 1]),
        np.float64(rows[row, at, 2]),
    )
    return scaled((r * r, g * g, b * b), 1.0 / 65025.0)


@device
def level_color(textures, index, level, u, v):
    """Bilinear colour of one level; u and v count repeats."""
    side = SIDE >> level
    x, y = u * side - 0.5, v * side - 0.5
    i, j = math.floor(x), math.floor(y)
    left, right = mirrored_index(i, side), mirrored_index(i + 1, side)
    top = level_start(side) + side * mirrored_index(j, side)
    bottom = level_start(side) + side * mirrored_index(j + 1, side)
    upper = mixed(light(textures, index, top + left), light(textures, index, top + right), x - i)
    lower = mixed(
        light(textures, index, bottom + left), light(textures, index, bottom + right), x - i
    )
    return mixed(upper, lower, y - j)


@device
def photograph(textures, index, u, v, width):
    """Linear colour of a texture at (u, v) for a pixel of that width, all in repeats."""
    level = clamped(math.log2(max(width * SIDE, 1.0)), 0.0, LEVELS - 1.0)
    fine = int(level)
    color = level_color(textures, index, fine, u, v)
    if level > fine:
        color = mixed(color, level_color(textures, index, fine + 1, u, v), level - fine)
    return color


@device
def textured(textures, index, albedo, point, tile, turn, width):
    """The albedo times a photograph of mean brightness 1; `point` and `tile` are in metres."""
    u, v = point[0] / tile, point[1] / tile
    c, s = math.cos(turn), math.sin(turn)
    color = photograph(textures, index, c * u - s * v, s * u + c * v, width / tile)
    r, g, b = light(textures, index, TEXELS - 1)
    mean = max(LUMA[0] * r + LUMA[1] * g + LUMA[2] * b, DARKEST)
    r, g, b = product(albedo, scaled(color, 1.0 / mean))
    return min(r, 1.0), min(g, 1.0), min(b, 1.0)


@device
def photographed_sky(sky, environment, d):
    """Linear colour of an equirectangular picture, +z its upper edge, in the unit direction d."""
    rows, columns = sky.shape[0], sky.shape[1]
    turn = math.atan2(d[1], d[0]) + np.float64(environment[SKY_TURN])
    x = (0.5 - turn / (2.0 * math.pi)) * columns - 0.5  # azimuth grows to the left
    y = math.acos(clamped(d[2], -1.0, 1.0)) / math.pi * rows - 0.5
    i, j = math.floor(x), math.floor(y)
    left, right = i % columns, (i + 1) % columns
    top, bottom = max(j, 0), min(j + 1, rows - 1)
    upper = mixed(light(sky, top, left), light(sky, top, right), x - i)
    lower = mixed(light(sky, bottom, left), light(sky, bottom, right), x - i)
    return mixed(upper, lower, y - j)
