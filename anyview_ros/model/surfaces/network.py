"""Where the surface of each pixel of a frame is, from its image, matching costs and the ground.

A U-net over one frame. Most of its work is done at a quarter of the size and below. At full size
it adds what needs no network: smoothed matching costs and the plane of the ground, each as far as a
pixel trusts them. So an untrained network already knows both, and where the costs have sharp edges,
so has the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyview_ros.contract import SurfaceRange
from anyview_ros.errors import AnyviewError

STRIDE = 16  # sides of an image are multiples of it
GROUPS = 8  # of channels that are normalised together
COST_SCALE = 20.0  # grey levels
MATCH_LEVELS = 8.0  # of smoothed costs, at which there is no match
TRUSTED_LEVELS = 4.0  # of smoothed costs that are worth one nat to a pixel that trusts them with 1
TRUST = 2  # of the full-size head: in the costs, in the ground
ALL = slice(None), slice(None)
IMAGE = 4  # channels: colours, and the inverse depth of the ground


@dataclass(frozen=True)
class SurfaceNetworkConfig:
    """Sizes of the surface network.

    Args:
        widths: channels at 1/1, 1/2, 1/4, 1/8 and 1/16 of the size.
        blocks: residual blocks at 1/2 to 1/16, on the way down.
    """

    widths: tuple[int, ...] = (24, 32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 1, 1, 1)

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.blocks) + 1 or any(w % GROUPS for w in self.widths):
            raise AnyviewError(
                "invalid_config",
                f"[network]: widths must be multiples of {GROUPS}, one more of them than blocks, "
                f"got {list(self.widths)} and {list(self.blocks)}",
            )
        if 2 ** len(self.blocks) > STRIDE:
            raise AnyviewError(
                "invalid_config", f"[network]: at most 4 blocks, got {list(self.blocks)}"
            )


class SurfaceNetwork(nn.Module):
    """Scores of the inverse depths of a `SurfaceRange`, for each pixel of a frame."""

    def __init__(self, config: SurfaceNetworkConfig, surfaces: SurfaceRange) -> None:
        super().__init__()
        self.config, self.surfaces = config, surfaces
        count, full = surfaces.count, config.widths[0]
        self.see = nn.Conv2d(IMAGE, full, 3, padding=1)
        self.costs = nn.Conv2d(count, full, 1, bias=False)
        self.matches = nn.Conv2d(count, full, 1, bias=False)
        sizes = zip(pairwise(config.widths), config.blocks, strict=True)
        self.levels = nn.ModuleList(Level(*widths, number) for widths, number in sizes)
        self.sharpen = nn.Conv2d(full, full, 3, padding=1)
        self.head = nn.Conv2d(full, count, 1)
        self.trust = nn.Conv2d(full, TRUST, 1)
        nn.init.zeros_(self.sharpen.weight)
        for layer in (self.head, self.trust):
            nn.init.normal_(layer.weight, std=0.1 * full**-0.5)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        nn.init.ones_(self.trust.bias)  # type: ignore[arg-type]
        bins = torch.arange(count, dtype=torch.float32)
        self.bins: Tensor
        self.register_buffer("bins", bins[None, :, None, None], persistent=False)

    def forward(self, image: Tensor, costs: Tensor, smooth: Tensor, ground: Tensor) -> Tensor:
        """Return (N, B, H, W) scores, whose softmax is how likely each inverse depth is.

        The softmax itself would take a fifth of the time, and only differences are asked for.

        Args:
            image: (N, 3, H, W) in [-1, 1]; the sides are multiples of 16.
            costs: (N, B, H, W) as `photo_consistency.matching_costs`, in grey levels.
            smooth: (N, B, H, W) as `surface_network.smooth_costs`.
            ground: (N, 1, H, W) as `surface_network.ground_inverse_depth`.
        """
        return self.scores(image, costs, smooth, ground)

    def scores(
        self,
        image: Tensor,
        costs: Tensor,
        smooth: Tensor,
        ground: Tensor,
        pixels: tuple[slice, slice] = ALL,
    ) -> Tensor:
        """Return what `forward` does, of some pixels.

        Args:
            pixels: rows and columns that are computed; the others cost no memory at full size.
        """
        seen = self.see(torch.cat([image, ground / self.surfaces.nearest], dim=1))
        matches = functional.relu(1 - smooth * (1 / MATCH_LEVELS))
        seen = seen + self.costs(costs * (1 / COST_SCALE)) + self.matches(matches)
        found = self.decoded(functional.relu(seen))
        found, smooth, ground = (part[..., *pixels] for part in (found, smooth, ground))
        scores, trust = self.head(found), self.trust(found)
        in_costs = (trust[:, :1] * (1 / TRUSTED_LEVELS)) * smooth
        in_ground = trust[:, 1:] * self.on(ground).to(trust)
        added: Tensor = scores - in_costs + in_ground
        return added

    def decoded(self, seen: Tensor) -> Tensor:
        """Return what is known of each pixel, (N, C, H, W) as what is `seen` of it alone.

        It is smooth from the half size up, but for what a last look at the pixels adds: learnt
        after the rest, it sharpens edges and costs nothing before.
        """
        x, above = seen, []
        for level in self.levels:
            above.append(x)
            x = level.descended(x)  # type: ignore[operator]
        for level, before in zip(reversed(self.levels), (*above[:0:-1], None), strict=True):
            x = level.ascended(x)  # type: ignore[operator]
            x = x if before is None else before + x
        sharper: Tensor = x + self.sharpen(functional.relu(x + seen))
        return sharper

    def on(self, ground: Tensor) -> Tensor:
        """Return (N, B, H, W), 1 at the inverse depth of the ground, falling to 0 beside it.

        0 everywhere where no ground is ahead.
        """
        place = torch.where(ground > 0, self.surfaces.places(ground), -1.0)
        return functional.relu(1 - (place - self.bins).abs())


class Level(nn.Module):
    """A size of the U-net: the way from the size above, and back to it."""

    def __init__(self, wide: int, width: int, number: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(wide, width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(number)))
        self.last_blocks = nn.Sequential(Block(width))
        self.up = nn.Conv2d(width, wide, 1)

    def descended(self, x: Tensor) -> Tensor:
        found: Tensor = self.blocks(self.down(x))
        return found

    def ascended(self, x: Tensor) -> Tensor:
        narrow = self.up(functional.relu(self.last_blocks(x)))
        return functional.interpolate(narrow, scale_factor=2.0, mode="bilinear")


class Block(nn.Module):
    """A residual block of two convolutions, the second silent at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.first, self.second = Convolution(width), Convolution(width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.second(functional.relu(self.first(functional.relu(self.norm(x)))))
        return x + made


class Convolution(nn.Module):
    """3 x 3, whose weights are one matrix (width, width * 9), as Muon takes them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width * 9))
        nn.init.kaiming_normal_(self.weight)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.view(len(self.weight), -1, 3, 3)
        return functional.conv2d(x, kernel, self.bias, padding=1)


def load_weights(network: SurfaceNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Take the weights of a checkpoint.

    Raises:
        AnyviewError: `invalid_checkpoint` when they are of another network.
    """
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise AnyviewError(
            "invalid_checkpoint", f"the checkpoint is of another network: {error}"
        ) from None
