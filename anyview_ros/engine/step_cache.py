"""Step caching: calls of a denoiser that are left out because their answer would hardly differ.

After EasyCache (arXiv 2507.02860), which needs no training and nothing known of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyview_ros.engine.arithmetic import Arithmetic

Denoiser = Callable[[Any, float], Any]  # (y, sigma) -> x0, arrays as the arithmetic has them


class StepCache:
    """A denoiser whose last answer stands until it should have changed by more than a threshold.

    How much it should have: the relative change of the last two answers for each unit that the
    network's input moved, times how far that has moved since, summed up step by step.

    Args:
        threshold: relative change, 0.05 is 5 %.
    """

    def __init__(self, denoiser: Denoiser, threshold: float, arithmetic: Arithmetic) -> None:
        self._denoiser, self._threshold, self._arithmetic = denoiser, threshold, arithmetic
        self._seen: Any = None  # at the last step, whether it was called or not
        self._called_with: Any = None
        self._x0: Any = None
        self._rate: float | None = None  # known from the second call on
        self._due = 0.0

    def __call__(self, y: Any, sigma: float) -> Any:
        """x0 of the state y."""
        seen = self._arithmetic.blend([(1 / (1 + sigma), y)])
        if self._rate is not None:
            self._due += self._rate * self._arithmetic.apart(seen, self._seen)
        self._seen = seen
        if self._rate is None or self._due >= self._threshold:
            self._learn(seen, self._denoiser(y, sigma))
        return self._x0

    def _learn(self, seen: Any, x0: Any) -> None:
        if self._x0 is not None:
            moved = self._arithmetic.apart(seen, self._called_with)
            size = self._arithmetic.apart(x0, self._arithmetic.blend([(0.0, x0)]))
            self._rate = self._arithmetic.apart(x0, self._x0) / max(moved * size, 1e-12)
        self._called_with, self._x0, self._due = seen, x0, 0.0
