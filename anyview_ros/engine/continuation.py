"""Consecutive clips as one sequence: each continues the frames that were made before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.request import SynthesisOptions, check_sampling

if TYPE_CHECKING:
    from anyview_ros.engine.pipeline import Synthesis

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class PreviousClip:
    """Frames that were made, of one camera: the last clip's.

    Args:
        stamps_ns: T, increasing.
        images: (T, H, W, 3) uint8, as the model made them.
    """

    stamps_ns: tuple[int, ...]
    images: Images

    def overlap(self, stamps_ns: tuple[int, ...], size: tuple[int, int]) -> Images:
        """(n, H, W, 3): as many of the first `stamps_ns` as were made, at (H, W); may be none."""
        if self.images.shape[1:3] != size or stamps_ns[0] not in self.stamps_ns:
            return self.images[:0]
        start = self.stamps_ns.index(stamps_ns[0])
        count = 0
        while self.stamps_ns[start + count : start + count + 1] == stamps_ns[count : count + 1]:
            count += 1
            if count == len(stamps_ns):
                break
        return self.images[start : start + count]


def known_frames(
    contract: Contract, before: Images, frames: int, options: SynthesisOptions
) -> Images | None:
    """The frames that a model is to be given as known: 1 + 4 j of them, or None.

    None for a single step too, which loses more by them than it gains, see
    `sampler.known_frames_below`; `blend_seam` is all it needs.

    Args:
        before: (n, H, W, 3), the first frames of a clip that were made before.
        frames: T of the clip.
    """
    if check_sampling(contract, options).steps == 1:
        return None
    step = contract.latent.time
    count = min(len(before), frames - 1)
    count -= (count - 1) % step if count else 0
    return before[:count] if contract.known_frames and count else None


def continued(
    synthesize: Callable[..., Synthesis],
    before: Images | None,
    contract: Contract,
    frames: int,
    options: SynthesisOptions,
) -> Synthesis:
    """Have a clip made that goes on from frames that were made before it.

    Args:
        synthesize: takes `known`, as `Pipeline.synthesize` does.
        before: (n, H, W, 3), the first frames of the clip; n may be 0. None: it stands alone.
        frames: T of the clip.
    """
    if before is None:
        return synthesize(known=None)
    synthesis = synthesize(known=known_frames(contract, before, frames, options))
    return replace(synthesis, frames=blend_seam(synthesis.frames, before))


def blend_seam(images: Images, before: Images) -> Images:
    """A clip whose first frames were made before, without a visible seam.

    The frames made before stay as they are. What they differ by from this clip's version of the
    last of them is added to the frames that follow, less and less: colours and large shapes do
    not jump, and at its end the clip is the model's own, so nothing adds up from clip to clip.

    Args:
        images: (T, H, W, 3) uint8.
        before: (n, H, W, 3) uint8, n < T; 0 for a clip that stands alone.
    """
    count, rest = len(before), len(images) - len(before)
    if not count or not rest:
        return images
    if np.array_equal(before[-1], images[count - 1]):  # as where the model was given them
        return np.concatenate([before, images[count:]])
    step = before[-1].astype(np.float32) - images[count - 1]
    sigma = max(1.0, images.shape[2] * BLUR)
    step = cv2.GaussianBlur(step, (0, 0), sigma)
    weights = 1 - np.arange(1, rest + 1, dtype=np.float32) / rest
    follow = images[count:] + weights[:, None, None, None] * step
    return np.concatenate([before, np.clip(np.rint(follow), 0, 255).astype(np.uint8)])


BLUR = 0.02  # of the image's width: what is finer would stay where the camera has moved on
