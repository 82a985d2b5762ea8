"""The joint transformer's activations, taken by hooks so that the network knows nothing of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, cast

import torch
from torch import Tensor, nn

from anyview_ros.model.joint.position import Grid, rotary_angles
from anyview_ros.model.joint.transformer import Block, JointTransformer, grid_of

PER_VIEW = ("tok", "rope", "temb", "tembn", "lora", "blk0_mlp", "blk0", "last")
JOINED = ("blk0_selfattn", "blk0_crossattn")


class Observed(nn.Module):
    """The transformer, returning activations in place of outputs.

    They are those of block 0 but `last`, under the names of the golden files' `mid/`.
    """

    names = (*(f"{name}_v{view}" for name in PER_VIEW for view in (0, 1)), *JOINED, "rope_v0_bf16")

    def __init__(self, network: JointTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, target: Tensor, source: Tensor, t_target: Tensor, t_source: Tensor, text: Tensor
    ) -> tuple[Tensor, ...]:
        """Return as `JointTransformer.forward`: a tensor for each of `names`."""
        network, streams, times = self.network, (target, source), (t_target, t_source)
        grids = [grid_of(stream) for stream in streams]
        taken = self._taken(streams, times, text)
        frames = [t.expand(-1, grid[0]) for t, grid in zip(times, grids, strict=True)]
        level = network.level(torch.cat(frames, dim=1))
        angles = network.angles(grids)
        width = network.config.head_width
        parts = {
            **{name: _by_grid(taken[name], grids) for name in ("tok", "blk0_mlp", "blk0", "last")},
            "rope": [_doubled(a) for a in torch.split(angles, [_count(g) for g in grids])],
        }
        for name, values in zip(("temb", "tembn", "lora"), level, strict=True):
            parts[name] = list(torch.split(values, [grid[0] for grid in grids], dim=1))
        return (
            *(parts[name][view] for name in PER_VIEW for view in (0, 1)),
            *(taken[name] for name in JOINED),
            _doubled(rotary_angles(grids[0], width, torch.bfloat16)),
        )

    def _taken(self, streams: Any, times: Any, text: Tensor) -> dict[str, Tensor]:
        """Return what passes through block 0, and what leaves the last block."""
        taken: dict[str, Tensor] = {}
        block = cast(Block, self.network.blocks[0])

        def take(name: str) -> Any:
            def hook(module: nn.Module, arguments: Any, result: Tensor) -> None:
                taken[name] = result

            return hook

        with ExitStack() as hooks:

            def before(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
                taken["tok"] = arguments[0]

            for handle in (
                block.register_forward_pre_hook(before),
                block.self_attn.register_forward_hook(take("blk0_selfattn")),
                block.cross_attn.register_forward_hook(take("blk0_crossattn")),
                block.mlp.register_forward_hook(take("blk0_mlp")),
                block.register_forward_hook(take("blk0")),
                self.network.blocks[-1].register_forward_hook(take("last")),
            ):
                hooks.callback(handle.remove)
            self.network(streams, times, text)
        return taken


def _count(grid: Grid) -> int:
    return grid[0] * grid[1] * grid[2]


def _by_grid(tokens: Tensor, grids: list[Grid]) -> list[Tensor]:
    """Map (B, N of both, D) to (B, T', rows, columns, D) of each view."""
    parts = torch.split(tokens, [_count(grid) for grid in grids], dim=1)
    return [part.reshape(len(part), *grid, -1) for part, grid in zip(parts, grids, strict=True)]


def _doubled(angles: Tensor) -> Tensor:
    """Map (N, d/2) to (N, d): the golden files repeat the angle of each pair."""
    return torch.cat([angles, angles], dim=-1)
