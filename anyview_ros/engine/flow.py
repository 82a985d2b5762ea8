"""Rectified flow (arXiv 2209.03003) over the sampler's states, for arrays of numpy and of torch.

A state y = x0 + sigma * n is z = (1 - t) x0 + t n in other letters: with t = sigma / (1 + sigma),
z = (1 - t) y. The network is asked with z and t. In the names of EDM (arXiv 2206.00364) c_in =
c_skip = 1 - t, c_out = -t and c_noise = t, as in the AnyView release.
"""

from __future__ import annotations

from typing import Any


def flow_time(sigma: Any) -> Any:
    """Return t, 0 to 1, of a noise level."""
    return sigma / (sigma + 1)


def flow_state(y: Any, t: Any) -> Any:
    """Return z of a state at time t."""
    return (1 - t) * y


def x0_of_velocity(velocity: Any, z: Any, t: Any) -> Any:
    """Return the clean latent, from the velocity n - x0 that is predicted at z and t."""
    return z - t * velocity
