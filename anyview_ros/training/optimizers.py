"""Muon for the matrices inside the blocks of a network, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Optimizers:
    """Both optimizers as one, with a state of named tensors.

    Muon (Keller Jordan, 2024) orthogonalises the momentum of a matrix; it is meant for hidden
    layers, so embeddings, heads, tables and vectors stay with AdamW.
    """

    def __init__(self, network: nn.Module) -> None:
        hidden = dict(_hidden_matrices(network))
        rest = {n: p for n, p in network.named_parameters() if n not in hidden}
        self._muon = torch.optim.Muon(
            list(hidden.values()), weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        )
        self._adamw = torch.optim.AdamW(list(rest.values()), betas=(0.9, 0.98), weight_decay=0.0)
        self._named = {"muon": (self._muon, list(hidden)), "adamw": (self._adamw, list(rest))}

    def step(self, rate: float) -> None:
        """Make one update at a learning rate, and drop the gradients."""
        for optimizer in (self._muon, self._adamw):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()  # type: ignore[no-untyped-call]
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Return everything that the next step depends on, by `<optimizer>.<entry>.<parameter>`."""
        return {
            f"{kind}.{key}": value
            for kind, (optimizer, names) in self._named.items()
            for key, value in state_of(optimizer, names).items()
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for kind, (optimizer, names) in self._named.items():
            prefix = f"{kind}."
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            load_state(optimizer, names, own)


def state_of(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Return everything that its next step depends on, by `<entry>.<parameter>`."""
    return {
        f"{entry}.{names[index]}": value
        for index, entries in optimizer.state_dict()["state"].items()
        for entry, value in entries.items()
    }


def load_state(
    optimizer: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]
) -> None:
    """Take back what `state_of` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        entry, name = key.split(".", 1)
        state.setdefault(names.index(name), {})[entry] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _hidden_matrices(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    for name, parameter in network.named_parameters():
        if "blocks." in name and name.endswith(".weight") and parameter.ndim == 2:
            yield name, parameter
