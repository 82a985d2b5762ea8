"""How answers look beside true clips, where the sources tell what is true.

Squared errors ask for the mean of all that may be there, and a network that cannot tell depths to
the pixel blurs even what the sources show. Features of a network that knows pictures (ST-LPIPS)
prefer one sharp answer to the mean of several. But where no source looked any texture pleases them,
so there they do not count, and texture costs more than it does by squared errors alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from anyview_ros.errors import AnyviewError
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.one_way.config import SPACE_FACTOR, SWEEP_MARKS, TIME_FACTOR
from anyview_ros.training.config import RunConfig
from anyview_ros.training.feature_distance import Distance, shift_tolerant, shift_tolerant_weights

SMALLEST = 32  # pixels a side that the features need
FRAMES = 3  # of each scene's clips that are looked at
CLOSER = 0.5  # share of scenes of which a quarter is looked at, twice as large
SEED = 1  # added to the seed of a scene's noise
NEIGHBOURS = 5  # cells a side over which candidates and truth are compared
EXPLAINED, SOFTNESS = 0.5, 0.1  # share of the truth's variance that a candidate may leave, and edge
FLAT = 0.3  # added to that variance, of all channels: where nothing is, a little more may be left
ROUGHNESS = 2.0  # weight of texture that no source shows
COLOURS = 3  # first channels: the mean colour of a cell
UNSEEN = 1e3  # error of a candidate that no source sees


def load_distance(run: RunConfig, device: torch.device) -> Distance:
    """Load ST-LPIPS for the clips of a run.

    Raises:
        AnyviewError: `invalid_config` if the run cannot have it, `missing_weights`.
    """
    smallest = min(min(scenes.size) for scenes in run.scenes.values())
    if not run.network.planes or smallest < SMALLEST:
        raise AnyviewError(
            "invalid_config",
            f"--look needs a model with a plane sweep and frames of {SMALLEST} pixels a side or "
            f"more, this one has {run.network.planes} planes and {smallest} pixels; leave it out",
        )
    file = shift_tolerant_weights()
    if file is None:
        raise AnyviewError(
            "missing_weights",
            "--look compares by ST-LPIPS, whose weights are in the wheel stlpips-pytorch, which is "
            "not installed; install it, or leave --look out",
        )
    return shift_tolerant(file, device)


def explained_mask(sweep: Tensor, truth: Tensor) -> Tensor:
    """Return (B, T', H', W') 0..1: whether a candidate of the plane sweep shows what is true there.

    Args:
        sweep: (B, P, C + 2, T', H', W') latents and marks of candidates.
        truth: (B, C, T', H', W').
    """
    least = torch.full_like(truth[:, 0], UNSEEN)
    for candidate in sweep.unbind(dim=1):
        latent, seen = candidate[:, :-SWEEP_MARKS].float(), candidate[:, -SWEEP_MARKS].float()
        error = (latent - truth).square().sum(dim=1) + UNSEEN * (1 - seen)
        least = torch.minimum(least, _about(error.clamp(max=UNSEEN)))
    colour = _about(truth[:, :COLOURS]).square().sum(dim=1)
    variance = (_about(truth.square().sum(dim=1)) - colour).clamp(min=0)
    return torch.sigmoid((EXPLAINED - least / (variance + FLAT)) / SOFTNESS)


def perceptual_losses(
    distance: Distance,
    codec: LinearCodec,
    answer: Tensor,
    target: Tensor,
    certain: Tensor,
    seeds: Sequence[int],
) -> Tensor:
    """Return (G,) losses: perceptual distance where candidates show the truth, roughness elsewhere.

    Args:
        answer: (G * K, C, T', H', W').
        target: (G * K, 3, T, H, W) in [-1, 1].
        certain: (G * K, T', H', W') 0..1, where frames are compared.
        seeds: G, which tell what of a scene is looked at.
    """
    columns = (tensor.chunk(len(seeds)) for tensor in (answer, target, certain))
    return torch.stack(
        [
            _scene_loss(distance, codec.decode(latent), truth, sure, seed)
            for latent, truth, sure, seed in zip(*columns, seeds, strict=True)
        ]
    )


def _scene_loss(
    distance: Distance, made: Tensor, truth: Tensor, certain: Tensor, seed: int
) -> Tensor:
    """Return the loss of clips (K, 3, T, H, W); `certain` is (K, T', H', W')."""
    draw = torch.Generator().manual_seed(seed + SEED)
    frames = torch.randint(truth.shape[2], (FRAMES,), generator=draw)
    made, truth = (clip[:, :, frames].transpose(1, 2).flatten(0, 1) for clip in (made, truth))
    cells = certain[:, (frames + TIME_FACTOR - 1) // TIME_FACTOR].flatten(0, 1)[:, None]
    share = functional.interpolate(cells, scale_factor=SPACE_FACTOR, mode="bilinear")
    rough = ((1 - share) * (_fine(made) - _fine(truth)).square()).mean()
    shown = share * made + (1 - share) * truth
    if torch.rand((), generator=draw) < CLOSER:
        shown, truth = _closer(draw, shown, truth)
    return distance(shown, truth).mean() + ROUGHNESS * rough


def _closer(draw: torch.Generator, *images: Tensor) -> list[Tensor]:
    """Return a quarter of images (N, 3, H, W), twice as large: so fine patterns count too."""
    height, width = (side // 2 for side in images[0].shape[-2:])
    top, left = (int(torch.randint(side + 1, (), generator=draw)) for side in (height, width))
    quarters = (image[..., top : top + height, left : left + width] for image in images)
    return [functional.interpolate(q, scale_factor=2, mode="bilinear") for q in quarters]


def _fine(images: Tensor) -> Tensor:
    """Return images (N, 3, H, W) without what is smooth over a cell."""
    before = SPACE_FACTOR // 2
    after = SPACE_FACTOR - 1 - before
    padded = functional.pad(images, (before, after, before, after), mode="reflect")
    return images - functional.avg_pool2d(padded, SPACE_FACTOR, 1)


def _about(cells: Tensor) -> Tensor:
    """Return means of (..., H', W') over the neighbours of each cell."""
    rows = cells.flatten(0, -3)[:, None]
    means = functional.avg_pool2d(rows, NEIGHBOURS, 1, NEIGHBOURS // 2, count_include_pad=False)
    return means.reshape(cells.shape)
