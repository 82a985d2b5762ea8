"""The surface network of a run, added to a model package."""

from __future__ import annotations

from pathlib import Path

from anyview_ros.contract import Contract
from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.surfaces.export import add_surfaces
from anyview_ros.model.surfaces.network import SurfaceNetwork
from anyview_ros.training.surfaces.config import SurfaceRun
from anyview_ros.training.surfaces.trainer import load_weights

CONFIG_FILE = "surfaces.toml"


def package_surfaces(folder: Path, run: SurfaceRun, checkpoint: Checkpoint) -> Contract:
    """Add the averaged weights of a checkpoint to a package; returns its contract.

    Raises:
        AnyviewError: as `network_in_use` and `add_surfaces`.
    """
    return add_surfaces(folder, network_in_use(run, checkpoint), {CONFIG_FILE: run.text})


def network_in_use(run: SurfaceRun, checkpoint: Checkpoint) -> SurfaceNetwork:
    """Return the averaged weights of a checkpoint, as a package runs them.

    Raises:
        AnyviewError: `invalid_checkpoint` when they are of another network than the config's.
    """
    network = SurfaceNetwork(run.network, run.surfaces)
    load_weights(network, checkpoint.part("ema"))
    return network.requires_grad_(False).eval()
