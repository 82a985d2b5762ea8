"""The package of a run: its averaged weights, its config, and the baseline it is measured by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from anyview_ros.contract import sha256_of, write_manifest
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.export import export_package
from anyview_ros.model.network import OneWayDenoiser
from anyview_ros.training.config import RunConfig
from anyview_ros.training.scenes import MEAN_IMAGE

CONFIG_FILE = "training.toml"


def package_run(folder: Path, run: RunConfig, checkpoint: Checkpoint) -> Path:
    """Export the averaged weights of a checkpoint; returns the folder.

    Raises:
        AnyviewError: `invalid_checkpoint` when the checkpoint is of another network than the
            config's, and what `export_package` raises.
    """
    network, codec = OneWayDenoiser(run.network), LinearCodec(run.network.channels)
    try:
        network.load_state_dict(checkpoint.part("ema"))
        codec.load_state_dict(checkpoint.part("codec"))
    except RuntimeError as error:
        raise AnyviewError(
            "invalid_checkpoint", f"the checkpoint is of another network: {error}"
        ) from None
    contract = export_package(folder, run.contract(), network.requires_grad_(False), codec)
    (folder / CONFIG_FILE).write_text(run.text)
    _write_mean_image(folder / MEAN_IMAGE, checkpoint.tensors["mean/clip"])
    added = {name: sha256_of(folder / name) for name in (CONFIG_FILE, MEAN_IMAGE)}
    write_manifest(folder, replace(contract, files={**contract.files, **added}))
    return folder


def _write_mean_image(file: Path, mean_clip: torch.Tensor) -> None:
    """(3, T, H, W) in [-1, 1] -> one image, the mean over time."""
    pixels = mean_clip.mean(dim=1).permute(1, 2, 0).numpy() * 127.5 + 127.5
    image = np.rint(pixels.clip(0, 255)).astype(np.uint8)
    cv2.imwrite(str(file), np.ascontiguousarray(image[..., ::-1]))
