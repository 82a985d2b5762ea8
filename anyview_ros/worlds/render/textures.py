"""Sample photographs: textures with a trilinear filter as wide as the pixel, and skies.

All of them are one array of texels, bytes that are the square roots of linear light: textures one
after the other, each SIDE x SIDE and its mip levels down to one texel; and from the end backwards
skies, equirectangular, +z their upper edge. One array, because every argument of a kernel's inner
functions costs time, also where it is not used. A texture is repeated in mirror images, so that no
picture has a seam.
"""

from __future__ import annotations

import math

import numpy as np

from anyview_ros.worlds.render.device import clamped, device, inlined, mixed, product, scaled
from anyview_ros.worlds.render.scene import SKY_TEXTURE, SKY_TURN

SIDE, LEVELS = 256, 9
TEXELS = (4 * SIDE * SIDE - 1) // 3  # of all levels of a texture
SKY_ROWS = 256
SKY_TEXELS = 2 * SKY_ROWS * SKY_ROWS
DARKEST = 0.05  # mean that a texture is not brightened beyond
LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709


@inlined
def level_start(texture, side):
    """Place of the first texel of a texture's level of that side: after all larger levels."""
    return texture * TEXELS + (4 * SIDE * SIDE - 4 * side * side) // 3


@inlined
def mirrored_index(i, side):
    i = i & (2 * side - 1)
    return 2 * side - 1 - i if i >= side else i


@inlined
def light(texels, at):
    """Linear colour of the bytes at a place."""
    r, g, b = np.float64(texels[at, 0]), np.float64(texels[at, 1]), np.float64(texels[at, 2])
    return scaled((r * r, g * g, b * b), 1.0 / 65025.0)


@inlined
def between(texels, top, bottom, columns, x, y):
    """Bilinear colour: the shares x and y of the second column and of the lower row."""
    left, right = columns
    upper = mixed(light(texels, top + left), light(texels, top + right), x)
    lower = mixed(light(texels, bottom + left), light(texels, bottom + right), x)
    return mixed(upper, lower, y)


@device
def level_color(texels, texture, level, u, v):
    """Colour of one level of a texture; u and v count repeats."""
    side = SIDE >> level
    x, y = u * side - 0.5, v * side - 0.5
    i, j = math.floor(x), math.floor(y)
    start = level_start(texture, side)
    columns = mirrored_index(i, side), mirrored_index(i + 1, side)
    top = start + side * mirrored_index(j, side)
    bottom = start + side * mirrored_index(j + 1, side)
    return between(texels, top, bottom, columns, x - i, y - j)


@device
def photograph(texels, texture, u, v, width):
    """Linear colour of a texture at (u, v) for a pixel of that width, all in repeats."""
    level = clamped(math.log2(max(width * SIDE, 1.0)), 0.0, LEVELS - 1.0)
    fine = int(level)
    color = level_color(texels, texture, fine, u, v)
    if level > fine:
        color = mixed(color, level_color(texels, texture, fine + 1, u, v), level - fine)
    return color


@device
def textured(texels, texture, albedo, point, tile, turn, width):
    """The albedo times a photograph of mean brightness 1; `point` and `tile` are in metres."""
    u, v = point[0] / tile, point[1] / tile
    c, s = math.cos(turn), math.sin(turn)
    color = photograph(texels, texture, c * u - s * v, s * u + c * v, width / tile)
    r, g, b = light(texels, level_start(texture, 1))
    mean = max(LUMA[0] * r + LUMA[1] * g + LUMA[2] * b, DARKEST)
    r, g, b = product(albedo, scaled(color, 1.0 / mean))
    return min(r, 1.0), min(g, 1.0), min(b, 1.0)


@device
def photographed_sky(texels, environment, d):
    """Linear colour of the sky that the environment names, in the unit direction d."""
    start = len(texels) - int(environment[SKY_TEXTURE]) * SKY_TEXELS
    turn = math.atan2(d[1], d[0]) + np.float64(environment[SKY_TURN])
    x = (0.5 - turn / (2.0 * math.pi)) * 2 * SKY_ROWS - 0.5  # azimuth grows to the left
    y = math.acos(clamped(d[2], -1.0, 1.0)) / math.pi * SKY_ROWS - 0.5
    i, j = math.floor(x), math.floor(y)
    columns = i & (2 * SKY_ROWS - 1), (i + 1) & (2 * SKY_ROWS - 1)
    top = start + 2 * SKY_ROWS * max(j, 0)
    bottom = start + 2 * SKY_ROWS * min(j + 1, SKY_ROWS - 1)
    return between(texels, top, bottom, columns, x - i, y - j)
