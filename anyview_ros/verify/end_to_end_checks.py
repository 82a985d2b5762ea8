"""The whole chain: from frames and cameras to the frames of the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anyview_ros import release as official
from anyview_ros.datasets.scene_layout import Episode
from anyview_ros.datasets.track import Track, camera_of
from anyview_ros.engine import conditioning, sampler
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse
from anyview_ros.imaging import resize
from anyview_ros.verify import tolerance
from anyview_ros.verify.autoencoder_checks import to_unit
from anyview_ros.verify.camera_checks import Posed, camera_latent, packed, plucker_video
from anyview_ros.verify.check import Check, Outputs, Setting, inputs, references
from anyview_ros.verify.golden import MODES, Inputs, Remark, Roles
from anyview_ros.verify.image_checks import resized, staged
from anyview_ros.verify.networks import Array

GIVEN = (
    *("frames_uint8", "c2w_input", "c2w_target", "K_input", "K_target", "hw_target_native"),
    *("scale_factor", "seed", "num_steps", "text_emb"),
)
EPISODE_ARRAYS = GIVEN[:7]  # those that a scene folder holds as well
STAGES = ("snap_grid", "snap_target")
LATENTS = ("rgb1_latent", "cams0_latent", "cams1_latent")


@dataclass(frozen=True)
class Chain:
    """What the chain made, step by step.

    Args:
        source, target: cameras at the network's size, posed relative to the target's frame 0.
        video: (3, T, H, W) in [0, 1], the input resized.
        source_latent: (1, 16, T', H', W').
        camera_latents: (1, 32, T', H', W') of target and source.
        latent: (1, 16, T', H', W') generated.
        decoded: (1, 3, T, H, W) about [-1, 1].
    """

    source: Posed
    target: Posed
    video: Array
    source_latent: Array
    camera_latents: tuple[Array, Array]
    latent: Array
    decoded: Array


def run_chain(setting: Setting, episode: Episode, stages: tuple[int, ...]) -> Chain:
    """Generate the target's view of an episode.

    Args:
        setting: its inputs give text, seed and number of steps.
        stages: longer sides of the frame sizes passed through.
    """
    source, target = (
        at_network_size(track, episode.target, stages) for track in (episode.source, episode.target)
    )
    size = (source.camera.height, source.camera.width)
    autoencoder = setting.networks.autoencoder(setting.weights("vae_tiny.npz"), setting.precision)
    frames = [resize.resize_image(i, size, "pillow_lanczos") for i in episode.images]
    source_latent = autoencoder.encode(conditioning.video_tensor(np.stack(frames)))
    cameras = [
        camera_latent(autoencoder, plucker_video(view, episode.scene_scale))[None]
        for view in (target, source)
    ]
    latent = sampled(setting, source_latent, cameras[0], cameras[1])
    return Chain(
        source=source,
        target=target,
        video=resized(episode.images, size),
        source_latent=source_latent,
        camera_latents=(cameras[0], cameras[1]),
        latent=latent,
        decoded=autoencoder.decode(latent),
    )


def at_network_size(track: Track, anchor: Track, stages: tuple[int, ...]) -> Posed:
    """Return a camera at its own network size, posed relative to frame 0 of `anchor`."""
    size = staged((track.camera.height, track.camera.width), *stages)
    camera = resize.resize_camera(track.camera, size, "integer_grid")
    anchor_from_world = inverse(anchor.world_from_cam[0])
    return Posed(camera, track.world_from_cam, anchor_from_world @ track.world_from_cam)


def sampled(setting: Setting, source: Array, target_rays: Array, source_rays: Array) -> Array:
    """Return the target's latent (1, 16, T', H', W')."""
    given = setting.inputs
    transformer = setting.networks.transformer(setting.weights("dit_tiny_a.npz"), setting.precision)
    empty = np.zeros_like(target_rays[:, : official.LATENT_CHANNELS])
    streams = packed(empty, target_rays, view=0), packed(source, source_rays, view=1)
    denoise = sampler.denoiser_of(transformer.network(streams, given["text_emb"]), "velocity")
    noise = sampler.unit_noise(given.number("seed"), empty.shape)
    return sampler.sample(denoise, noise, sampler.karras_sigmas(given.number("num_steps")), "ab2")


def roles(header: Inputs) -> Roles:
    """Return the roles of `e2e_tiny.npz`: all of every mode, at sizes of its own stages."""
    found = {**_common_roles(), **inputs(*STAGES)}
    found |= references("f32", tolerance.EXACT, "resized_input_video01")
    found |= references("f32", tolerance.END_TO_END["f32"], "f32/frames01")
    for mode in MODES:
        latents = (f"{mode}/{name}" for name in (*LATENTS, "rgb0_latent"))
        found |= references(mode, tolerance.END_TO_END[mode], *latents)
        found |= references(mode, tolerance.FRAMES[mode], f"{mode}/frames_uint8")
    return found


def full_size_roles(header: Inputs) -> Roles:
    """Return the roles of `e2e_fullres.npz`: results of every mode, latents before them in f32
    alone."""
    found = _common_roles()
    found |= references("f32", tolerance.END_TO_END["f32"], *(f"f32/{name}" for name in LATENTS))
    for mode in MODES:
        found |= references(mode, tolerance.END_TO_END[mode], f"{mode}/rgb0_latent")
        found |= references(mode, tolerance.FRAMES[mode], f"{mode}/frames_uint8_first_last")
    return found


def _common_roles() -> Roles:
    return {
        **inputs(*GIVEN),
        **references("f32", tolerance.EXACT, "hw_input_infer", "hw_target_infer"),
        "psnr_between_modes": Remark(),
    }


def episode_of(given: Inputs) -> Episode:
    """Return the episode that an end-to-end file holds as arrays."""
    images = given["frames_uint8"]
    sizes = {"input": images.shape[1:3], "target": given["hw_target_native"].tolist()}
    source, target = (
        Track(_camera(given, view, sizes[view]), given[f"c2w_{view}"].astype(np.float64))
        for view in ("input", "target")
    )
    return Episode(images, source, target, float(given["scale_factor"]), truth=None)


def episode_arrays(episode: Episode) -> Outputs:
    """Return an episode under the names of an end-to-end file."""
    source, target = episode.source, episode.target
    return {
        "frames_uint8": episode.images,
        "c2w_input": source.world_from_cam,
        "c2w_target": target.world_from_cam,
        "K_input": source.camera.matrix,
        "K_target": target.camera.matrix,
        "hw_target_native": np.array([target.camera.height, target.camera.width]),
        "scale_factor": np.array(episode.scene_scale),
    }


def _camera(given: Inputs, view: str, size: tuple[int, int]) -> Camera:
    matrix = given[f"K_{view}"].astype(np.float64)
    return camera_of(matrix, (size[0], size[1]), given.file.name)


def compute(setting: Setting) -> Outputs:
    mode = setting.mode
    stages = tuple(setting.inputs.number(name) for name in STAGES)
    chain = run_chain(setting, episode_of(setting.inputs), stages)
    ours = {f"{mode}/{name}": value for name, value in _latents(chain).items()}
    ours[f"{mode}/frames_uint8"] = conditioning.images_of(chain.decoded)
    if mode == "f32":
        ours |= _sizes(chain)
        ours["resized_input_video01"] = chain.video
        ours["f32/frames01"] = to_unit(chain.decoded[0]).transpose(1, 0, 2, 3)
    return ours


def compute_full_size(setting: Setting) -> Outputs:
    mode = setting.mode
    chain = run_chain(setting, episode_of(setting.inputs), official.STAGES)
    latents = _latents(chain)
    name = f"{mode}/frames_uint8_first_last"
    # Of the loose bf16 reference only the first frame is kept.
    shown = conditioning.images_of(chain.decoded)[[0, -1]][: setting.inputs.shape(name)[0]]
    ours = {name: shown, f"{mode}/rgb0_latent": latents["rgb0_latent"]}
    if mode == "f32":
        ours |= _sizes(chain)
        ours |= {f"f32/{name}": latents[name] for name in LATENTS}
    return ours


def _latents(chain: Chain) -> Outputs:
    return {
        "rgb0_latent": chain.latent,
        "rgb1_latent": chain.source_latent,
        "cams0_latent": chain.camera_latents[0],
        "cams1_latent": chain.camera_latents[1],
    }


def _sizes(chain: Chain) -> Outputs:
    source, target = chain.source.camera, chain.target.camera
    return {
        "hw_input_infer": np.array([source.height, source.width]),
        "hw_target_infer": np.array([target.height, target.width]),
    }


CHECKS = (
    Check("e2e_tiny.npz", (), roles, compute),
    Check("e2e_fullres.npz", (), full_size_roles, compute_full_size),
)
