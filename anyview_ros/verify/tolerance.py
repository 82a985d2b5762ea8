"""How near ours must be to a reference, as the README of the golden vectors defines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Measure:
    """One figure of a comparison.

    Args:
        name: what was measured.
        value, limit: good while value <= limit, or value >= limit where `at_least`.
        unit: of both.
    """

    name: str
    value: float
    limit: float
    at_least: bool = False
    unit: str = ""

    @property
    def good(self) -> bool:
        # Written so that a nan is never good.
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def used(self) -> float:
        """Return the share of the tolerance that is used up: 1 is the limit."""
        top, bottom = (self.limit, self.value) if self.at_least else (self.value, self.limit)
        return top / bottom if bottom else (np.inf if top else 0.0)

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{self.name} {self.value:.3g} {sign} {self.limit:g} {self.unit}".rstrip()


class Tolerance(Protocol):
    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        """Return figures for two arrays of one shape."""
        ...


@dataclass(frozen=True)
class Relative:
    """rms(ours - reference) / std(reference), and the largest difference where given."""

    rel: float
    largest: float = np.inf

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        apart = ours.astype(np.float64) - reference
        # One value, or equal values, have no spread: then the error is taken as it is.
        spread = float(np.std(reference.astype(np.float64))) or 1.0
        rms = float(np.sqrt(np.mean(apart**2)))
        measures = [Measure("rel", rms / spread, self.rel)]
        if np.isfinite(self.largest):
            measures.append(Measure("max", float(np.abs(apart).max()), self.largest))
        return tuple(measures)


@dataclass(frozen=True)
class Exact:
    """Equal in every element."""

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        return (Measure("differing", float(np.mean(ours != reference)), 0.0),)


@dataclass(frozen=True)
class Absolute:
    """Largest difference."""

    largest: float

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        apart = np.abs(ours.astype(np.float64) - reference)
        return (Measure("max", float(apart.max()), self.largest),)


@dataclass(frozen=True)
class Elementwise:
    """Largest difference, relative to the reference or to `floor`, whichever is larger."""

    rel: float
    floor: float = 0.0

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        apart = np.abs(ours.astype(np.float64) - reference)
        scale = np.maximum(np.abs(reference.astype(np.float64)), self.floor)
        relative = np.divide(apart, scale, out=np.where(apart > 0, np.inf, 0.0), where=scale > 0)
        return (Measure("rel each", float(relative.max()), self.rel),)


@dataclass(frozen=True)
class Score:
    """Largest difference of a figure, beyond what a reference rounded to float32 explains."""

    largest: float

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        single = reference.astype(np.float32)
        rounding = np.where(single == reference, 2 * np.spacing(np.abs(single)), 0)
        beyond = np.maximum(np.abs(ours.astype(np.float64) - reference) - rounding, 0)
        return (Measure("max", float(beyond.max()), self.largest),)


@dataclass(frozen=True)
class RelativeToLargest:
    """Largest difference over the largest value, or over 1: transforms mix turns and metres."""

    rel: float

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        apart = np.abs(ours.astype(np.float64) - reference)
        scale = max(1.0, float(np.abs(reference).max()))
        return (Measure("rel largest", float(apart.max()) / scale, self.rel),)


@dataclass(frozen=True)
class Bf16Steps:
    """bfloat16 values: few may differ, and those by one step of the grid.

    Args:
        share: of elements that may differ.
        noise: differences up to this are no difference. Numbers near 0 are what is left of
            float32 sums, which every library rounds in its own way, and there a bfloat16 step is
            far smaller than that rounding.
    """

    share: float
    noise: float = 0.0

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        apart = np.abs(ours.astype(np.float64) - reference) > self.noise
        steps = np.where(apart, np.abs(bf16_rank(ours) - bf16_rank(reference)), 0)
        return (
            Measure("differing", float(np.mean(steps > 0)), self.share),
            Measure("bf16 steps", float(steps.max()), 1.0),
        )


@dataclass(frozen=True)
class Uint8:
    """Pixels: few may differ, and those by one.

    Args:
        share: of values that may differ.
    """

    share: float

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        apart = np.abs(ours.astype(np.int64) - reference.astype(np.int64))
        return (
            Measure("differing", float(np.mean(apart > 0)), self.share),
            Measure("max", float(apart.max()), 1.0),
        )


@dataclass(frozen=True)
class PeakRatio:
    """PSNR of uint8 frames in dB, at least."""

    decibels: float

    def measure(self, ours: Array, reference: Array) -> tuple[Measure, ...]:
        error = np.mean((ours.astype(np.float64) - reference) ** 2) / 255.0**2
        value = float("inf") if error == 0 else -10.0 * float(np.log10(error))
        return (Measure("psnr", value, self.decibels, at_least=True, unit="dB"),)


def bf16_rank(values: Array) -> NDArray[np.int64]:
    """Return the place of each bfloat16 value in the order of them all; neighbours differ by
    one."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    if (bits & 0xFFFF).any():
        raise ValueError("values are not bfloat16")
    magnitude = (bits >> 16 & 0x7FFF).astype(np.int64)
    return np.where(bits >> 31 == 1, -magnitude, magnitude)


# The table of the golden vectors' README, by item and mode.
NETWORK: Mapping[str, Tolerance] = {
    "f32": Relative(2e-5, 1e-4),
    "parity": Relative(2e-5, 1e-4),
    "bf16": Relative(3e-2),
}
SAMPLER: Mapping[str, Tolerance] = {
    "f32": Relative(2e-5, 2e-4),
    "parity": Relative(1e-3),
    "bf16": Relative(5e-2),
}
CODED: Mapping[str, Tolerance] = {
    "f32": Relative(2e-5, 1e-4),
    "parity": Bf16Steps(1e-2, noise=1e-5),
    "bf16": Relative(5e-2),
}
END_TO_END: Mapping[str, Tolerance] = {
    "f32": Relative(5e-5, 5e-4),
    "parity": Relative(2e-3, 5e-2),
    "bf16": Relative(5e-2),
}
FRAMES: Mapping[str, Tolerance] = {
    "f32": Uint8(5e-3),
    "parity": Uint8(5e-2),
    "bf16": PeakRatio(45.0),
}
EXACT = Exact()
PLUCKER = Absolute(1e-6)
PLUCKER_BF16 = Bf16Steps(1e-3, noise=PLUCKER.largest)
TRANSFORMS = RelativeToLargest(1e-6)
ANGLES = Absolute(1e-5)
FLOAT64 = Elementwise(1e-12)
FLOAT32 = Elementwise(1e-6, floor=1.0)  # a few float32 roundings: the README has no row for it
LOSS = Elementwise(1e-5)
PSNR = Score(1e-6)
SSIM = Score(1e-8)
