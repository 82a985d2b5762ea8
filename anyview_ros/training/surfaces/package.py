"""The surface network of a run, added to a model package."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from anyview_ros.contract import Contract
from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.parameters import read_parameters
from anyview_ros.model.surfaces.export import PARAMETERS, PART, add_surfaces
from anyview_ros.model.surfaces.network import SurfaceNetwork, load_weights
from anyview_ros.training.surfaces.config import SurfaceRun

CONFIG_FILE = "surfaces.toml"


def package_surfaces(folder: Path, run: SurfaceRun, checkpoint: Checkpoint) -> Contract:
    """Add the averaged weights of a checkpoint to a package; returns its contract.

    Raises:
        AnyviewError: as `network_in_use` and `add_surfaces`.
    """
    return add_surfaces(folder, network_in_use(run, checkpoint), {CONFIG_FILE: run.text})


def surface_parameters(folder: Path) -> dict[str, Tensor]:
    """Return the state dict of the surface network of a package.

    Raises:
        AnyviewError: as `read_parameters`.
    """
    found = read_parameters(folder, PARAMETERS)
    return {name.removeprefix(f"{PART}."): tensor for name, tensor in found.items()}


def network_in_use(run: SurfaceRun, checkpoint: Checkpoint) -> SurfaceNetwork:
    """Return the averaged weights of a checkpoint, as a package runs them.

    Raises:
        AnyviewError: `invalid_checkpoint` when they are of another network than the config's.
    """
    network = SurfaceNetwork(run.network, run.surfaces)
    load_weights(network, checkpoint.part("ema"))
    return network.requires_grad_(False).eval()
