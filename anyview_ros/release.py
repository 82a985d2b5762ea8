"""Rules of the AnyView release that have no other home: frame sizes, scene scales, streams.

The facts are those of arXiv 2601.16982 and of its released code; conditioning.py has the rules
that both families share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError

Array = NDArray[np.float32]
STRIDE = 16  # pixels: 8 of the autoencoder times 2 of the transformer's patch
LONGEST_CLIP = 41  # frames, of training and of the released inference
STAGES = (384, 576)  # longer side of the two training stages
LATENT_CHANNELS = 16
STREAM_CHANNELS = 52

SCENE_SCALES = {
    **dict.fromkeys(("argoverse2sync", "ddad", "lyftl5", "pd4d", "waymo"), 1 / 16),
    **dict.fromkeys(("kubric4d", "kubric5d"), 1 / 32),
    **dict.fromkeys(("droid", "droidcalib", "droidcalibv2", "lbmv12", "dycheck"), 1 / 8),
    **dict.fromkeys(("assemblyhands", "assemblyhands_v2", "egoexo4d"), 1 / 8),
}


def scene_scale(source: str) -> float:
    """What multiplies the Plücker moments of a dataset.

    Raises:
        AnyviewError: `unknown_scene_scale`.
    """
    if source not in SCENE_SCALES:
        raise AnyviewError(
            "unknown_scene_scale",
            f"no scene scale is known for the source '{source}'; give one (1/16 driving, "
            f"1/8 indoor) or use one of {', '.join(sorted(SCENE_SCALES))}",
        )
    return SCENE_SCALES[source]


def snap(side: int) -> int:
    """The nearest multiple of 16; a tie goes down."""
    remainder = side % STRIDE
    return side - remainder + (STRIDE if remainder > STRIDE // 2 else 0)


def stage_size(height: int, width: int, longer_side: int) -> tuple[int, int]:
    """(H, W) of about the same shape whose longer side is `longer_side`, both multiples of 16."""
    if width > height:
        return snap(round(height / width * longer_side)), snap(longer_side)
    return snap(longer_side), snap(round(width / height * longer_side))


def network_size(height: int, width: int) -> tuple[int, int]:
    """(H, W) at which the release runs a native size: through both stages, pixels resized once.

    720 x 1280 gives 304 x 576, not the 320 x 576 of a single stage.
    """
    for longer_side in STAGES:
        height, width = stage_size(height, width, longer_side)
    return height, width


def round_to_bf16(values: Array) -> Array:
    """float32 values rounded to the nearest bfloat16, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def stream(rgb: Array, rays: Array, moments: Array, generated: bool) -> Array:
    """The 52 channels of one view: latents and the masks that say what is given.

    Args:
        rgb, rays, moments: (B, 16, T', H', W') latents; `rgb` of a generated view is ignored by
            the network, which sees noise in its place.
        generated: True for the target (view 0), False for the input video (view 1).

    Returns:
        (B, 52, T', H', W'): rgb, its input and output mask, rays, moments, their masks.
    """
    ones, zeros = np.ones_like(rgb[:, :1]), np.zeros_like(rgb[:, :1])
    rgb_masks = [zeros, ones] if generated else [ones, zeros]
    return np.concatenate([rgb, *rgb_masks, rays, moments, ones, zeros], axis=1)


def stream_masks(generated: bool) -> tuple[Array, Array]:
    """(52,) input mask and (52,) output mask: 1 where a channel is given, 1 where it is made."""
    output = np.zeros(STREAM_CHANNELS, np.float32)
    if generated:
        output[:LATENT_CHANNELS] = 1
    return 1 - output, output
