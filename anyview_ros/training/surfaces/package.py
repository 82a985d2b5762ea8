"""The surface network of a run, added to a model package."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.parameters import read_parameters
from anyview_ros.model.surfaces.export import PARAMETERS, PART, add_surfaces
from anyview_ros.model.surfaces.network import SurfaceNetwork, load_weights
from anyview_ros.training.surfaces.config import SurfaceRun

CONFIG_FILE = "surfaces.toml"


def package_surfaces(
    folder: Path, run: SurfaceRun, checkpoint: Checkpoint, share: float = 1.0
) -> str:
    """Add the averaged weights of a checkpoint to a package; return what `add_surfaces` does.

    Args:
        share: of the checkpoint's weights, 0 to 1; the rest is of those that the package has. What
            was learnt last is known in part, and less is forgotten of what was known before it
            (WiSE-FT, arXiv 2109.01903).

    Raises:
        AnyviewError: `invalid_share`, and as `network_in_use`, `take_weights` and `add_surfaces`.
    """
    if not 0 < share <= 1:
        raise AnyviewError("invalid_share", f"the share must be above 0 and at most 1, got {share}")
    network = network_in_use(run, checkpoint)
    if share < 1:
        before = SurfaceNetwork(run.network, run.surfaces)
        take_weights(before, folder)
        known = before.state_dict()
        mixed = {k: torch.lerp(known[k], new, share) for k, new in network.state_dict().items()}
        load_weights(network, mixed)
    return add_surfaces(folder, network, {CONFIG_FILE: run.text})


def surface_parameters(folder: Path) -> dict[str, Tensor]:
    """Return the state dict of the surface network of a package.

    Raises:
        AnyviewError: as `read_parameters`.
    """
    found = read_parameters(folder, PARAMETERS)
    return {name.removeprefix(f"{PART}."): tensor for name, tensor in found.items()}


def take_weights(network: SurfaceNetwork, folder: Path) -> None:
    """Give a network the weights of a package's.

    Raises:
        AnyviewError: `other_network` when it is another one; as `surface_parameters`.
    """
    try:
        load_weights(network, surface_parameters(folder))
    except AnyviewError as error:
        if error.code != "invalid_checkpoint":
            raise
        raise AnyviewError(
            "other_network",
            f"{folder} holds another surface network than the config asks for; give "
            f"[surfaces] and [network] as its {CONFIG_FILE} does: {error.message}",
        ) from None


def network_in_use(run: SurfaceRun, checkpoint: Checkpoint) -> SurfaceNetwork:
    """Return the averaged weights of a checkpoint, as a package runs them.

    Raises:
        AnyviewError: `invalid_checkpoint` when they are of another network than the config's.
    """
    network = SurfaceNetwork(run.network, run.surfaces)
    load_weights(network, checkpoint.part("ema"))
    return network.requires_grad_(False).eval()
