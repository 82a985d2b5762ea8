"""What target tokens take from a plane sweep, pixel detail and all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyview_ros.model.one_way.config import COARSE, SWEEP_MARKS, NetworkConfig
from anyview_ros.model.one_way.tokens import FramewiseLinear, patchify, unpatchify

UNSEEN = 30.0  # taken from the score of a candidate that no source sees
NEW = 4.0  # taken at first from the score of a candidate that a network was not trained with
COLOURS = 3  # first channels: the mean colour of a cell


class Sweep(nn.Module):
    """What target tokens see of the candidates of a plane sweep, and how they copy from them.

    Each latent cell of the output is a mixture of its candidates, and of nothing; the weights come
    from the token and from how well it likes the coarse content of a candidate. Detail is copied
    this way, instead of being squeezed through the width of the network.

    Candidates of planes side by side show the same thing a little apart, so a mean of them is
    blurred. In use `choice`, a factor on the scores, makes detail come almost from one of them;
    colours stay a mixture. As it is trained, by squared errors, the factor is 1.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        cells, planes = config.patch**2, config.planes
        self.look = FramewiseLinear(cells * planes * (COARSE + SWEEP_MARKS), config.width)
        self.weigh = FramewiseLinear(config.width, cells * (planes + 1))
        self.like = FramewiseLinear(config.width, cells * COARSE)
        self.weigh.zero_init()
        self.like.zero_init()
        self.choice = 1.0

    def embed(self, sweep: Tensor) -> Tensor:
        """Map candidates (B, P, C + 2, T', H', W') to tokens (B, N, width)."""
        coarse = torch.cat([sweep[:, :, :COARSE], sweep[:, :, -SWEEP_MARKS:]], dim=2).flatten(1, 2)
        tokens: Tensor = self.look(patchify(coarse, self.config.patch), sweep.shape[3])
        return tokens

    def scores(self, x: Tensor, sweep: Tensor) -> Tensor:
        """Return (B, P + 1, T', H', W'), of nothing and of each candidate, for tokens x
        (B, N, width); their softmax is how much of each a cell shows."""
        batch, planes, _, time, height, width = sweep.shape
        patch = self.config.patch
        grid = torch.Size((batch, planes + 1, time, height, width))
        scores = unpatchify(self.weigh(x, time), grid, patch)
        grid = torch.Size((batch, COARSE, time, height, width))
        liked = unpatchify(self.like(x, time), grid, patch)
        latents, seen = sweep[:, :, :-SWEEP_MARKS], sweep[:, :, -SWEEP_MARKS]
        match = (liked[:, None] * latents[:, :, :COARSE]).sum(dim=2)
        return torch.cat([scores[:, :1], scores[:, 1:] + match - UNSEEN * (1 - seen)], dim=1)

    def copy(self, scores: Tensor, sweep: Tensor) -> Tensor:
        """Return the mixture (B, C, T', H', W') of the candidates by their scores."""
        latents = sweep[:, :, :-SWEEP_MARKS]
        if self.choice == 1:
            return mix_candidates(scores, latents)
        colours = mix_candidates(scores, latents[:, :, :COLOURS])
        return torch.cat(
            [colours, mix_candidates(self.choice * scores, latents[:, :, COLOURS:])], dim=1
        )


def mix_candidates(scores: Tensor, candidates: Tensor) -> Tensor:
    """Return the mixture (B, C, T', H', W') of P candidates and nothing, whose score is the first.

    Args:
        scores: (B, P + 1, T', H', W').
        candidates: (B, P, C, T', H', W').
    """
    weights = scores.softmax(dim=1)[:, 1:, None]
    mixture: Tensor = (weights * candidates).sum(dim=1)
    return mixture


def with_more_candidates(state: Mapping[str, Tensor], sweep: Sweep) -> dict[str, Tensor]:
    """Return the state of a network whose sweep has fewer candidates, with more of them.

    The new ones come last; tokens do not see them at first, and cells hardly show them.
    """
    cells, values = sweep.config.patch**2, COARSE + SWEEP_MARKS
    padded = dict(state)
    for part in ("first", "later"):
        look, weigh, bias = (
            f"sweep.{name}"
            for name in (f"look.{part}.weight", f"weigh.{part}.weight", f"weigh.{part}.bias")
        )
        more = cells * (sweep.config.planes - state[look].shape[1] // (cells * values))
        padded[look] = functional.pad(state[look], (0, more * values))
        padded[weigh] = functional.pad(state[weigh], (0, 0, 0, more))
        padded[bias] = functional.pad(state[bias], (0, more), value=-NEW)
    return padded
