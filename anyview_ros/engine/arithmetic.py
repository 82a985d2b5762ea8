"""What sampling does with arrays, wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Arithmetic(Protocol):
    """Sums of arrays where they lie: in this memory, or on a device."""

    def blend(self, terms: Sequence[tuple[float, Any]]) -> Any:
        """The sum of weights times arrays, taken in float64, as float32."""
        ...

    def apart(self, a: Any, b: Any) -> float:
        """Mean absolute difference."""
        ...


class InMemory:
    """Arithmetic of numpy."""

    def blend(self, terms: Sequence[tuple[float, Array]]) -> Array:
        total = sum(np.float64(weight) * array for weight, array in terms)
        return np.asarray(total, np.float32)

    def apart(self, a: Array, b: Array) -> float:
        return float(np.mean(np.abs(a - b), dtype=np.float64))


IN_MEMORY = InMemory()
