"""Arithmetic shared by all kernels: scalars and tuples only, so that CPU and CUDA can compile it.

Vectors are tuples (x, y, z). Nothing here divides by zero or makes an infinity: the kernels are
compiled with fast-math, which may assume that neither occurs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

FAR = 1.0e9  # stands for "no hit"; fast-math has no infinity


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile for use inside a kernel, left to LLVM whether it is inlined."""
    compiled: Callable[..., Any] = njit(error_model="numpy", fastmath=True)(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile and always inline: a loop over rays is vectorised only when its body has no call."""
    compiled: Callable[..., Any] = njit(error_model="numpy", fastmath=True, forceinline=True)(
        function
    )
    return compiled


@inlined
def vector(values, k):
    """Three consecutive values, widened: shading is done in double precision."""
    return (np.float64(values[k]), np.float64(values[k + 1]), np.float64(values[k + 2]))


@inlined
def row_vector(rows, row, k):
    """Three consecutive values of a row, widened."""
    return (np.float64(rows[row, k]), np.float64(rows[row, k + 1]), np.float64(rows[row, k + 2]))


@inlined
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def cross(a, b):
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


@inlined
def scaled(a, s):
    return (a[0] * s, a[1] * s, a[2] * s)


@inlined
def added(a, b):
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


@inlined
def product(a, b):
    return (a[0] * b[0], a[1] * b[1], a[2] * b[2])


@inlined
def mixed(a, b, share):
    """a where share is 0, b where it is 1."""
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
    )


@inlined
def normalized(a):
    return scaled(a, 1.0 / math.sqrt(dot(a, a) + 1e-30))


@inlined
def clamped(x, low, high):
    return min(max(x, low), high)


@inlined
def fraction(x):
    return x - math.floor(x)


@inlined
def smoothstep(low, high, x):
    t = clamped((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@inlined
def band(center, half_width, x, footprint):
    """Coverage in [0, 1] of |x - center| < half_width by a pixel of width `footprint`."""
    return clamped((half_width - abs(x - center)) / max(footprint, 1e-4) + 0.5, 0.0, 1.0)


@inlined
def _filled(x, share):
    """How much of 0 .. x is filled, in periods."""
    whole = math.floor(x)
    return whole * share + clamped(x - whole - 0.5 * (1.0 - share), 0.0, share)


@inlined
def bars(period, share, x, width):
    """Coverage of bars in the middle of every period, of which they fill `share`.

    The mean over a pixel of that width, exact: joints neither thicken nor vanish from afar.
    """
    wide = max(width / period, 1e-4)
    start = x / period - 0.5 * wide
    return (_filled(start + wide, share) - _filled(start, share)) / wide


@inlined
def faded(value, mean, size, width):
    """The value near by, its mean where a pixel is wider than a feature of that size."""
    return mean + (value - mean) * clamped(1.5 - width / size, 0.0, 1.0)


@inlined
def lattice_value(i, j, seed):
    """Hash of integers to [0, 1); the finalizer is lowbias32 (Chris Wellons, hash-prospector)."""
    h = (i * 0x9E3779B1 ^ j * 0x85EBCA77 ^ seed * 0xC2B2AE3D) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return (h ^ (h >> 16)) * (1.0 / 4294967296.0)


@device
def value_noise(x, y, seed):
    """Smooth noise in [0, 1) with one random value per unit square."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    a, b = lattice_value(i, j, seed), lattice_value(i + 1, j, seed)
    c, d = lattice_value(i, j + 1, seed), lattice_value(i + 1, j + 1, seed)
    return (a + (b - a) * u) * (1.0 - v) + (c + (d - c) * u) * v


@device
def fractal_noise(x, y, seed, octaves, footprint):
    """Noise in [0, 1), mean 1/2; octaves finer than two footprints fade to their mean."""
    total, amplitude, frequency = 0.0, 0.5, 1.0
    for octave in range(octaves):
        weight = clamped(1.5 - 2.0 * footprint * frequency, 0.0, 1.0)
        if weight <= 0.0:
            break
        noise = value_noise(x * frequency, y * frequency, seed + octave)
        total += amplitude * weight * (noise - 0.5)
        amplitude *= 0.5
        frequency *= 2.03
    return total + 0.5
