"""One run in several processes, as `torchrun` starts them; one process is the plain case."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from anyview_ros.errors import AnyviewError


def rank_and_processes() -> tuple[int, int]:
    """Return this process's number and how many there are: (0, 1) without `torchrun`."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def require_even(scenes: int) -> None:
    """Raise `invalid_config` unless the scenes of a step can be shared evenly."""
    _, processes = rank_and_processes()
    if scenes % processes:
        raise AnyviewError(
            "invalid_config",
            f"scenes_per_step, {scenes}, must be a multiple of the number of processes, "
            f"{processes}",
        )


@contextmanager
def process_group(device: torch.device, alone: bool = False) -> Iterator[torch.device]:
    """Join the processes that `torchrun` started, and yield this process's own device.

    Args:
        alone: whether a process without others is a group too, as sharded networks need one.
    """
    started = "RANK" in os.environ
    if not started and not alone:
        yield device
        return
    cuda = device.type == "cuda"
    if cuda:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    backend = "nccl" if cuda else "gloo"
    if started:
        distributed.init_process_group(backend)
    else:
        store = distributed.HashStore()  # type: ignore[attr-defined]
        distributed.init_process_group(backend, store=store, rank=0, world_size=1)
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def gather(share: Tensor) -> Tensor:
    """Return the rows of all processes, in every process."""
    _, processes = rank_and_processes()
    if processes == 1:
        return share
    shares = [torch.empty_like(share) for _ in range(processes)]
    distributed.all_gather(shares, share)
    return torch.cat(shares)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Make gradients the sums of all processes'. As DDP does, but after all backward passes:
    their number may differ from process to process."""
    if rank_and_processes()[1] == 1:
        return
    for parameter in parameters:
        assert parameter.grad is not None
        distributed.all_reduce(parameter.grad)


def any_process(stopped: bool, device: torch.device) -> bool:
    """Return whether any process wants to stop: all must leave the loop at the same step."""
    if rank_and_processes()[1] == 1:
        return stopped
    vote = torch.tensor(float(stopped), device=device)
    distributed.all_reduce(vote, distributed.ReduceOp.MAX)
    return bool(vote > 0)
