"""The surface network of a run, added to a model package."""

from __future__ import annotations

from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.surfaces.network import SurfaceNetwork
from anyview_ros.training.surfaces.config import SurfaceRun
from anyview_ros.training.surfaces.trainer import load_weights


def network_in_use(run: SurfaceRun, checkpoint: Checkpoint) -> SurfaceNetwork:
    """Return the averaged weights of a checkpoint, as a package runs them.

    Raises:
        AnyviewError: `invalid_checkpoint` when they are of another network than the config's.
    """
    network = SurfaceNetwork(run.network, run.surfaces)
    load_weights(network, checkpoint.part("ema"))
    return network.requires_grad_(False).eval()
