"""Sizes, resizing, intrinsics and metrics."""

from __future__ import annotations

import numpy as np

from anyview_ros import release as official
from anyview_ros.evaluation.metrics import psnr, score_clip, ssim
from anyview_ros.frames import Camera
from anyview_ros.imaging import resize
from anyview_ros.verify import tolerance
from anyview_ros.verify.check import (
    Check,
    Outputs,
    Setting,
    group_indices,
    inputs,
    references,
)
from anyview_ros.verify.golden import ANY, Inputs, Roles
from anyview_ros.verify.networks import Array


def size_roles(header: Inputs) -> Roles:
    exact = tolerance.EXACT
    return {
        **inputs("native_hw", "apply_stride16_in", "resize_in_uint8", "resize_hw"),
        **inputs("K_in", "K_from_hw", "K_to_hw"),
        **references(ANY, exact, "snapped_hw", "stage1_384_hw", "single_stage_576_hw"),
        **references(ANY, exact, "snapped_target384_hw", "apply_stride16_out", "resize_out_f32"),
        **references(ANY, tolerance.FLOAT32, "K_scaled"),
    }


def compute_sizes(setting: Setting) -> Outputs:
    given = setting.inputs
    native = [(int(h), int(w)) for h, w in given["native_hw"]]
    small, large = official.STAGES
    height, width = (int(side) for side in given["resize_hw"])
    return {
        "snapped_hw": np.array([official.network_size(*hw) for hw in native]),
        "stage1_384_hw": np.array([official.stage_size(*hw, small) for hw in native]),
        "single_stage_576_hw": np.array([official.stage_size(*hw, large) for hw in native]),
        "snapped_target384_hw": np.array([staged(hw, small, small) for hw in native]),
        "apply_stride16_out": np.array([official.snap(int(v)) for v in given["apply_stride16_in"]]),
        "resize_out_f32": resized(given["resize_in_uint8"], (height, width)),
        "K_scaled": scaled(given["K_in"], given["K_from_hw"], given["K_to_hw"]).matrix,
    }


def staged(size: tuple[int, int], *stages: int) -> tuple[int, int]:
    """Return (H, W) after stages other than the release's."""
    for longer_side in stages:
        size = official.stage_size(*size, longer_side)
    return size


def resized(images: Array, size: tuple[int, int]) -> Array:
    """Map (T, H, W, 3) uint8 to (3, T, H, W) float32 in [0, 1] of another size."""
    frames = [resize.resize_image(image, size, "pillow_lanczos") for image in images]
    return (np.stack(frames) / np.float32(255)).transpose(3, 0, 1, 2)


def scaled(matrix: Array, from_hw: Array, to_hw: Array) -> Camera:
    """Return a camera at another size by the release's pixel rule."""
    (height, width), (to_height, to_width) = from_hw.tolist(), to_hw.tolist()
    k = matrix.astype(np.float64)
    native = Camera(width, height, k[0, 0], k[1, 1], k[0, 2], k[1, 2])
    return resize.resize_camera(native, (to_height, to_width), "integer_grid")


def metric_roles(header: Inputs) -> Roles:
    roles = inputs("episode/pred", "episode/gt")
    for pair in group_indices(header.names, "pair"):
        roles |= inputs(f"pair{pair}/pred", f"pair{pair}/gt")
    roles |= references(ANY, tolerance.PSNR, "psnr", "episode/rows_psnr_ssim", "episode/mean_psnr")
    roles |= references(ANY, tolerance.SSIM, "ssim", "episode/mean_ssim")
    roles |= references(ANY, tolerance.EXACT, "episode/num_valid")
    return roles


def compute_metrics(setting: Setting) -> Outputs:
    given = setting.inputs
    pairs = [
        (given[f"pair{index}/pred"], given[f"pair{index}/gt"])
        for index in group_indices(given.names, "pair")
    ]
    episode = score_clip(given["episode/pred"], given["episode/gt"])
    return {
        "psnr": np.array([psnr(*pair) for pair in pairs]),
        "ssim": np.array([ssim(*pair) for pair in pairs]),
        "episode/rows_psnr_ssim": episode.rows,
        "episode/mean_psnr": np.array(episode.psnr),
        "episode/mean_ssim": np.array(episode.ssim),
        "episode/num_valid": np.array(episode.num_valid),
    }


CHECKS = (
    Check("snap_resize.npz", (), size_roles, compute_sizes),
    Check("metrics.npz", (), metric_roles, compute_metrics),
)
