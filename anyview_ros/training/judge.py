"""The judge of a distillation: tells latents of true clips from generated ones, patch by patch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 64
RATE, BETAS = 1e-3, (0.5, 0.99)  # of its AdamW
LEAST = 0.03  # deviation of a channel, of about 1, below which it is not made equal to others
JITTER, SMOOTHNESS = 0.1, 10.0  # noise on true clips, and what a verdict that it changes costs


class Judge(nn.Module):
    """A logit, above 0 for true, for every patch of about 24x24 pixels of each latent frame.

    It sees channels of equal variance, so fine detail as well as colours, and beside them the
    layout that was given: the question is whether this detail belongs to that layout, as in
    pix2pix (arXiv 1611.07004).

    Args:
        variance: (2, C) of the channels of latents, of frame 0 and of later frames.
    """

    deviation: Tensor

    def __init__(self, variance: Tensor) -> None:
        super().__init__()
        channels = 2 * variance.shape[1]
        self.register_buffer("deviation", variance.sqrt().clamp(min=LEAST))
        self.first = nn.Conv2d(channels, WIDTH, 3, padding=1)
        self.later = nn.Conv2d(channels, WIDTH, 3, padding=1)
        self.rest = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, 2 * WIDTH, 2, stride=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * WIDTH, 1, 1),
        )

    def evened(self, latent: Tensor) -> Tensor:
        """(B, C, T', H', W') with channels of variance 1."""
        first, later = self.deviation[:, None, :, None, None]
        deviations = [first, *[later] * (latent.shape[2] - 1)]
        return latent / torch.stack(deviations, dim=2)

    def forward(self, latent: Tensor, layout: Tensor) -> Tensor:
        """Logits (B, T', H'/2, W'/2) for latents (B, C, T', H', W'); frames are judged alone."""
        with torch.autocast(latent.device.type, torch.bfloat16):
            return self._logits(latent, layout).float()

    def _logits(self, latent: Tensor, layout: Tensor) -> Tensor:
        x = torch.cat([self.evened(latent), self.evened(layout)], dim=1).transpose(1, 2)
        later = torch.unflatten(self.later(x[:, 1:].flatten(0, 1)), 0, (len(x), -1))
        hidden = torch.cat([self.first(x[:, 0])[:, None], later], dim=1)
        return torch.unflatten(self.rest(hidden.flatten(0, 1)), 0, (len(x), -1)).squeeze(2)


class Verdict(nn.Module):
    """The judge's loss as a module, which torch's DistributedDataParallel can wrap."""

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self.judge = judge

    def forward(
        self, true: Tensor, made: Tensor, jitter: Tensor, layout: Tensor, asked: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss, and the share of patches that are sorted right.

        Logistic, with the approximate R1 penalty of arXiv 2501.08316 (section 3.4): verdicts on
        true clips must not change with a little noise, or the judge wins before it has taught.

        Args:
            true, made, layout: (B, C, T', H', W').
            jitter: unit noise of that shape.
            asked: (B, T') frames that count.
        """
        even = self.judge.evened(torch.ones_like(true[:1, :, :, :1, :1]))
        jittered = true + JITTER * jitter / even
        logits = self.judge(torch.cat([true, made, jittered]), layout.repeat(3, 1, 1, 1, 1))
        on_true, on_made, on_jittered = logits.chunk(3)
        losses = functional.softplus(-on_true) + functional.softplus(on_made)
        losses = losses + SMOOTHNESS * (on_true - on_jittered) ** 2
        right = ((on_true > 0).float() + (on_made < 0).float()) / 2
        weights = asked[..., None, None].expand(losses.shape).float()
        total = weights.sum()
        return (weights * losses).sum() / total, (weights * right).sum() / total
