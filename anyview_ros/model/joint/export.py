"""The joint family as a model package: four ONNX graphs of fixed shapes, checked against torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from onnx import TensorProto
from torch import Tensor, nn

from anyview_ros.contract import Contract, LatentShape
from anyview_ros.engine.official import STRIDE
from anyview_ros.engine.sampler import karras_sigmas
from anyview_ros.errors import AnyviewError
from anyview_ros.model.export import GraphSpec, write_package
from anyview_ros.model.joint.autoencoder import COLOURS, Autoencoder
from anyview_ros.model.joint.config import LATENT_CHANNELS, PATCH, RAY_CHANNELS
from anyview_ros.model.joint.folding import FoldedDenoiser
from anyview_ros.model.joint.position import Grid
from anyview_ros.model.joint.transformer import JointTransformer

STEPS = 35
LATENT = LatentShape(LATENT_CHANNELS)


@dataclass(frozen=True)
class JointModel:
    """What a package of this family is made of.

    Args:
        network, autoencoder: of one precision, in float32.
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
) -> Contract:
    """The contract of a package of this family, as the release samples.

    Args:
        clip: (T, H, W) of source and target: T = 1 + 4k, sides multiples of 16.
        frame_period: seconds between frames. The released network was trained at many.

    Raises:
        AnyviewError: `invalid_size`; `invalid_model` for other impossible values.
    """
    frames, *size = clip
    if any(side % STRIDE for side in size):
        raise AnyviewError(
            "invalid_size", f"sides must be multiples of {STRIDE} pixels, got {size[0]} x {size[1]}"
        )
    return Contract(
        name=name,
        family="joint",
        anchor="target",
        ray_code="autoencoder",
        resampler="pillow_lanczos",
        pixel_rule="integer_grid",
        prediction="velocity",
        solver="ab2",
        sigmas={"exact": tuple(karras_sigmas(steps))},
        frames=(frames,),
        frame_period=frame_period,
        sizes=((size[0], size[1]),),
        latent=LATENT,
        max_sources=1,
        known_frames=False,
        scene_scale=scene_scale,
        precision="fp32",
        licence=licence,
        files={},
    )


def export_joint_package(folder: Path, contract: Contract, model: JointModel) -> Contract:
    """Write graphs and manifest; returns the contract with the files' hashes.

    Weights that are bfloat16 numbers, as the released ones are, are stored as such; the
    arithmetic is float32.

    Raises:
        AnyviewError: `export_differs`, see `write_package`.
    """
    return write_package(folder, contract, graph_specs(contract, model), TensorProto.BFLOAT16)


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
    """The four graphs at the contract's size, with random inputs of a fixed seed."""
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
    """`encode` and `decode` of clips of (T, H, W)."""
    video = normal(1, COLOURS, *clip).clamp(-1, 1)
    latent = normal(*(1, *LATENT.of(*clip)))
    return {
        "encode": GraphSpec(Encode(autoencoder, piece), {"frames": video}, ["latent"]),
        "decode": GraphSpec(Decode(autoencoder, piece), {"latent": latent}, ["frames"]),
    }


def denoiser_specs(
    denoiser: FoldedDenoiser, target: Grid, source: Grid, t: float = 0.7
) -> dict[str, GraphSpec]:
    """`condition` and `denoise` for token grids of the target and of the source.

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
    """t = sigma / (1 + sigma) of every speed, in float32 as the sampler has them."""
    sigmas = {sigma for levels in contract.sigmas.values() for sigma in levels}
    levels = torch.tensor(sorted(sigmas), dtype=torch.float32)
    times: Sequence[float] = (levels / (levels + 1)).tolist()
    return tuple(times)


def cells_of(grid: Grid) -> Grid:
    """Latent cells (T', H', W') of a token grid."""
    return grid[0], grid[1] * PATCH, grid[2] * PATCH


def normal(*shape: int) -> Tensor:
    """The same random numbers at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
