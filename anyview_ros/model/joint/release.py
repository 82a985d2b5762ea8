"""The files of the AnyView release, read into our networks."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.checkpoint import load_state, read_state, read_text
from anyview_ros.model.joint.config import (
    PRECISIONS,
    AutoencoderConfig,
    JointConfig,
    Precision,
)
from anyview_ros.model.joint.export import JointModel
from anyview_ros.model.joint.transformer import JointTransformer

NETWORK = "anyview_dvs_2b.pt"
AUTOENCODER = "tokenizer.pth"
TEXT = "default_text_emb.pt"
LICENCE = (
    "weights: non-commercial use and NVIDIA Open Model License, as the AnyView release states; "
    "graphs: Apache-2.0"
)
CARD = """# {name}

The AnyView network (arXiv 2601.16982) of the files `{network}`, `{autoencoder}` and `{text}` as
released, converted for {frames} frames of {height} x {width}, {steps} steps. Source and target
are brought to this size with Pillow's Lanczos; intrinsics are scaled without the half-pixel
term, as the network was trained.

Licence: {licence}.
"""

Network = TypeVar("Network", bound=nn.Module)


def read_release(
    folder: Path,
    network: JointConfig,
    autoencoder: AutoencoderConfig,
    precision: Precision = PRECISIONS["parity"],
) -> JointModel:
    """Network, autoencoder and text of the release, float32 with the release's rounding.

    Args:
        folder: that holds the three files.

    Raises:
        AnyviewError: `missing_file`, `invalid_checkpoint`, `checkpoint_mismatch`.
    """
    missing = [name for name in (NETWORK, AUTOENCODER, TEXT) if not (folder / name).is_file()]
    if missing:
        raise AnyviewError(
            "missing_file",
            f"{folder} lacks {', '.join(missing)}; the files come from the AnyView release",
        )
    # Made without memory of their own: the checkpoint's tensors take the places.
    with torch.device("meta"):
        transformer = JointTransformer(network, precision)
        coder = Autoencoder(autoencoder, precision)
    load_state(transformer, read_state(folder / NETWORK))
    load_state(coder, read_state(folder / AUTOENCODER))
    coder.take_constants(precision.rounds)
    text = read_text(folder / TEXT)
    if text.shape[1:] != (network.text_tokens, network.text_width):
        raise AnyviewError(
            "checkpoint_mismatch",
            f"the network reads texts of {network.text_tokens} x {network.text_width}, "
            f"{folder / TEXT} holds {text.shape[1]} x {text.shape[2]}",
        )
    return JointModel(transformer, coder, text)


def card(name: str, clip: tuple[int, int, int], steps: int) -> str:
    """The README of a converted package."""
    frames, height, width = clip
    return CARD.format(
        name=name,
        network=NETWORK,
        autoencoder=AUTOENCODER,
        text=TEXT,
        frames=frames,
        height=height,
        width=width,
        steps=steps,
        licence=LICENCE,
    )
