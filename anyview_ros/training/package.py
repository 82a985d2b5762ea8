"""The package of a run: its averaged weights, its config, and baselines it is measured by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from anyview_ros.contract import GRAPHS
from anyview_ros.errors import AnyviewError
from anyview_ros.model.atomic_directory import replaced_directory
from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.export import export_package
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.model.parameters import PARAMETERS, read_parameters, write_parameters
from anyview_ros.model.surfaces.export import put_surfaces, surface_files
from anyview_ros.packages import find_package, sha256_of, write_manifest
from anyview_ros.signatures import remove_signature
from anyview_ros.training.config import RunConfig
from anyview_ros.training.scenes import MEAN_IMAGE, SceneConfig

CONFIG_FILE = "training.toml"
NETWORK, CODEC = "network", "codec"  # first part of their parameters' names


def networks_in_use(run: RunConfig, checkpoint: Checkpoint) -> tuple[OneWayDenoiser, LinearCodec]:
    """Return the averaged weights of a checkpoint, as a package runs them.

    Raises:
        AnyviewError: `invalid_checkpoint` when the checkpoint is of another network than the
            config's.
    """
    network, codec = OneWayDenoiser(run.network), LinearCodec(run.network.channels)
    try:
        network.load_state_dict(checkpoint.part("ema"))
        codec.load_state_dict(checkpoint.part("codec"))
    except RuntimeError as error:
        raise AnyviewError(
            "invalid_checkpoint", f"the checkpoint is of another network: {error}"
        ) from None
    network.set_choice(run.choice)
    return network.requires_grad_(False), codec


def package_run(folder: Path, run: RunConfig, checkpoint: Checkpoint) -> str:
    """Export the averaged weights of a checkpoint, whole or not at all.

    Other files that are there already stay, but for a signature. The package of a run with
    composites gets the surface network which found them.

    Returns what became of the signature, in words; empty where there was none.

    Raises:
        AnyviewError: as `networks_in_use`, `export_package`, `surface_files` and
            `replaced_directory`.
    """
    network, codec = networks_in_use(run, checkpoint)
    # Read first: it may be the package that is written anew.
    surfaces = surface_files(find_package(run.composite)) if run.composite else None
    with replaced_directory(folder) as made:
        contract = export_package(made, run.contract(), network, codec)
        (made / CONFIG_FILE).write_text(run.text)
        write_parameters(made, {NETWORK: network, CODEC: codec}, GRAPHS)
        added = [CONFIG_FILE, PARAMETERS, *_write_mean_images(made, run, checkpoint.part("mean"))]
        files = {**contract.files, **{name: sha256_of(made / name) for name in added}}
        write_manifest(made, replace(contract, files=files))
        if surfaces is not None:
            put_surfaces(made, surfaces)
        return remove_signature(made, run.name)


def parameters_of(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return state dicts of the network and of the codec of a package.

    Raises:
        AnyviewError: as `read_parameters`.
    """
    found = read_parameters(folder)
    network, codec = (
        {k.removeprefix(f"{part}."): v for k, v in found.items() if k.startswith(f"{part}.")}
        for part in (NETWORK, CODEC)
    )
    return network, codec


def _write_mean_images(folder: Path, run: RunConfig, means: dict[str, Tensor]) -> list[str]:
    """Write the mean image of each kind of world, of its first set of scenes; return their names.

    Args:
        means: (3, T, H, W) in [-1, 1] by the name of a set.
    """
    rendered = [(n, s.world) for n, s in run.scenes.items() if isinstance(s, SceneConfig)]
    first = {world: name for name, world in reversed(rendered)}
    for world, name in first.items():
        pixels = means[name].mean(dim=1).permute(1, 2, 0).numpy() * 127.5 + 127.5
        image = np.rint(pixels.clip(0, 255)).astype(np.uint8)
        png = cv2.imencode(".png", image[..., ::-1])[1]  # cv2.imwrite tells of no full disk
        (folder / MEAN_IMAGE.format(kind=world)).write_bytes(png.tobytes())
    return [MEAN_IMAGE.format(kind=world) for world in first]
