"""Checkpoints: named tensors and a few words in one safetensors file, written whole or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anyview_ros.errors import AnyviewError

FORMAT = "anyview-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """A training run at one step.

    Args:
        step: updates done.
        config: text of the run's TOML file.
        tensors: by `<part>/<name>`; the parts are network, ema, optimizer, codec and mean.
    """

    step: int
    config: str
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part, without its name before theirs."""
        prefix = f"{name}/"
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace `path` in one step, so that an interrupted write leaves the old file."""
    partial = path.with_suffix(".part")
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    metadata = {"format": FORMAT, "step": str(checkpoint.step), "config": checkpoint.config}
    save_file(tensors, partial, metadata)
    partial.replace(path)


def read_checkpoint(path: Path, device: str = "cpu") -> Checkpoint:
    """Read what `write_checkpoint` wrote.

    Raises:
        AnyviewError: `invalid_checkpoint` when the file is missing, damaged or something else.
    """
    try:
        with safe_open(path, framework="pt", device=device) as file:
            metadata = file.metadata() or {}
            tensors: dict[str, torch.Tensor] = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise AnyviewError("invalid_checkpoint", f"cannot read {path}: {error}") from None
    if metadata.get("format") != FORMAT:
        raise AnyviewError("invalid_checkpoint", f"{path} is no checkpoint of 'anyview train'")
    return Checkpoint(int(metadata["step"]), metadata["config"], tensors)


def parts(**named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of several parts under `<part>/<name>`."""
    return {f"{part}/{k}": v for part, tensors in named.items() for k, v in tensors.items()}
