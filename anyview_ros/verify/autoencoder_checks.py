"""The autoencoder: its constants, encoding and decoding."""

from __future__ import annotations

import numpy as np

from anyview_ros.verify import tolerance
from anyview_ros.verify.check import Check, Outputs, Setting, inputs, references
from anyview_ros.verify.golden import Inputs, Roles, weights
from anyview_ros.verify.networks import Array


def roles(header: Inputs) -> Roles:
    found = weights(header.names)
    found |= references("f32", tolerance.FLOAT32, *(f"const/{n}_f32" for n in CONSTANTS))
    found |= references("parity", tolerance.EXACT, "const/mean_bf16", "const/inv_std_bf16")
    coded, decoded = tolerance.CODED, tolerance.CODED["f32"]
    for case in range(int(header.config()["num_cases"])):
        p = f"case{case}/"
        found |= inputs(p + "video01", p + "dec_in")
        found |= references("f32", decoded, p + "mu_unnormalised", p + "dec_raw_f32")
        found |= references("f32", decoded, p + "dec01_f32", p + "latent_f32")
        found |= references("f32", decoded, p + "latent_f32_bf16const", p + "dec_raw_f32_bf16const")
        found |= references("parity", coded["parity"], p + "latent_parity")
        found |= references("bf16", coded["bf16"], p + "latent_bf16", p + "dec01_bf16")
    return found


CONSTANTS = ("mean", "std", "inv_std")


def compute(setting: Setting) -> Outputs:
    networks, weights = setting.networks, setting.weights()
    ours: dict[str, Array] = dict(constants(setting))
    network = networks.autoencoder(weights, setting.precision)
    rounded = networks.autoencoder(weights, setting.precision, rounded_constants=True)
    for case in range(int(setting.inputs.config()["num_cases"])):
        p = f"case{case}/"
        video = setting.inputs[p + "video01"] * 2 - 1
        ours[f"{p}latent_{setting.mode}"] = network.encode(video)
        latent = setting.inputs[p + "dec_in"]
        if setting.mode == "bf16":
            ours[p + "dec01_bf16"] = to_unit(network.decode(latent))
        if setting.mode == "f32":
            ours[p + "mu_unnormalised"] = network.encode_mean(video)
            ours[p + "latent_f32_bf16const"] = rounded.encode(video)
            ours[p + "dec_raw_f32_bf16const"] = rounded.decode(latent)
            ours[p + "dec_raw_f32"] = network.decode(latent)
            ours[p + "dec01_f32"] = to_unit(ours[p + "dec_raw_f32"])
    return ours


def constants(setting: Setting) -> Outputs:
    if setting.mode == "bf16":
        return {}
    mean, std, inverse = setting.networks.latent_constants(rounds=setting.mode == "parity")
    if setting.mode == "parity":
        return {"const/mean_bf16": mean, "const/inv_std_bf16": inverse}
    return {"const/mean_f32": mean, "const/std_f32": std, "const/inv_std_f32": inverse}


def to_unit(frames: Array) -> Array:
    """Map frames about [-1, 1] to [0, 1]."""
    return np.clip((frames + 1) / 2, 0, 1)


CHECKS = (Check("vae_tiny.npz", ("config",), roles, compute),)
