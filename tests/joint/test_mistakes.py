"""A mistake planted in our code is seen by the golden file that is there to see it."""

import functools

import numpy as np
import pytest
import torch

from anyview_ros import frames
from anyview_ros import release as official
from anyview_ros.datasets import scene_storage, track
from anyview_ros.engine import conditioning, sampler
from anyview_ros.evaluation import metrics
from anyview_ros.imaging import resize
from anyview_ros.model.joint import autoencoder, causal, layers, loss, position, transformer
from anyview_ros.verify.engines import open_networks
from anyview_ros.verify.run import CHECKS, Golden, verify_file, verify_scene
from tests.joint.golden import FILES, GOLDEN


def tanh_gelu(plant):
    plant(
        torch.nn.functional, "gelu", functools.partial(layers.functional.gelu, approximate="tanh")
    )


def text_gated_by_its_own_gate(plant):
    def forward(self, x, level, frames, text, rotation):
        terms = transformer.BlockTerms(
            *[transformer.at_tokens(t, frames) for t in self.terms(level)]
        )
        mixed = layers.modulate(x, terms.self_attn)
        x = x + terms.self_attn.gate * self.self_attn(mixed, mixed, rotation)
        x = x + terms.cross_attn.gate * self.cross_attn(layers.modulate(x, terms.cross_attn), text)
        return x + terms.mlp.gate * self.mlp(layers.modulate(x, terms.mlp))

    plant(transformer.Block, "forward", forward)


def rows_and_columns_swapped_in_rope(plant):
    right = position.rotary_angles

    def swapped(grid, head_width, dtype=torch.float32):
        width = position.axis_widths(head_width)
        time, rows, columns = right(grid, head_width, dtype).split([w // 2 for w in width], 1)
        return torch.cat([time, columns, rows], dim=1)

    for module in (position, transformer, networks_in_torch()):
        plant(module, "rotary_angles", swapped)


def networks_in_torch():
    from anyview_ros.verify import torch_networks

    return torch_networks


def wavelengths_not_stretched(plant):
    plant(position, "SPACE_STRETCH", 1.0)


def sines_before_cosines(plant):
    right = layers.Sinusoid.forward

    def swapped(self, t):
        return torch.cat(right(self, t).chunk(2, dim=-1)[::-1], dim=-1)

    plant(layers.Sinusoid, "forward", swapped)


def patches_channel_minor(plant):
    right = layers.Patches.forward

    def minor(self, x):
        return right(self, x).unflatten(-1, (-1, 4)).transpose(-1, -2).flatten(-2)

    plant(layers.Patches, "forward", minor)


def normed_level_in_the_final_layer(plant):
    right = transformer.FinalLayer.terms
    plant(transformer.FinalLayer, "terms", lambda self, x: right(self, x._replace(raw=x.normed)))


def later_frame_first(plant):
    right = causal.CausalConv.forward

    def swapped(self, x, past):
        made = right(self, x, past)
        return made.roll(made.shape[1] // 2, dims=1) if self.kernel_size[1] == 1 else made

    plant(causal.CausalConv, "forward", swapped)


def latent_not_normalised(plant):
    plant(autoencoder, "LATENT_STD", (1.0,) * 16)


def ab2_with_the_wrong_sign(plant):
    right = sampler.coefficients

    def wrong(sigmas, solver):
        table = right(sigmas, solver)
        return np.stack([table[:, 0], table[:, 1] + 2 * table[:, 2], -table[:, 2]], axis=1)

    plant(sampler, "coefficients", wrong)


def no_clean_pass(plant):
    right = sampler.sample
    plant(
        sampler,
        "sample",
        lambda denoise, noise, sigmas, solver: right(denoise, noise, [*sigmas[:-1], 0.0], solver),
    )


def another_seed(plant):
    right = sampler.normal_noise
    plant(sampler, "normal_noise", lambda seed, shape: right(seed + 1, shape))


def half_a_pixel_off(plant):
    def centred(camera, size, pixel_rule):
        return camera.resized(size[1], size[0])

    plant(resize, "resize_camera", centred)


def moment_turned(plant):
    right = conditioning.plucker

    def turned(camera, poses):
        return right(camera, poses) * np.repeat([1.0, -1.0], 3)

    plant(conditioning, "plucker", turned)


def ties_go_up(plant):
    plant(official, "snap", lambda side: (side + 8) // 16 * 16)


def wider_window(plant):
    plant(metrics, "SSIM_WINDOW", 11)


def black_frames_counted(plant):
    plant(metrics, "BLACK_SUM", -1.0)


def conditioning_not_augmented(plant):
    plant(loss, "AUGMENT", (0.0, 0.0))


def frames_in_reverse(plant):
    right = scene_storage.FrameStorage._listed
    plant(scene_storage.FrameStorage, "_listed", lambda *arguments: right(*arguments)[::-1])


def intrinsics_of_the_wrong_axis(plant):
    right = frames.Camera

    def turned(width, height, fx, fy, cx, cy):
        return right(width, height, fy, fx, cx, cy)

    plant(track, "Camera", turned)


MISTAKES = (
    ("dit_tiny_a.npz", tanh_gelu),
    ("dit_tiny_a.npz", normed_level_in_the_final_layer),
    ("dit_tiny_b.npz", text_gated_by_its_own_gate),
    ("dit_tiny_b.npz", patches_channel_minor),
    ("rope_real_headdim128.npz", rows_and_columns_swapped_in_rope),
    ("rope_real_headdim128.npz", wavelengths_not_stretched),
    ("train_loss.npz", conditioning_not_augmented),
    ("train_loss.npz", sines_before_cosines),
    ("vae_tiny.npz", later_frame_first),
    ("vae_tiny.npz", latent_not_normalised),
    ("snap_resize.npz", ties_go_up),
    ("snap_resize.npz", half_a_pixel_off),
    ("metrics.npz", wider_window),
    ("metrics.npz", black_frames_counted),
    ("plucker.npz", half_a_pixel_off),
    ("plucker.npz", moment_turned),
    ("noise.npz", another_seed),
    ("sampler_schedule.npz", ab2_with_the_wrong_sign),
    ("sampler_trajectory.npz", ab2_with_the_wrong_sign),
    ("sampler_trajectory.npz", no_clean_pass),
    ("e2e_tiny.npz", patches_channel_minor),
    ("e2e_tiny.npz", another_seed),
    ("scene_tiny", frames_in_reverse),
    ("scene_tiny", intrinsics_of_the_wrong_axis),
)


def first_line(file):
    """The verdict on a file, in f32 where there are modes."""
    golden = Golden(GOLDEN, CHECKS)
    if file == "scene_tiny":
        return verify_scene(golden)
    return next(verify_file(CHECKS[file], golden, open_networks("torch")))


@pytest.mark.parametrize(("file", "mistake"), MISTAKES, ids=lambda x: getattr(x, "__name__", x))
def test_a_planted_mistake_is_seen(file, mistake, monkeypatch):
    mistake(monkeypatch.setattr)
    line = first_line(file)
    assert not line.good
    # The figures say so, not a crash of the mistake itself.
    assert line.found.faults, line
    assert not line.faults, line


def test_every_file_has_its_mistake():
    # That of the full-size chain is planted in test_golden.py, where its graphs are at hand.
    assert {file for file, _ in MISTAKES} == set(FILES) - {"e2e_fullres.npz"}
