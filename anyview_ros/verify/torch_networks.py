"""The networks in torch, called with numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from anyview_ros.engine.sampler import Network
from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.autoencoder import LATENT_STD, Autoencoder, latent_constants
from anyview_ros.model.joint.checkpoint import load_state
from anyview_ros.model.joint.config import (
    LATENT_CHANNELS,
    PRECISIONS,
    AutoencoderConfig,
    JointConfig,
)
from anyview_ros.model.joint.loss import Draws, noise_levels, training_loss
from anyview_ros.model.joint.position import rotary_angles
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.verify.networks import Array, Call, Pair, Weights
from anyview_ros.verify.observed import Observed


class TorchConstants:
    """Tables that are constants of every graph: made in torch, whatever runs the graph."""

    def __init__(self) -> None:
        # On networks this small, threads wait for each other longer than they work.
        torch.set_num_threads(1)

    def rotary_angles(self, grid: tuple[int, int, int], head_width: int, mode: str) -> Array:
        return rotary_angles(grid, head_width, PRECISIONS[mode].rotary_dtype).numpy()

    def latent_constants(self, rounds: bool) -> tuple[Array, Array, Array]:
        mean, inverse = latent_constants(rounds)
        return mean.numpy(), np.array(LATENT_STD, np.float32), inverse.numpy()


class TorchNetworks(TorchConstants):
    """Runs every precision mode as it is."""

    def mode(self, asked: str) -> str:
        return asked

    def transformer(self, weights: Weights, mode: str) -> TorchTransformer:
        return TorchTransformer(joint_transformer(weights, mode))

    def autoencoder(
        self, weights: Weights, mode: str, rounded_constants: bool | None = None
    ) -> TorchAutoencoder:
        return TorchAutoencoder(joint_autoencoder(weights, mode, rounded_constants))

    def loss(self, weights: Weights, clean: Pair, text: Array, draws: Mapping[str, Array]) -> Pair:
        drawn = draws_from(draws)
        network = joint_transformer(weights, "f32")
        streams = [torch.from_numpy(stream) for stream in clean]
        with torch.inference_mode():
            loss = training_loss(network, streams, torch.from_numpy(text), drawn)
        return noise_levels(drawn, clean[0].shape[2]).numpy(), loss.numpy()


class TorchTransformer:
    def __init__(self, module: JointTransformer) -> None:
        self._module = module

    def outputs(self, call: Call) -> Pair:
        target, source = on_arrays(
            lambda a, b, s, t, text: self._module([a, b], [s, t], text),
            *call.streams,
            *call.times,
            call.text,
        )
        return target, source

    def activations(self, call: Call) -> Mapping[str, Array]:
        observed = Observed(self._module)
        seen = on_arrays(observed, *call.streams, *call.times, call.text)
        return dict(zip(observed.names, seen, strict=True))

    def network(self, streams: Pair, text: Array) -> Network:
        given = streams[0][:, LATENT_CHANNELS:]

        def velocity(noisy: Array, t: Array) -> Array:
            target = np.concatenate([noisy, given], axis=1)
            times = np.broadcast_to(t, (len(noisy), 1))
            words = np.broadcast_to(text, (len(noisy), *text.shape[1:]))
            outputs = self.outputs(Call((target, streams[1]), (times, times), words))
            return outputs[0][:, :LATENT_CHANNELS]

        return velocity


class TorchAutoencoder:
    def __init__(self, module: Autoencoder) -> None:
        self._module = module

    def encode_mean(self, video: Array) -> Array:
        return on_arrays(lambda x: [self._module.encode_mean(x).float()], video)[0]

    def encode(self, video: Array) -> Array:
        return on_arrays(lambda x: [self._module.encode(x)], video)[0]

    def decode(self, latent: Array) -> Array:
        return on_arrays(lambda x: [self._module.decode(x)], latent)[0]


def on_arrays(function: Callable[..., object], *arrays: Array) -> list[Array]:
    """Call a function of tensors that returns tensors, with arrays."""
    with torch.inference_mode():
        results = function(*(torch.from_numpy(np.array(array)) for array in arrays))
    assert isinstance(results, (list, tuple))
    return [result.numpy() for result in results]


def joint_transformer(weights: Weights, mode: str) -> JointTransformer:
    """Return the transformer of a golden file."""
    c = weights.config
    try:
        sizes = (c["D"], c["blocks"], c["heads"], c["lora"], c["ctx"], c["tokens"])
        config = JointConfig(*(int(size) for size in sizes))
    except (KeyError, TypeError, ValueError) as error:
        raise AnyviewError("invalid_golden", f"config of a transformer: {error!r}") from None
    if config.head_width != c.get("head_dim", config.head_width):
        raise AnyviewError(
            "invalid_golden",
            f"head_dim must be D / heads = {config.head_width}, got {c['head_dim']}",
        )
    return load_state(JointTransformer(config, PRECISIONS[mode]), tensors(weights.state))


def joint_autoencoder(
    weights: Weights, mode: str, rounded_constants: bool | None = None
) -> Autoencoder:
    """Return the autoencoder of a golden file."""
    c = weights.config
    try:
        config = AutoencoderConfig(
            int(c["dim"]),
            tuple(int(m) for m in c["dim_mult"]),
            int(c["num_res_blocks"]),
            tuple(bool(halves) for halves in c["temporal_downsample"]),
        )
    except (KeyError, TypeError) as error:
        raise AnyviewError("invalid_golden", f"config of an autoencoder: {error!r}") from None
    module = load_state(Autoencoder(config, PRECISIONS[mode]), tensors(weights.state))
    if rounded_constants is not None:
        module.take_constants(rounded_constants)
    return module


def tensors(state: Mapping[str, Array]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(value)) for name, value in state.items()}


def draws_from(draws: Mapping[str, Array]) -> Draws:
    """Return the draws of a training loss, under their names in the golden file."""
    t = tensors(draws)
    return Draws(
        normal=t["log_sigma_normal_f64"],
        high=t["high_uniform_f64"],
        high_position=t["loguniform_u_f64"],
        noise=[t["noise_v0"], t["noise_v1"]],
        augment=t["cond_aug_uniform"],
        augment_noise=[t["cond_noise_v0"], t["cond_noise_v1"]],
    )
