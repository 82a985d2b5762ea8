"""A network spread over processes by FSDP2, and its tensors as one whole again.

Each process holds its share of every matrix; a block's are gathered in bfloat16 while it runs, and
its gradients are summed in float32. What is averaged and stepped, the shares, is as it was given:
float32 for a student. One process is a group of one: the same code, and the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.checkpoint import checkpoint

from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.training.distributed import rank_and_processes

# Inputs are left alone: the network rounds them itself, and angles never.
POLICY = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)


def mesh_of(device: torch.device) -> DeviceMesh:
    """Return the mesh of all processes in a row."""
    return init_device_mesh(device.type, (rank_and_processes()[1],))


def shard_teacher(network: JointTransformer, mesh: DeviceMesh) -> None:
    """Spread a network that learns nothing, as bfloat16 numbers."""
    _shard(network.requires_grad_(False), mesh, torch.bfloat16)


def shard_student(network: JointTransformer, mesh: DeviceMesh) -> None:
    """Spread a network as float32 numbers that learn; blocks are run again for their gradients."""
    for block in network.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]
    _shard(network.requires_grad_(True), mesh, torch.float32)


def _shard(network: JointTransformer, mesh: DeviceMesh, dtype: torch.dtype) -> None:
    """Shard block by block: one at a time is in memory beside the file it is mapped from."""
    for part in (*network.blocks, network):
        # Otherwise the root would stay gathered, and be stale after an update.
        fully_shard(part.to(dtype), mesh=mesh, reshard_after_forward=True, mp_policy=POLICY)


def gather_whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gather whole tensors from the shares of all processes, on the CPU of the first; all call it
    together.

    Other processes get nothing.
    """
    first = rank_and_processes()[0] == 0
    gathered: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if first:
            gathered[name] = full.detach().cpu().clone()
    return gathered


@torch.no_grad()
def take_shares(shares: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Set shares to those of whole tensors, as `gather_whole` gave them.

    Raises:
        AnyviewError: `invalid_checkpoint` where names or shapes are others.
    """
    wrong = sorted(shares.keys() ^ tensors.keys())
    wrong += [
        name for name in shares if name in tensors and shares[name].shape != tensors[name].shape
    ]
    if wrong:
        raise AnyviewError(
            "invalid_checkpoint",
            f"the checkpoint is of another network: {', '.join(wrong[:3])} of {len(wrong)} differ",
        )
    for name, share in shares.items():
        share.copy_(share_of(tensors[name], share))


def share_of(tensor: Tensor, like: Tensor) -> Tensor:
    """Return this process's share of a whole tensor, spread as another of its shape is.

    Of another shape is an optimizer's count of updates, which is whole everywhere.
    """
    if not isinstance(like, DTensor) or tensor.shape != like.shape:
        return tensor
    placed = tensor.to(like.device)
    return distribute_tensor(placed, like.device_mesh, like.placements, src_data_rank=None)
