"""The joint family as a model package: four ONNX graphs of fixed shapes, checked against torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from anyview_ros.contract import Contract, FusedAttention, LatentShape, Precision, Sampling
from anyview_ros.engine.flow import flow_time
from anyview_ros.engine.sampler import karras_sigmas
from anyview_ros.errors import AnyviewError
from anyview_ros.model.export import (
    TOLERANCE,
    GraphSpec,
    check,
    seal,
    write_graphs,
    write_self_test,
)
from anyview_ros.model.joint.autoencoder import COLOURS, Autoencoder
from anyview_ros.model.joint.config import (
    LATENT_CHANNELS,
    MLP_RATIO,
    PATCH,
    RAY_CHANNELS,
    JointConfig,
)
from anyview_ros.model.joint.folding import FoldedDenoiser
from anyview_ros.model.joint.position import MAX_SIDE, Grid
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.model.weights import SharedWeights
from anyview_ros.release import LONGEST_CLIP, STRIDE

STEPS = 35
# Steps of the speeds beside exact, by DPM-Solver++(2M): benchmarks/RESULTS.md, 'Speeds'.
FEWER_STEPS = {"fast": 12, "draft": 4}
LATENT = LatentShape(LATENT_CHANNELS)
# Of the largest value: what a compared graph may be apart from torch. ONNX Runtime's CPU provider
# has no bfloat16, so those graphs cannot be compared on it.
TOLERANCES = {"fp32": TOLERANCE, "fp16": 2e-2}
MOST_COMPARED = 2e12  # operations of the four graphs, some minutes of a processor's core
MOST_ASKED = 2e10  # the same at each load of the package, a second
PROOF = (5, 32, 48)  # T, H, W of the graphs that are compared in place of larger ones
# Maps of the finest level that a coder holds: with the workspace of a convolution that a processor
# unfolds (measured: 345 MiB at width 48, 96 x 160), and about what CUDA's kernels leave of it.
MAPS_ON_CPU, MAPS_ON_GPU = 30, 8
MANY_SCORES = 2**26  # of a block: 256 MB in float32
CODER_OPERATIONS = 13.5e6 / 96**2  # a pixel to encode and decode, over the width's square


@dataclass(frozen=True)
class JointModel:
    """What a package of this family is made of.

    Args:
        network, autoencoder: of one precision.
        text: (1, M, C), the embedding of the empty prompt.
        piece: latent frames that `encode` and `decode` work on at a time, 0 = all; memory grows
            with it.
        tabulated: look modulations up in a table of the contract's noise levels: smaller, but any
            other number of steps then gives no image.
    """

    network: JointTransformer
    autoencoder: Autoencoder
    text: Tensor
    piece: int = 1
    tabulated: bool = False


def joint_contract(
    name: str,
    clip: tuple[int, int, int],
    scene_scale: float,
    licence: str,
    steps: int = STEPS,
    frame_period: float = 0.1,
    precision: Precision = "fp32",
) -> Contract:
    """Return the contract of a package of this family; `exact` is sampled as the release does.

    Args:
        clip: (T, H, W) of source and target: T = 1 + 4k, sides multiples of 16.
        frame_period: seconds between frames. The released network was trained at many.
        precision: fp32, fp16 or bf16, of the arithmetic.

    Raises:
        AnyviewError: `invalid_num_frames`, `too_many_frames`, `invalid_size`; `invalid_model` for
            other impossible values.
    """
    require_clip(clip)
    frames, *size = clip
    fewer = {speed: count for speed, count in FEWER_STEPS.items() if count < steps}
    return Contract(
        name=name,
        family="joint",
        anchor="target",
        ray_code="autoencoder",
        resampler="pillow_lanczos",
        pixel_rule="integer_grid",
        prediction="velocity",
        solver="ab2",
        sigmas={
            speed: tuple(karras_sigmas(count)) for speed, count in {"exact": steps, **fewer}.items()
        },
        sampling={speed: Sampling("dpmpp2m") for speed in fewer},
        frames=(frames,),
        frame_period=frame_period,
        sizes=((size[0], size[1]),),
        latent=LATENT,
        max_sources=1,
        known_frames=False,
        scene_scale=scene_scale,
        precision=precision,
        licence=licence,
        files={},
    )


def require_clip(clip: tuple[int, int, int]) -> None:
    """Raise what `joint_contract` does for a (T, H, W) that the network cannot take."""
    frames, *size = clip
    if frames < 1 or frames % LATENT.time != 1:
        raise AnyviewError("invalid_num_frames", f"a clip has 1 + 4k frames, got {frames}")
    if frames > LONGEST_CLIP:
        raise AnyviewError(
            "too_many_frames",
            f"the network was trained on up to {LONGEST_CLIP} frames, got {frames}; ask for "
            f"{LONGEST_CLIP}, 29 or 13",
        )
    if any(side < STRIDE or side % STRIDE or side > MAX_SIDE * STRIDE for side in size):
        raise AnyviewError(
            "invalid_size",
            f"sides must be multiples of {STRIDE} pixels up to {MAX_SIDE * STRIDE}, "
            f"got {size[0]} x {size[1]}",
        )


def export_joint_package(
    folder: Path, contract: Contract, model: JointModel
) -> tuple[Contract, dict[str, float]]:
    """Write graphs and manifest; returns the contract with the files' hashes, and the differences.

    Weights go to the disk one at a time. Those that are bfloat16 numbers, as the released ones
    are, are stored as such where the arithmetic is float32. Graphs too large to be run on a
    processor are compared at the size `PROOF`, with the stored weights; these graphs stay in the
    package, for its self-test.

    Returns:
        The differences between ONNX Runtime and torch by graph, over the largest value; empty in
        bf16, which ONNX Runtime has no kernels for on a processor.

    Raises:
        AnyviewError: `export_differs`, see `check`.
    """
    specs, work = graph_specs(contract, model), operations(contract, model)
    large = work > min(MOST_ASKED, MOST_COMPARED)
    proxies = proxy_specs(contract, model) if large else {}
    compared = specs if work <= MOST_COMPARED else proxies
    tolerance = TOLERANCES.get(contract.precision)
    with SharedWeights(folder, torch.bfloat16) as weights:
        write_graphs(folder, specs | proxies, weights)
        assert weights.size  # whose asking writes what is buffered
        differences = check(folder, compared, tolerance) if tolerance is not None else {}
    write_self_test(folder, proxies or specs)
    sized = replace(
        contract,
        call_bytes=call_bytes(contract, model),
        attention=fused_attention(contract, model.network.config),
    )
    return seal(folder, sized, specs | proxies), differences


def proxy_specs(contract: Contract, model: JointModel) -> dict[str, GraphSpec]:
    """Return graphs of the same weights that a processor can run, in place of larger ones."""
    small = replace(contract, frames=(PROOF[0],), sizes=(PROOF[1:],))
    return {f"proxy-{name}": spec for name, spec in graph_specs(small, model).items()}


def operations(contract: Contract, model: JointModel) -> float:
    """Return about how many multiplications and additions the four graphs take."""
    (frames,), ((height, width),) = contract.frames, contract.sizes
    cells = math.prod(contract.latent.of(frames, height, width)[1:])
    coder = CODER_OPERATIONS * model.autoencoder.encoder.conv1.out_channels**2
    return denoiser_operations(model.network.config, cells) + coder * frames * height * width


def denoiser_operations(config: JointConfig, cells: int) -> float:
    """Return the operations of one call, by latent cells of the target and of the source."""
    tokens = 2 * cells / PATCH**2
    # Query, key, value, output, the text's query, and the two of the MLP.
    matrices = config.blocks * (5 + 2 * MLP_RATIO) * config.width**2
    return 2 * tokens * matrices + 4 * tokens**2 * config.width * config.blocks


def fused_attention(contract: Contract, config: JointConfig) -> FusedAttention | None:
    """Return the attention of all tokens to all, if their scores are many."""
    (frames,), ((height, width),) = contract.frames, contract.sizes
    tokens = 2 * math.prod(contract.latent.of(frames, height, width)[1:]) // PATCH**2
    if config.heads * tokens**2 < MANY_SCORES:
        return None
    return FusedAttention(config.blocks, config.width // config.heads, tokens)


def call_bytes(contract: Contract, model: JointModel) -> int:
    """Return about what the largest of the four graphs needs beside its weights."""
    (frames,), ((height, width),) = contract.frames, contract.sizes
    latent = contract.latent.of(frames, height, width)
    config, wide = model.network.config, contract.precision == "fp32"
    value = 4 if wide else 2
    tokens = 2 * math.prod(latent[1:]) // PATCH**2
    # Tokens between blocks in 32 bits, twice; queries, keys, values, output; the MLP's two layers.
    denoise = tokens * config.width * (8 + value * (4 + 2 * MLP_RATIO))
    held = LATENT.time * (model.piece or latent[1])
    coder = model.autoencoder.encoder.conv1.out_channels * held * height * width * value
    return max(denoise, coder * (MAPS_ON_CPU if wide else MAPS_ON_GPU))


class Encode(nn.Module):
    def __init__(self, autoencoder: Autoencoder, piece: int) -> None:
        super().__init__()
        self.autoencoder, self.piece = autoencoder, piece

    def forward(self, frames: Tensor) -> Tensor:
        return self.autoencoder.encode(frames, self.piece)


class Decode(nn.Module):
    def __init__(self, autoencoder: Autoencoder, piece: int) -> None:
        super().__init__()
        self.autoencoder, self.piece = autoencoder, piece

    def forward(self, latent: Tensor) -> Tensor:
        return self.autoencoder.decode(latent, self.piece)


class Condition(nn.Module):
    def __init__(self, denoiser: FoldedDenoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, latent: Tensor, rays: Tensor) -> Tensor:
        return self.denoiser.condition(latent, rays)


def graph_specs(contract: Contract, model: JointModel) -> dict[str, GraphSpec]:
    """Return the four graphs at the contract's size, with random inputs of a fixed seed."""
    (frames,), ((height, width),) = contract.frames, contract.sizes
    cells = contract.latent.of(frames, height, width)[1:]
    times = noise_times(contract) if model.tabulated else ()
    grid = (cells[0], cells[1] // PATCH, cells[2] // PATCH)
    with torch.no_grad():
        denoiser = FoldedDenoiser(model.network, model.text, grid, grid, times).eval()
    return {
        **autoencoder_specs(model.autoencoder, (frames, height, width), model.piece),
        **denoiser_specs(denoiser, grid, grid, times[0] if times else 0.7),
    }


def autoencoder_specs(
    autoencoder: Autoencoder, clip: tuple[int, int, int], piece: int = 0
) -> dict[str, GraphSpec]:
    """Return `encode` and `decode` of clips of (T, H, W)."""
    video = normal(1, COLOURS, *clip).clamp(-1, 1)
    latent = normal(*(1, *LATENT.of(*clip)))
    precision = autoencoder.precision
    rounded = precision.rounds and precision.dtype == torch.float32  # else it is within tolerance
    encode = GraphSpec(Encode(autoencoder, piece), {"frames": video}, ["latent"], rounded=rounded)
    return {
        "encode": encode,
        "decode": GraphSpec(Decode(autoencoder, piece), {"latent": latent}, ["frames"]),
    }


def denoiser_specs(
    denoiser: FoldedDenoiser, target: Grid, source: Grid, t: float = 0.7
) -> dict[str, GraphSpec]:
    """Return `condition` and `denoise` for token grids of the target and of the source.

    Args:
        t: noise time of the example, one that the denoiser knows.
    """
    noisy, rays = (normal(1, c, *cells_of(target)) for c in (LATENT_CHANNELS, RAY_CHANNELS))
    given = {
        "latent": normal(1, LATENT_CHANNELS, *cells_of(source)),
        "rays": normal(1, RAY_CHANNELS, *cells_of(source)),
    }
    condition = Condition(denoiser)
    with torch.no_grad():
        tokens = condition(*given.values())
    denoise = {"noisy": noisy, "t": torch.tensor([t]), "rays": rays, "source": tokens}
    return {
        "condition": GraphSpec(condition, given, ["source"]),
        "denoise": GraphSpec(denoiser, denoise, ["prediction"]),
    }


def noise_times(contract: Contract) -> tuple[float, ...]:
    """Return the flow's times of every speed, in float32 as the sampler has them."""
    sigmas = {sigma for levels in contract.sigmas.values() for sigma in levels}
    levels = torch.tensor(sorted(sigmas), dtype=torch.float32)
    times: Sequence[float] = flow_time(levels).tolist()
    return tuple(times)


def cells_of(grid: Grid) -> Grid:
    """Return latent cells (T', H', W') of a token grid."""
    return grid[0], grid[1] * PATCH, grid[2] * PATCH


def normal(*shape: int) -> Tensor:
    """Return the same random numbers at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
