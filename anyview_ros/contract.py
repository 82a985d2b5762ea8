"""What a model package promises: the contract, every fact that inference needs.

Nothing above it knows which family of network runs. Fields: docs/model-packages.md. Packages are
found, checked and written by `packages`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any, Literal, get_args

from anyview_ros.errors import AnyviewError

VERSION = 1
GRAPHS = ("encode", "condition", "denoise", "decode")
SURFACES = "surfaces"  # the graph of a package whose contract has a `SurfaceRange`
DEFAULT_SPEED = "exact"
# Beyond what any model is, and far from what would end the process that believes it.
MAX_NAME, MAX_FRAMES, MAX_SOURCES, MAX_PLANES, MAX_SURFACES = 128, 4097, 64, 256, 1024
MAX_SIDE = 8192  # also of an image that is taken
MIN_PERIOD_S, MAX_PERIOD_S = 1e-3, 3600.0
MAX_SCALE = 1000.0
RAY_SPACING = 4  # pixels between the rays of ray code `unshuffle`
CORNERS = 2  # pixels a side of a cell that a plane sweep looks at

Family = Literal["one_way", "joint"]
Anchor = Literal["source", "target"]
RayCode = Literal["unshuffle", "autoencoder"]
Resampler = Literal["area", "pillow_lanczos"]
PixelRule = Literal["pixel_centre", "integer_grid"]
Prediction = Literal["x0", "velocity"]
Solver = Literal["euler", "ab2", "dpmpp2m"]
Precision = Literal["fp32", "fp16", "bf16"]

CHOICES: Mapping[str, tuple[str, ...]] = {
    "family": get_args(Family),
    "anchor": get_args(Anchor),
    "ray_code": get_args(RayCode),
    "resampler": get_args(Resampler),
    "pixel_rule": get_args(PixelRule),
    "prediction": get_args(Prediction),
    "solver": get_args(Solver),
    "precision": get_args(Precision),
}


@dataclass(frozen=True)
class LatentShape:
    """Channels of the latent, and how many frames, rows and columns one latent cell stands for.

    Time is causal: the first frame has a latent of its own, so T frames give 1 + (T - 1) / time.
    """

    channels: int
    time: int = 4
    height: int = 8
    width: int = 8

    def of(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, T', H', W') of a clip of `frames` images of `height` x `width` pixels."""
        return (
            self.channels,
            1 + (frames - 1) // self.time,
            height // self.height,
            width // self.width,
        )


@dataclass(frozen=True)
class Sampling:
    """What a speed does otherwise than the contract says.

    Args:
        solver: in place of the contract's; empty = the same.
        reuse: relative change of the answer below which a call of the denoiser is left out
            (engine/step_cache.py); 0 = none is.
        frames: length of a clip that is asked for without one; 0 = the longest.
        temperature: factor on the noise that sampling starts from and goes on with; below 1 what
            no source sees is closer to its mean, and quieter.
    """

    solver: Solver | Literal[""] = ""
    reuse: float = 0.0
    frames: int = 0
    temperature: float = 1.0


USUAL = Sampling()


@dataclass(frozen=True)
class FusedAttention:
    """Attention of `denoise` whose scores are too many to be written out.

    Args:
        nodes: of it in the graph.
        width: of a head.
        tokens: that ask, and are asked, in the longest of them.
    """

    nodes: int
    width: int
    tokens: int


@dataclass(frozen=True)
class SurfaceRange:
    """The inverse depths among which `surfaces` says where the surface of a pixel is.

    Args:
        count: B of them, from 0, the sky.
        nearest: the largest, over `scene_scale`.
        power: that they rise with: 1 is even, more puts more of them far away.
    """

    count: int
    nearest: float
    power: float = 1.0

    def places(self, inverse_depth: Any) -> Any:
        """Return where inverse depths over scene_scale, 0 or more, lie among the B: 0 to B - 1.

        Args:
            inverse_depth: an array or a tensor.
        """
        share = (inverse_depth / self.nearest).clip(0.0, 1.0)
        return share ** (1 / self.power) * (self.count - 1)

    def inverse_depths(self, places: Any) -> Any:
        """Return the inverse depths over scene_scale at places among the B."""
        return (places / (self.count - 1)) ** self.power * self.nearest


@dataclass(frozen=True)
class Contract:
    """The fields of a manifest.

    Args:
        name, family, anchor, ray_code, resampler, pixel_rule, prediction, solver, precision: see
            docs/model-packages.md; the allowed words are in `CHOICES`.
        sigmas: noise levels of each speed, falling; the default speed is `exact`.
        frames: clip lengths T the graphs take.
        frame_period: seconds between frames that the model was trained for.
        sizes: (H, W) in pixels that the graphs take.
        max_sources: source clips at most.
        known_frames: whether target frames may be given.
        scene_scale: multiplies Plücker moments (1/16 driving, 1/8 indoor).
        plane_sweep: planes over which the sources are warped into the target, as inverse depths
            over `scene_scale`; the ground is one more. Empty: the model has rays only.
        sweep_weights: whether `denoise` also gives `weights`, which candidate of the plane sweep
            each latent cell shows: (1, P + 1, T', H', W'), the first for none of them. They are
            read after the last step.
        composite: whether the plane sweep has one more candidate, the last: what the surfaces of
            the sources show of the target, see `engine.surfaces.composite`.
        surfaces: of the graph `surfaces`, see `engine.surfaces.finder`; None where there is none.
        sampling: of the speeds that differ in more than their noise levels.
        call_bytes: memory of the largest call beside the weights, an estimate; 0 = not known.
        attention: what a GPU must have fused kernels for; None where attention is short.
        files: sha256 of every file of the package but the manifest.
    """

    name: str
    family: Family
    anchor: Anchor
    ray_code: RayCode
    resampler: Resampler
    pixel_rule: PixelRule
    prediction: Prediction
    solver: Solver
    sigmas: Mapping[str, tuple[float, ...]]
    frames: tuple[int, ...]
    frame_period: float
    sizes: tuple[tuple[int, int], ...]
    latent: LatentShape
    max_sources: int
    known_frames: bool
    scene_scale: float
    precision: Precision
    licence: str
    files: Mapping[str, str]
    scores: Mapping[str, Any] = field(default_factory=dict)
    plane_sweep: tuple[float, ...] = ()
    sweep_weights: bool = False
    composite: bool = False
    surfaces: SurfaceRange | None = None
    sampling: Mapping[str, Sampling] = field(default_factory=dict)
    call_bytes: int = 0
    attention: FusedAttention | None = None
    version: int = VERSION

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            _require(getattr(self, name) in allowed, name, f"one of {', '.join(allowed)}", self)
        _require(self.version == VERSION, "version", str(VERSION), self)
        _require(0 < len(self.name) <= MAX_NAME, "name", f"1 to {MAX_NAME} characters", self)
        lengths = bool(self.frames) and all(t % 4 == 1 and 0 < t <= MAX_FRAMES for t in self.frames)
        _require(lengths, "frames", f"1+4k, to {MAX_FRAMES}", self)
        _require(bool(self.sizes), "sizes", "at least one (H, W)", self)
        period = f"{MIN_PERIOD_S:g} to {MAX_PERIOD_S:g} seconds"
        _require(MIN_PERIOD_S <= self.frame_period <= MAX_PERIOD_S, "frame_period", period, self)
        _require(1 <= self.max_sources <= MAX_SOURCES, "max_sources", f"1 to {MAX_SOURCES}", self)
        scale = f"above 0, to {MAX_SCALE:g}"
        _require(0 < self.scene_scale <= MAX_SCALE, "scene_scale", scale, self)
        cell = all(1 <= side <= MAX_SIDE for side in astuple(self.latent))
        _require(cell, "latent", f"1 to {MAX_SIDE} channels and pixels of a cell", self)
        self._check_cell()
        depths = all(depth >= 0 for depth in self.plane_sweep)
        planes = len(self.plane_sweep) <= MAX_PLANES
        _require(depths and planes, "plane_sweep", f"{MAX_PLANES} at most, 0 or above", self)
        _require(DEFAULT_SPEED in self.sigmas, "sigmas", f"the speed '{DEFAULT_SPEED}'", self)
        for levels in self.sigmas.values():
            falling = all(a > b for a, b in itertools.pairwise(levels))
            _require(len(levels) >= 2 and falling and levels[-1] >= 0, "sigmas", "falling", self)
        self._check_sampling()
        rising = all(a < b for a, b in itertools.pairwise(self.plane_sweep))
        swept = rising and len(self.plane_sweep) >= 2
        told_of = "false where plane_sweep has no two depths that rise"
        _require(swept or not self.sweep_weights, "sweep_weights", told_of, self)
        told = self.sweep_weights or not self.composite
        _require(told, "composite", "false where sweep_weights is", self)
        if self.surfaces is not None:
            wide = 2 <= self.surfaces.count <= MAX_SURFACES
            wide = wide and min(self.surfaces.nearest, self.surfaces.power) > 0
            wanted = f"a count of 2 to {MAX_SURFACES}, a nearest above 0 and a power above 0"
            _require(wide, "surfaces", wanted, self)
        _require(self.call_bytes >= 0, "call_bytes", "a number of bytes", self)
        if self.attention is not None:
            whole = min(astuple(self.attention)) > 0
            _require(whole, "attention", "nodes, width and tokens above 0", self)
        for height, width in self.sizes:
            sides = f"of sides of 1 to {MAX_SIDE} pixels"
            inside = all(1 <= side <= MAX_SIDE for side in (height, width))
            _require(inside, "sizes", sides, self)
            divisible = height % self.latent.height == 0 and width % self.latent.width == 0
            _require(divisible, "sizes", "multiples of the latent's factors", self)

    def _check_cell(self) -> None:
        time, side = self.latent.time, min(self.latent.height, self.latent.width)
        whole = all((t - 1) % time == 0 for t in self.frames)
        _require(whole, "frames", f"1 + a multiple of the latent's time, {time}", self)
        least = RAY_SPACING if self.ray_code == "unshuffle" else 1
        told_rays = f"cells of at least {least} pixels a side for ray_code '{self.ray_code}'"
        _require(side >= least, "latent", told_rays, self)
        swept = f"cells of at least {CORNERS} pixels a side for a plane_sweep"
        _require(side >= CORNERS or not self.plane_sweep, "latent", swept, self)

    def _check_sampling(self) -> None:
        for speed, own in self.sampling.items():
            _require(speed in self.sigmas, "sampling", "of speeds that sigmas has", self)
            solvers = ("", *CHOICES["solver"])
            _require(own.solver in solvers, "sampling", f"solver one of {solvers}", self)
            _require(0 <= own.reuse < 1, "sampling", "reuse from 0 to below 1", self)
            _require(0 <= own.temperature <= 1, "sampling", "temperature from 0 to 1", self)
            _require(
                own.frames in (0, *self.frames), "sampling", "frames of a length it takes", self
            )

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the graphs that the package has."""
        return (*GRAPHS, SURFACES) if self.surfaces else GRAPHS

    @property
    def max_steps(self) -> int:
        """Steps of the slowest schedule: more are refused."""
        return len(self.sigmas[DEFAULT_SPEED]) - 1

    def sampled_by(self, speed: str) -> Sampling:
        """How a speed is sampled, with the solver named; empty = the default speed."""
        own = self.sampling.get(speed or DEFAULT_SPEED, USUAL)
        return replace(own, solver=self.solver_of(speed))

    def solver_of(self, speed: str) -> Solver:
        """Solver of a speed; empty = the default speed."""
        return self.sampling.get(speed or DEFAULT_SPEED, USUAL).solver or self.solver

    def usual_frames(self, speed: str) -> int:
        """Length of a clip that is asked for without one."""
        return self.sampled_by(speed).frames or max(self.frames)


def _require(holds: bool, name: str, needed: str, contract: Contract) -> None:
    if not holds:
        raise AnyviewError(
            "invalid_model",
            f"manifest of '{contract.name}': {name} must be {needed}, "
            f"got {getattr(contract, name)!r}",
        )
