"""Diffusion sampling over any denoiser.

The state is variance-exploding, y = x0 + sigma * n, as in the AnyView release.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Prediction, Solver
from anyview_ros.engine.arithmetic import IN_MEMORY, Arithmetic, Array
from anyview_ros.engine.flow import flow_state, flow_time, x0_of_velocity
from anyview_ros.engine.step_cache import Denoiser, StepCache
from anyview_ros.errors import AnyviewError

Network = Callable[[Array, Array], Array]  # (c_in * y, t of shape (1,)) -> prediction
MAX_SEED = 42949672  # seed * 100 must fit the 32 bits of the official noise
RHO = 7.0


@dataclass(frozen=True)
class SamplerSettings:
    """How a speed is sampled.

    Args:
        sigmas: falling noise levels; the last one is 0, or that of the clean pass.
        solver: see `coefficients`.
        reuse: relative change of x0 below which a call of the denoiser is left out, see
            `StepCache`; 0 = none is.
        temperature: factor on the noise of the first state, which Euler's steps carry on.
    """

    sigmas: tuple[float, ...]
    solver: Solver = "euler"
    reuse: float = 0.0
    temperature: float = 1.0

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1


def unit_noise(seed: int, shape: Sequence[int], stream: int = 0) -> Array:
    """Standard normal noise, drawn as the AnyView release draws it.

    The release draws (B, 52, T', H', W') for each stream; for B = 1 the latent's channels are the
    first draws, so asking for the latent's own (C, T', H', W') gives the same numbers.

    Raises:
        AnyviewError: `invalid_seed` outside 0..42949672.
    """
    if not 0 <= seed <= MAX_SEED:
        raise AnyviewError("invalid_seed", f"seed must be 0..{MAX_SEED}, got {seed}")
    return normal_noise(seed * 100 + stream, shape)


def normal_noise(generator_seed: int, shape: Sequence[int]) -> Array:
    """numpy's legacy Mersenne Twister, whose numbers never change between versions."""
    return np.random.RandomState(generator_seed).standard_normal(shape).astype(np.float32)


def karras_sigmas(steps: int, sigma_max: float = 80.0, sigma_min: float = 0.002) -> list[float]:
    """`steps` + 1 falling noise levels, Karras et al. (arXiv 2206.00364) eq. 5 with rho 7."""
    fraction = np.arange(steps + 1) / steps
    highest, lowest = sigma_max ** (1 / RHO), sigma_min ** (1 / RHO)
    levels: list[float] = ((highest + fraction * (lowest - highest)) ** RHO).tolist()
    return levels


def schedule(sigmas: Sequence[float], steps: int) -> tuple[float, ...]:
    """The noise levels of `steps` steps along the curve of a longer or shorter schedule.

    Interpolated linearly in sigma^(1/7), where Karras' schedule is a straight line, so any number
    of steps gives exactly that schedule again.
    """
    if steps == len(sigmas) - 1:
        return tuple(sigmas)
    position = np.linspace(0, len(sigmas) - 1, steps + 1)
    roots = np.asarray(sigmas, np.float64) ** (1 / RHO)
    levels = np.interp(position, np.arange(len(sigmas)), roots) ** RHO
    return tuple(float(sigma) for sigma in levels)


def denoiser_of(network: Network, prediction: Prediction) -> Denoiser:
    """Return a denoiser from a network that predicts `x0` or the flow's `velocity`.

    Times are float32, as in the AnyView release.
    """

    def denoise(y: Array, sigma: float) -> Array:
        t: Array = flow_time(np.array([sigma], np.float32))
        z: Array = flow_state(y, t)
        predicted = network(z, t)
        x0: Array = predicted if prediction == "x0" else x0_of_velocity(predicted, z, t)
        return x0

    return denoise


def coefficients(sigmas: Sequence[float], solver: Solver) -> NDArray[np.float64]:
    """(N, 3) multipliers of (state, this x0, previous x0) that make the next state.

    `euler` is one Euler step of the probability-flow ODE in x0 form. The others go on from the
    last two x0, in log sigma: `ab2` is the two-step Adams-Bashforth method, `dpmpp2m` is
    DPM-Solver++(2M) (arXiv 2211.01095), which goes on more cautiously where steps are long. Their
    first step, and one that ends in 0, are Euler's.
    """
    table = np.zeros((len(sigmas) - 1, 3))
    for i in range(len(table)):
        sigma, following = sigmas[i], sigmas[i + 1]
        if solver == "euler" or i == 0 or following == 0:
            table[i] = following / sigma, 1 - following / sigma, 0
            continue
        h = np.log(sigma / following)
        ratio = -np.log(sigmas[i - 1] / sigma) / h
        phi1 = np.expm1(-h) / -h
        slope = (phi1 - 1) / -h if solver == "ab2" else phi1 / 2
        table[i] = np.exp(-h), h * (phi1 - slope / ratio), h * slope / ratio
    return table


def sample(
    denoiser: Denoiser,
    noise: Array,
    sigmas: Sequence[float],
    solver: Solver = "euler",
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> Array:
    """`sample_by` a method without reuse, in this memory."""
    method = SamplerSettings(tuple(sigmas), solver)
    latent: Array = sample_by(method, denoiser, initial_state(method, noise), on_step=on_step)
    return latent


def initial_state(method: SamplerSettings, noise: Array) -> Array:
    """Where sampling starts: unit noise at the highest level, times the temperature."""
    return np.asarray(method.temperature * method.sigmas[0] * noise.astype(np.float64), np.float32)


def known_frames_below(method: SamplerSettings) -> float:
    """Noise level below which a sample is laid onto its known frames: after the first step.

    What is made of noise alone is the mean of what could be there, and known frames of the
    model's own making draw it to their blur (benchmarks/drift.py). A single step has no later one.
    """
    return method.sigmas[0] if method.steps > 1 else np.inf


def sample_by(
    method: SamplerSettings,
    denoiser: Denoiser,
    state: Any,
    arithmetic: Arithmetic = IN_MEMORY,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> Any:
    """Return a latent, from the first state along falling noise levels.

    A schedule that does not end in 0 ends with one more call of the denoiser, the clean pass of
    the AnyView release. `on_step(done, steps)` is called before each step, and with done = steps
    before the clean pass; it may raise to cancel.

    Args:
        denoiser: takes and gives arrays as the arithmetic has them.
        state: from `initial_state`, of the latent's shape, with or without a batch axis.
    """
    cached = StepCache(denoiser, method.reuse, arithmetic) if method.reuse else denoiser
    y = integrate(cached, state, method.sigmas, method.solver, arithmetic.blend, on_step)
    if method.sigmas[-1] == 0:
        return y
    on_step(method.steps, method.steps)
    return denoiser(y, method.sigmas[-1])


def integrate(
    denoiser: Denoiser,
    y: Any,
    sigmas: Sequence[float],
    solver: Solver,
    blend: Callable[[Sequence[tuple[float, Any]]], Any],
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> Any:
    """Return the state after a step from each noise level to the next.

    Args:
        y: state at the first level.
        blend: sums weights times arrays, of which the first is the state before the step.
        on_step: see `sample_by`.
    """
    table, previous = coefficients(sigmas, solver), None
    for index, (keep, add, add_previous) in enumerate(table):
        on_step(index, len(table))
        x0 = denoiser(y, sigmas[index])
        terms = [(keep, y), (add, x0)] + ([(add_previous, previous)] if add_previous else [])
        y, previous = blend(terms), x0
    return y
