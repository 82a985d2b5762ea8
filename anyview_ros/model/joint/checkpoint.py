"""Reading the released files, and loading a state dict that must fit exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from anyview_ros.errors import AnyviewError

PREFIX = "net."
# In the released file, and never read by the released inference.
UNUSED = re.compile(
    r"accum_.*|.*_extra_state|pos_embedder\..*|t_embedder\.1\..*|blocks\.\d+\.sattn_rope"
)
NAMES_SHOWN = 3

Network = TypeVar("Network", bound=nn.Module)


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint file, without the release's prefix.

    Either the tensors themselves or a dict that holds them under `model`. Nothing in the file is
    executed.

    Raises:
        AnyviewError: `invalid_checkpoint`.
    """
    state = _read(path)
    state = state.get("model", state)
    if not isinstance(state, Mapping) or not state:
        raise AnyviewError("invalid_checkpoint", f"{path} holds no state dict under 'model'")
    return {name.removeprefix(PREFIX): value for name, value in state.items()}


def read_text(path: Path) -> Tensor:
    """The text embedding (1, M, C) of the empty prompt, float32.

    Raises:
        AnyviewError: `invalid_checkpoint`.
    """
    text = _read(path).get("t5_text_embeddings")
    if not isinstance(text, Tensor) or text.ndim != 3 or len(text) != 1:
        raise AnyviewError(
            "invalid_checkpoint", f"{path} needs 't5_text_embeddings' of shape (1, M, C)"
        )
    return text.float()


def load_state(network: Network, state: Mapping[str, Tensor]) -> Network:
    """The network with the weights of `state`, in its own dtype, ready for inference.

    The network may have been made on torch's `meta` device, to need its memory once.

    Raises:
        AnyviewError: `checkpoint_mismatch`, naming keys that are missing, unknown or misshapen.
    """
    wanted = network.state_dict()
    given = {name: value for name, value in state.items() if not UNUSED.fullmatch(name)}
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - given.keys())]
    faults += [f"{name} is unknown" for name in sorted(given.keys() - wanted.keys())]
    faults += [
        f"{name} is {tuple(given[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in given and given[name].shape != value.shape
    ]
    if faults:
        shown = "; ".join(faults[:NAMES_SHOWN])
        raise AnyviewError(
            "checkpoint_mismatch",
            f"the checkpoint does not fit {type(network).__name__}: {shown}"
            + (f"; and {len(faults) - NAMES_SHOWN} more" if len(faults) > NAMES_SHOWN else ""),
        )
    cast = {name: given[name].to(value.dtype) for name, value in wanted.items()}
    network.load_state_dict(cast, assign=True)
    return network.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # pickle, zip and torch raise what they like
        raise AnyviewError(
            "invalid_checkpoint", f"{path} cannot be read as a torch checkpoint: {error}"
        ) from None
    if not isinstance(content, dict):
        raise AnyviewError(
            "invalid_checkpoint", f"{path} must hold a dict, got {type(content).__name__}"
        )
    return content
