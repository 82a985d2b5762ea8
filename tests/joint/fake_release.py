"""Files like those of the AnyView release, with random weights: same keys, leftovers, any size.

    python -m tests.joint.fake_release FOLDER [--width 2048 --blocks 28 ...]

The defaults are the released sizes: 4.5 GB. The files are filled in place, so their size is no
matter of memory. `anyview import` takes them as it takes the release.
"""

from __future__ import annotations

import argparse
import io
import mmap
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.checkpoint import PREFIX, ByteStream
from anyview_ros.model.joint.config import AutoencoderConfig, JointConfig
from anyview_ros.model.joint.position import MAX_FRAMES, axis_widths
from anyview_ros.model.joint.release import AUTOENCODER, NETWORK, RELEASE, TEXT
from anyview_ros.model.joint.transformer import JointTransformer

COUNTERS = ("accum_video_sample_counter", "accum_image_sample_counter", "accum_iteration")
WORDS = {
    "width": "values a token",
    "blocks": "of the transformer",
    "heads": "of attention",
    "lora": "rank of the modulation networks",
    "text_width": "values a token of the text",
    "text_tokens": "of the text",
}


def write_fake_release(
    folder: Path, network: JointConfig, autoencoder: AutoencoderConfig, seed: int = 0
) -> None:
    """Write the three files of a release of these sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        transformer = JointTransformer(network).state_dict()
        coder = Autoencoder(autoencoder).state_dict()
    shapes = {f"{PREFIX}{name}": value.shape for name, value in transformer.items()}
    shapes |= {f"{PREFIX}{name}": shape for name, shape in _unread(network).items()}
    left = {f"{PREFIX}{name}": value for name, value in leftovers(network).items()}
    _write(folder / NETWORK.name, shapes, torch.bfloat16, left, generator, "model")
    shapes = {name: value.shape for name, value in coder.items()}
    _write(folder / AUTOENCODER.name, shapes, torch.float32, {}, generator)
    text = torch.zeros(1, network.text_tokens, network.text_width)
    text[:, 0].normal_(generator=generator)
    torch.save({TEXT.mark: text, "t5_text_mask": text[..., 0] != 0}, folder / TEXT.name)


def leftovers(network: JointConfig) -> dict[str, Any]:
    """Return what lies in the released file, or may lie there, and no network reads; small
    values."""
    time, *space = (width // 2 for width in axis_widths(network.head_width))
    left: dict[str, Any] = {name: torch.tensor(7) for name in COUNTERS}
    left["accum_train_in_hours"] = torch.tensor(1.5)
    left["pos_embedder.seq"] = torch.arange(MAX_FRAMES).bfloat16()
    left["pos_embedder.dim_temporal_range"] = torch.rand(time).bfloat16()
    left["pos_embedder.dim_spatial_range"] = torch.rand(space[0]).bfloat16()
    left["t_embedding_norm._extra_state"] = torch.zeros(5, dtype=torch.uint8)
    for block in range(network.blocks):
        left[f"blocks.{block}.sattn_rope"] = torch.ones(1, 1, 1, network.head_width)
        for norm in ("q_norm", "k_norm"):
            left[f"blocks.{block}.self_attn.{norm}._extra_state"] = io.BytesIO(b"leftover")
            left[f"blocks.{block}.cross_attn.{norm}._extra_state"] = None
    return left


def _unread(network: JointConfig) -> dict[str, torch.Size]:
    """Return the matrices of the target's own noise embedding, which the release never calls."""
    width = network.width
    return {
        "t_embedder.1.linear_1.weight": torch.Size((width, width)),
        "t_embedder.1.linear_2.weight": torch.Size((3 * width, width)),
    }


def _write(
    path: Path,
    shapes: Mapping[str, torch.Size],
    dtype: torch.dtype,
    left: Mapping[str, Any],
    generator: torch.Generator,
    below: str = "",
) -> None:
    """Write a checkpoint with room for its tensors, then map and fill it."""
    # Memory that is never touched is never given: these are as large as the file only in name.
    state = {name: torch.empty(shape, dtype=dtype) for name, shape in shapes.items()}
    content: dict[str, Any] = {**state, **left}
    with torch.serialization.skip_data():
        torch.save({below: content} if below else content, path)
    shared = torch.serialization.set_default_mmap_options(mmap.MAP_SHARED)
    with shared, torch.serialization.safe_globals([(ByteStream, "_io.BytesIO")]):
        written = torch.load(path, mmap=True, weights_only=True)
    written = written[below] if below else written
    for name in shapes:
        _draw(written[name], generator)
    for name, value in left.items():
        if isinstance(value, Tensor):
            written[name].copy_(value)


def _draw(tensor: Tensor, generator: torch.Generator) -> None:
    """Draw matrices that keep the size of what they map; vectors around one, so no gate is shut."""
    inputs = tensor[0].numel() if tensor.ndim > 1 else 0
    if inputs > 1:
        tensor.normal_(0, inputs**-0.5, generator=generator)
    else:
        tensor.normal_(1, 0.3, generator=generator)


def main() -> None:
    form = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description="fake files of the release", formatter_class=form)
    parser.add_argument("folder", type=Path)
    for field in fields(JointConfig):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=field.default, help=WORDS[field.name])
    parser.add_argument(
        "--coder-width", type=int, default=AutoencoderConfig().width, help="of the autoencoder"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the weights")
    args = parser.parse_args()
    network = JointConfig(
        **{field.name: getattr(args, field.name) for field in fields(JointConfig)}
    )
    coder = AutoencoderConfig(width=args.coder_width)
    write_fake_release(args.folder, network, coder, args.seed)
    for file in RELEASE:
        path = args.folder / file.name
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
