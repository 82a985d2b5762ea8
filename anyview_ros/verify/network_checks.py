"""The transformer, its rotary table, and the training loss."""

from __future__ import annotations

import numpy as np

from anyview_ros.verify import tolerance
from anyview_ros.verify.camera_checks import packed
from anyview_ros.verify.check import Check, Outputs, Setting, inputs, references
from anyview_ros.verify.golden import MODES, Inputs, Roles, weights
from anyview_ros.verify.networks import Array, Call

DRAWS = (
    "log_sigma_normal_f64",
    "high_uniform_f64",
    "loguniform_u_f64",
    "noise_v0",
    "noise_v1",
    "cond_aug_uniform",
    "cond_noise_v0",
    "cond_noise_v1",
)
PER_VIEW = ("tok", "temb", "tembn", "lora", "blk0_mlp", "blk0", "last")
ACTIVATIONS = (
    *(f"{name}_v{view}" for name in PER_VIEW for view in (0, 1)),
    "blk0_selfattn",
    "blk0_crossattn",
)
ANGLES = ("rope_v0", "rope_v1")


def transformer_roles(header: Inputs) -> Roles:
    roles = weights(header.names)
    for case in range(int(header.config()["num_cases"])):
        p = f"case{case}/"
        roles |= inputs(*(p + name for name in ("x_v0", "x_v1", "t_v0", "t_v1", "ctx")))
        roles |= references("f32", tolerance.NETWORK["f32"], *(f"{p}mid/{n}" for n in ACTIVATIONS))
        roles |= references("f32", tolerance.ANGLES, *(f"{p}mid/{name}" for name in ANGLES))
        roles |= references("parity", tolerance.EXACT, f"{p}mid/rope_v0_bf16")
        for mode in MODES:
            names = (f"{p}out_v{view}_{mode}" for view in (0, 1))
            roles |= references(mode, tolerance.NETWORK[mode], *names)
    return roles


def compute_transformer(setting: Setting) -> Outputs:
    network = setting.networks.transformer(setting.weights(), setting.precision)
    ours: dict[str, Array] = {}
    for case in range(int(setting.inputs.config()["num_cases"])):
        p = f"case{case}/"
        call = Call(
            (setting.inputs[p + "x_v0"], setting.inputs[p + "x_v1"]),
            (frame_times(setting.inputs[p + "t_v0"]), frame_times(setting.inputs[p + "t_v1"])),
            setting.inputs[p + "ctx"],
        )
        for view, output in enumerate(network.outputs(call)):
            ours[f"{p}out_v{view}_{setting.mode}"] = output
        if setting.mode == "f32":
            seen = network.activations(call)
            ours |= {f"{p}mid/{name}": seen[name] for name in (*ACTIVATIONS, *ANGLES)}
        if setting.mode == "parity":
            seen = network.activations(call)
            ours[f"{p}mid/rope_v0_bf16"] = seen["rope_v0"]
    return ours


def frame_times(t: Array) -> Array:
    """Map (B, 1, 1 or T', 1, 1), as the golden files hold them, to (B, 1 or T')."""
    return t.reshape(t.shape[0], -1)


def rope_roles(header: Inputs) -> Roles:
    roles = inputs("table_shape")
    for mode, name, allowed in (
        ("f32", "f32", tolerance.ANGLES),
        ("parity", "bf16", tolerance.EXACT),
    ):
        arrays = (f"{axis}_{name}" for axis in ("t_half", "h_half", "w_half", "table"))
        roles |= references(mode, allowed, *arrays)
    return roles


def compute_rope(setting: Setting) -> Outputs:
    name = "f32" if setting.mode == "f32" else "bf16"
    shapes = [setting.inputs.shape(f"{axis}_half_{name}") for axis in "thw"]
    pairs = [shape[1] for shape in shapes]

    def angles(time: int, rows: int, columns: int) -> Array:
        grid = (time, rows, columns)
        return setting.networks.rotary_angles(grid, 2 * sum(pairs), setting.precision)

    table = angles(*(int(count) for count in setting.inputs["table_shape"]))
    along_t, along_h, along_w = (shape[0] for shape in shapes)
    first_h, first_w = pairs[0], pairs[0] + pairs[1]
    return {
        f"table_{name}": np.concatenate([table, table], axis=1),
        f"t_half_{name}": angles(along_t, 1, 1)[:, :first_h],
        f"h_half_{name}": angles(1, along_h, 1)[:, first_h:first_w],
        f"w_half_{name}": angles(1, 1, along_w)[:, first_w:],
    }


def loss_roles(header: Inputs) -> Roles:
    latents = (f"{kind}{view}_latent" for kind in ("rgb", "cams") for view in (0, 1))
    drawn = (f"draw/{name}" for name in DRAWS)
    return {
        **inputs("text_emb", *latents, *drawn),
        **references("f32", tolerance.LOSS, "loss", "sigma"),
    }


def compute_loss(setting: Setting) -> Outputs:
    given = setting.inputs
    target, source = (
        packed(given[f"rgb{view}_latent"], given[f"cams{view}_latent"], view) for view in (0, 1)
    )
    draws = {name: given[f"draw/{name}"] for name in DRAWS}
    weights = setting.weights("dit_tiny_a.npz")
    sigma, loss = setting.networks.loss(weights, (target, source), given["text_emb"], draws)
    return {"sigma": sigma, "loss": loss}


CHECKS = (
    Check("dit_tiny_a.npz", ("config",), transformer_roles, compute_transformer),
    Check("dit_tiny_b.npz", ("config",), transformer_roles, compute_transformer),
    Check("rope_real_headdim128.npz", (), rope_roles, compute_rope),
    Check("train_loss.npz", (), loss_roles, compute_loss),
)
