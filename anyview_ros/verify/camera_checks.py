"""Cameras as the network sees them: poses, intrinsics, rays, their latents, and the streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.conditioning import ray_video
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse
from anyview_ros.release import LATENT_CHANNELS, round_to_bf16, stream, stream_masks
from anyview_ros.verify import tolerance
from anyview_ros.verify.check import Check, Outputs, Setting, inputs, references
from anyview_ros.verify.golden import Inputs, Roles
from anyview_ros.verify.image_checks import scaled
from anyview_ros.verify.networks import Array, Autoencoder

VIEWS = ("target", "input")
SHARED = "real/"  # a clip at real size, whose views share one size; only some pixels are kept


def roles(header: Inputs) -> Roles:
    found = inputs("num_pairs", SHARED + "hw_native", SHARED + "hw_infer", SHARED + "stride")
    found |= inputs(SHARED + "scale_factor")
    for view in VIEWS:
        found |= inputs(f"{SHARED}c2w_{view}", f"{SHARED}K_native_{view}")
        strided = f"{SHARED}plucker_bf16_{view}_strided"
        found |= references("parity", tolerance.PLUCKER_BF16, strided)
    for pair in range(header.number("num_pairs")):
        found |= _pair_roles(f"pair{pair}/")
    return found


def _pair_roles(p: str) -> Roles:
    found = inputs(p + "scale_factor", p + "rgb1_latent")
    # A few values of the rays differ by a bfloat16 step, and what is made of them by more than one.
    coded = {"f32": tolerance.CODED["f32"], "parity": tolerance.END_TO_END["parity"]}
    for number, view in enumerate(VIEWS):
        given = (f"{p}{name}_{view}" for name in ("c2w", "K_native", "hw_native", "hw_infer"))
        found |= inputs(*given)
        found |= references(
            "f32", tolerance.TRANSFORMS, f"{p}w2c_{view}", f"{p}w2c_anchored_{view}"
        )
        found |= references("f32", tolerance.FLOAT32, f"{p}K_scaled_{view}")
        found |= references("f32", tolerance.PLUCKER, f"{p}plucker_f32_{view}")
        found |= references("parity", tolerance.PLUCKER_BF16, f"{p}plucker_bf16_{view}")
        found |= references("f32", coded["f32"], f"{p}cams_latent_f32_{view}")
        found |= references("parity", coded["parity"], f"{p}cams_latent_parity_{view}")
        found |= references("f32", coded["f32"], f"{p}stream_v{number}_f32")
        masks = (f"{p}mask_{kind}_v{number}_per_channel" for kind in ("input", "output"))
        found |= references("f32", tolerance.EXACT, *masks)
    return found


@dataclass(frozen=True)
class Posed:
    """One view of a pair.

    Args:
        camera: at the size of the network.
        world_from_cam: (T, 4, 4) float64.
        anchor_from_cam: the same, relative to frame 0 of the target.
    """

    camera: Camera
    world_from_cam: NDArray[np.float64]
    anchor_from_cam: NDArray[np.float64]


def posed(given: Inputs, p: str, view: str, size: str) -> Posed:
    """Return a view of a pair; `size` ends the names of the arrays that hold its sizes."""
    anchor = inverse(given[f"{p}c2w_target"][0].astype(np.float64))
    world_from_cam = given[f"{p}c2w_{view}"].astype(np.float64)
    camera = scaled(
        given[f"{p}K_native_{view}"], given[f"{p}hw_native{size}"], given[f"{p}hw_infer{size}"]
    )
    return Posed(camera, world_from_cam, anchor @ world_from_cam)


def plucker_video(view: Posed, scene_scale: float) -> Array:
    """Return (6, T, H, W) float32: rays, then moments, scaled and clamped."""
    values, _ = ray_video(view.camera, view.anchor_from_cam, scene_scale)
    return np.ascontiguousarray(values.transpose(3, 0, 1, 2))


def camera_latent(autoencoder: Autoencoder, plucker: Array) -> Array:
    """Map (6, T, H, W) to (32, T', H', W'): rays and moments coded as two videos."""
    latents = autoencoder.encode(np.stack([plucker[:3], plucker[3:]]))
    return latents.reshape(-1, *latents.shape[2:])


def packed(rgb: Array, cameras: Array, view: int) -> Array:
    """Return the stream of a view from its image latent and its 32 camera channels."""
    rays, moments = np.split(cameras, [LATENT_CHANNELS], axis=1)
    return stream(rgb, rays, moments, generated=view == 0)


def compute(setting: Setting) -> Outputs:
    given = setting.inputs
    autoencoder = setting.networks.autoencoder(setting.weights("vae_tiny.npz"), setting.precision)
    ours: dict[str, Array] = {}
    for pair in range(given.number("num_pairs")):
        p = f"pair{pair}/"
        for number, name in enumerate(VIEWS):
            view = posed(given, p, name, f"_{name}")
            plucker = plucker_video(view, float(given[p + "scale_factor"]))
            latent = camera_latent(autoencoder, plucker)
            ours[f"{p}cams_latent_{setting.mode}_{name}"] = latent
            if setting.mode == "parity":
                ours[f"{p}plucker_bf16_{name}"] = round_to_bf16(plucker)
                continue
            ours[f"{p}plucker_f32_{name}"] = plucker
            ours |= _view_arrays(p, name, view)
            ours |= _stream_arrays(p, number, given[p + "rgb1_latent"], latent)
    return {**ours, **(_real_size(given) if setting.mode == "parity" else {})}


def _view_arrays(p: str, name: str, view: Posed) -> Outputs:
    return {
        f"{p}w2c_{name}": inverse(view.world_from_cam),
        f"{p}w2c_anchored_{name}": inverse(view.anchor_from_cam),
        f"{p}K_scaled_{name}": view.camera.matrix,
    }


def _stream_arrays(p: str, number: int, source_latent: Array, cameras: Array) -> Outputs:
    # Nothing is known of the target's image: its place is empty until noise fills it.
    empty = np.zeros((LATENT_CHANNELS, *cameras.shape[1:]), np.float32)
    image = empty if number == 0 else source_latent
    input_mask, output_mask = stream_masks(generated=number == 0)
    return {
        f"{p}stream_v{number}_f32": packed(image[None], cameras[None], number)[0],
        f"{p}mask_input_v{number}_per_channel": input_mask,
        f"{p}mask_output_v{number}_per_channel": output_mask,
    }


def _real_size(given: Inputs) -> Outputs:
    rows, columns = given[SHARED + "stride"].tolist()
    ours = {}
    for name in VIEWS:
        view = posed(given, SHARED, name, "")
        kept = []
        for pose in view.anchor_from_cam:  # one at a time: the whole clip needs gigabytes
            moment = Posed(view.camera, view.world_from_cam, pose[None])
            plucker = plucker_video(moment, float(given[SHARED + "scale_factor"]))
            kept.append(round_to_bf16(plucker[:, :, ::rows, ::columns]))
        ours[f"{SHARED}plucker_bf16_{name}_strided"] = np.concatenate(kept, axis=1)
    return ours


CHECKS = (Check("plucker.npz", ("num_pairs",), roles, compute),)
