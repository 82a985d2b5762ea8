"""What tokens are too coarse for: their seams, and detail that shows through the noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anyview_ros.model.one_way.estimate import linear_estimate, noise_power, of_frames
from anyview_ros.model.one_way.tokens import zero_init

WIDTH = 64
UNSAID = 0.4  # standard deviation, in latents, of what a fresh network's x0 leaves out


class Detail(nn.Module):
    """From the x0 that tokens say to the answer, cell by cell.

    Convolutions add what the neighbourhood of a cell shows, in x0 and in the noisy latent; at first
    they add nothing. Then the noisy latent passes as far as its noise is below what x0 leaves out
    of a channel, as in EDM (arXiv 2206.00364, table 1), here learned for each channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _layers(channels)
        self.later = _layers(channels)
        self.log_unsaid = nn.Parameter(torch.full((2, channels), UNSAID**2).log())

    def forward(self, x0: Tensor, noisy: Tensor, visible: Tensor, t: Tensor) -> Tensor:
        """Return the answer (B, C, T', H', W').

        Args:
            x0: estimated by the tokens, of the answer's shape.
            noisy: (1 - t) x0 + t noise.
            visible: linear estimate from `noisy`.
            t: (B, 1, T', 1, 1).
        """
        level = t.expand(-1, -1, -1, *x0.shape[3:])
        x0 = x0 + self._added(torch.cat([x0, visible, level], dim=1))
        unsaid = of_frames(self.log_unsaid.exp(), x0.shape[2])
        estimate: Tensor = x0 * (t**2 / noise_power(t, unsaid))
        return linear_estimate(noisy, t, unsaid) + estimate

    def _added(self, seen: Tensor) -> Tensor:
        """Map (B, 2C + 1, T', H', W') to (B, C, T', H', W'); frame 0 has a code, so layers, of its
        own."""
        frames = seen.transpose(1, 2)
        first = self.first(frames[:, 0])[:, None]
        later = torch.unflatten(self.later(frames[:, 1:].flatten(0, 1)), 0, (len(seen), -1))
        return torch.cat([first, later], dim=1).transpose(1, 2)


def _layers(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2 * channels + 1, WIDTH, 3, padding=1),
        nn.GELU(approximate="tanh"),
        zero_init(nn.Conv2d(WIDTH, channels, 3, padding=1)),
    )
