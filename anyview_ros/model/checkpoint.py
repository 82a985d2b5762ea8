"""Checkpoints: named tensors and a few words in one safetensors file, written whole or not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from anyview_ros.errors import AnyviewError
from anyview_ros.model.tensor_file import write_tensors
from anyview_ros.whole_file import whole_file

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
        """Return the tensors of one part, without its name before theirs."""
        prefix = f"{name}/"
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}


def write_checkpoint(path: Path, checkpoint: Checkpoint, max_part_bytes: int = 0) -> None:
    """Replace `path`, so that an interrupted write leaves the old checkpoint whole.

    With a limit the tensors are spread over more files, `<stem>-<step>-<limit>-<part>.safetensors`
    beside `path`, which names them and is renamed into place last. A tensor is never split. The
    same step spread by another limit has other files, so those of the old checkpoint stay whole.

    Raises:
        AnyviewError: `checkpoint_not_written` when the disk is full or cannot be written to.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    first, *others = _spread(tensors, max_part_bytes)
    stem = f"{path.stem}-{checkpoint.step}-{max_part_bytes}"
    named = {f"{stem}-{i}{path.suffix}": part for i, part in enumerate(others, start=2)}
    metadata = {"format": FORMAT, "step": str(checkpoint.step), "config": checkpoint.config}
    begun = [file for name in named if not (file := path.with_name(name)).exists()]
    try:
        for name, part in named.items():
            _save(path.with_name(name), part, {"format": FORMAT})
        _save(path, first, metadata | {"parts": json.dumps(list(named))})
    except OSError as error:
        for file in begun:
            file.unlink(missing_ok=True)
        remedy = "there is none before it: make room and begin again"
        if path.exists():
            remedy = "the checkpoint before it is whole, make room and continue with --resume"
        raise AnyviewError(
            "checkpoint_not_written", f"cannot write {path}: {error}; {remedy}"
        ) from None
    of_parts = re.compile(rf"{re.escape(path.stem)}-\d+-\d+-\d+{re.escape(path.suffix)}")
    for other in path.parent.iterdir():
        if of_parts.fullmatch(other.name) and other.name not in named:  # of a checkpoint before
            other.unlink()


def read_checkpoint(path: Path, device: str = "cpu") -> Checkpoint:
    """Read what `write_checkpoint` wrote.

    Raises:
        AnyviewError: `invalid_checkpoint` when a file is missing, damaged or something else.
    """
    tensors, metadata = _read(path, device)
    if "step" not in metadata:
        raise AnyviewError("invalid_checkpoint", f"{path} is one part of a checkpoint")
    for name in json.loads(metadata.get("parts", "[]")):
        tensors |= _read(path.with_name(name), device)[0]
    return Checkpoint(int(metadata["step"]), metadata["config"], tensors)


def _spread(tensors: Mapping[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    """Return tensors in order, in as many groups as keep each under the limit; one group
    without."""
    groups: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if limit and groups[-1] and size + tensor.nbytes > limit:
            groups.append({})
            size = 0
        groups[-1][name] = tensor
        size += tensor.nbytes
    return groups


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    with whole_file(path) as partial:
        write_tensors(partial, tensors, metadata)


def _read(path: Path, device: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device=device) as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise AnyviewError("invalid_checkpoint", f"cannot read {path}: {error}") from None
    if metadata.get("format") != FORMAT:
        raise AnyviewError("invalid_checkpoint", f"{path} is no checkpoint of 'anyview train'")
    return tensors, metadata


def parts(**named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors of several parts under `<part>/<name>`."""
    return {f"{part}/{k}": v for part, tensors in named.items() for k, v in tensors.items()}
