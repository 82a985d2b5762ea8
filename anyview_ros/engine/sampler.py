"""Diffusion sampling over any denoiser.

The state is variance-exploding, y = x0 + sigma * n, as in the AnyView release. Flow matching is
the same thing in other letters: with t = sigma / (1 + sigma), y / (1 + sigma) = (1 - t) x0 + t n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError

Array = NDArray[np.float32]
Network = Callable[[Array, Array], Array]  # (c_in * y, t of shape (1,)) -> prediction
Denoiser = Callable[[Array, float], Array]  # (y, sigma) -> x0
MAX_SEED = 42949672  # seed * 100 must fit the 32 bits of the official noise


def unit_noise(seed: int, shape: Sequence[int]) -> Array:
    """Standard normal noise of a latent, (C, T', H', W'), drawn as the AnyView release draws it.

    Raises:
        AnyviewError: `invalid_seed` outside 0..42949672.
    """
    if not 0 <= seed <= MAX_SEED:
        raise AnyviewError("invalid_seed", f"seed must be 0..{MAX_SEED}, got {seed}")
    return np.random.RandomState(seed * 100).standard_normal(shape).astype(np.float32)


def schedule(sigmas: Sequence[float], steps: int) -> tuple[float, ...]:
    """The noise levels of `steps` steps along the curve of a longer or shorter schedule.

    Interpolated linearly in sigma^(1/7), where the schedule of Karras et al. (arXiv 2206.00364,
    eq. 5) is a straight line, so any number of steps gives exactly that schedule again.
    """
    if steps == len(sigmas) - 1:
        return tuple(sigmas)
    position = np.linspace(0, len(sigmas) - 1, steps + 1)
    roots = np.interp(position, np.arange(len(sigmas)), np.asarray(sigmas, np.float64) ** (1 / 7))
    return tuple(float(s) for s in roots**7)


def denoiser_of(network: Network, prediction: str) -> Denoiser:
    """A denoiser from a network that predicts `x0` or the flow's `velocity`."""

    def denoise(y: Array, sigma: float) -> Array:
        t = sigma / (1.0 + sigma)
        z = (y * np.float32(1.0 - t)).astype(np.float32)
        predicted = network(z, np.array([t], np.float32))
        return predicted if prediction == "x0" else z - np.float32(t) * predicted

    return denoise


def euler(y: Array, x0: Array, sigma: float, next_sigma: float) -> Array:
    """One Euler step of the probability-flow ODE, in x0 form."""
    kept = next_sigma / sigma
    return (kept * y.astype(np.float64) + (1.0 - kept) * x0).astype(np.float32)


def sample(
    denoiser: Denoiser,
    noise: Array,
    sigmas: Sequence[float],
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> Array:
    """From unit noise to a latent along falling noise levels.

    A schedule that does not end in 0 ends with one more call of the denoiser, the clean pass of
    the AnyView release. `on_step(done, steps)` is called before each step; it may raise to cancel.
    """
    steps = len(sigmas) - 1
    y = (sigmas[0] * noise.astype(np.float64)).astype(np.float32)
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        on_step(index, steps)
        y = euler(y, denoiser(y, sigma), sigma, next_sigma)
    return y if sigmas[-1] == 0 else denoiser(y, sigmas[-1])
