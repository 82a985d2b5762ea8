"""The networks in ONNX Runtime: exported as a package's graphs are, at the shapes asked for.

A package has one batch entry and one noise time; the unfolded network, which the golden files also
call with several, is exported for these calls alone. The CPU provider has no bfloat16, so the
`bf16` references are compared, loosely, with `parity`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.sampler import Network
from anyview_ros.model.export import GraphSpec, onnx_model
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.export import autoencoder_specs, denoiser_specs
from anyview_ros.model.joint.folding import RAYS, RAYS_GIVEN, FoldedDenoiser
from anyview_ros.model.joint.loss import noise_levels, training_loss
from anyview_ros.model.joint.transformer import JointTransformer, Views, grid_of
from anyview_ros.release import LATENT_CHANNELS
from anyview_ros.verify.networks import Array, Call, Pair, Weights
from anyview_ros.verify.observed import Observed
from anyview_ros.verify.torch_networks import (
    TorchConstants,
    draws_from,
    joint_autoencoder,
    joint_transformer,
)

INPUTS = ("target", "source", "t_target", "t_source", "text")


class Sessions:
    """Graphs in ONNX Runtime, exported once each."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="anyview-verify-")
        self._graphs: dict[object, Graph] = {}

    def graph(self, key: object, spec: Callable[[], GraphSpec]) -> Graph:
        """Return the graph of a key; `spec` makes it the first time."""
        if key not in self._graphs:
            file = Path(self._folder.name) / f"{len(self._graphs)}.onnx"
            with torch.no_grad():
                onnx.save(onnx_model(spec()), file)
            self._graphs[key] = Graph(file, "cpu", threads=1)
        return self._graphs[key]


class OnnxNetworks(TorchConstants):
    """Exports what it is asked for, when it is called; equal networks share their graphs."""

    def __init__(self) -> None:
        super().__init__()
        self._transformers: dict[object, OnnxTransformer] = {}
        self._autoencoders: dict[object, OnnxAutoencoder] = {}

    def mode(self, asked: str) -> str:
        return "parity" if asked == "bf16" else asked

    def transformer(self, weights: Weights, mode: str) -> OnnxTransformer:
        key = (digest(weights), mode)
        if key not in self._transformers:
            self._transformers[key] = OnnxTransformer(joint_transformer(weights, mode))
        return self._transformers[key]

    def autoencoder(
        self, weights: Weights, mode: str, rounded_constants: bool | None = None
    ) -> OnnxAutoencoder:
        key = (digest(weights), mode, rounded_constants)
        if key not in self._autoencoders:
            module = joint_autoencoder(weights, mode, rounded_constants)
            self._autoencoders[key] = OnnxAutoencoder(module)
        return self._autoencoders[key]

    def loss(self, weights: Weights, clean: Pair, text: Array, draws: Mapping[str, Array]) -> Pair:
        drawn, transformer = draws_from(draws), self.transformer(weights, "f32")

        def network(streams: Views, times: Views, words: Tensor) -> list[Tensor]:
            (target, source), (t_target, t_source) = (
                [tensor.numpy() for tensor in pair] for pair in (streams, times)
            )
            call = Call((target, source), (t_target, t_source), words.numpy())
            return [torch.from_numpy(output) for output in transformer.outputs(call)]

        streams = [torch.from_numpy(stream) for stream in clean]
        loss = training_loss(network, streams, torch.from_numpy(text), drawn)
        return noise_levels(drawn, clean[0].shape[2]).numpy(), loss.numpy()


def digest(weights: Weights) -> bytes:
    """Return what tells one set of weights from another."""
    whole = sha256(repr(sorted(weights.config.items())).encode())
    for name, value in sorted(weights.state.items()):
        whole.update(name.encode() + np.ascontiguousarray(value).tobytes())
    return whole.digest()


class Outputs(nn.Module):
    """The unfolded transformer with its arguments in a row."""

    def __init__(self, network: JointTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, target: Tensor, source: Tensor, t_target: Tensor, t_source: Tensor, text: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(self.network([target, source], [t_target, t_source], text))


class OnnxTransformer:
    def __init__(self, module: JointTransformer) -> None:
        self._module = module
        self._sessions = Sessions()

    def outputs(self, call: Call) -> Pair:
        target, source = self._called(Outputs(self._module), ["out_target", "out_source"], call)
        return target, source

    def activations(self, call: Call) -> Mapping[str, Array]:
        observed = Observed(self._module)
        seen = self._called(observed, list(observed.names), call)
        return dict(zip(observed.names, seen, strict=True))

    def _called(self, module: nn.Module, outputs: list[str], call: Call) -> list[Array]:
        arrays = dict(zip(INPUTS, (*call.streams, *call.times, call.text), strict=True))
        given = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        key = (type(module), tuple(array.shape for array in given.values()))

        def spec() -> GraphSpec:
            tensors = {name: torch.from_numpy(array) for name, array in given.items()}
            return GraphSpec(module, tensors, outputs)

        found = self._sessions.graph(key, spec)(**given)
        return [found[name] for name in outputs]

    def network(self, streams: Pair, text: Array) -> Network:
        """Return the network by the graphs of a package, one sample of the batch at a time."""
        words = [text[min(b, len(text) - 1)][None] for b in range(len(streams[0]))]
        graphs = [self._package_graphs(streams, one) for one in words]
        rays, source_rays = (stream[:, RAYS:RAYS_GIVEN] for stream in streams)
        latent = streams[1][:, :LATENT_CHANNELS]
        contexts = [
            graphs[b]["condition"](latent=latent[b : b + 1], rays=source_rays[b : b + 1])
            for b in range(len(latent))
        ]

        def velocity(noisy: Array, t: Array) -> Array:
            parts = [
                graphs[b]["denoise"](noisy=noisy[b : b + 1], t=t, rays=rays[b : b + 1], **context)
                for b, context in enumerate(contexts)
            ]
            return np.concatenate([part["prediction"] for part in parts])

        return velocity

    def _package_graphs(self, streams: Pair, text: Array) -> dict[str, Graph]:
        """Return `condition` and `denoise` for these shapes and this text."""
        target, source = (grid_of(torch.from_numpy(stream)) for stream in streams)

        def spec(name: str) -> GraphSpec:
            denoiser = FoldedDenoiser(self._module, torch.from_numpy(text), target, source)
            return denoiser_specs(denoiser, target, source)[name]

        key = (target, source, text.tobytes())
        return {
            name: self._sessions.graph((name, *key), partial(spec, name))
            for name in ("condition", "denoise")
        }


class Code(nn.Module):
    """Latents before they are normalised."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, frames: Tensor) -> Tensor:
        return self.autoencoder.encode_mean(frames)


class OnnxAutoencoder:
    def __init__(self, module: Autoencoder) -> None:
        self._module = module
        self._sessions = Sessions()

    def encode_mean(self, video: Array) -> Array:
        def spec() -> GraphSpec:
            frames = {"frames": torch.from_numpy(video[:1])}
            return GraphSpec(Code(self._module), frames, ["latent"])

        return each(self._sessions.graph(("code", video.shape[2:]), spec), frames=video)

    def encode(self, video: Array) -> Array:
        _, _, time, height, width = video.shape
        return each(self._graph("encode", (time, height, width)), frames=video)

    def decode(self, latent: Array) -> Array:
        _, _, time, rows, columns = latent.shape
        clip = (1 + 4 * (time - 1), 8 * rows, 8 * columns)
        return each(self._graph("decode", clip), latent=latent)

    def _graph(self, name: str, clip: tuple[int, int, int]) -> Graph:
        def spec() -> GraphSpec:
            return autoencoder_specs(self._module, clip)[name]

        return self._sessions.graph((name, clip), spec)


def each(graph: Graph, **batch: Array) -> Array:
    """Call a graph of batch 1 and one output for each sample of one input."""
    ((name, samples),) = batch.items()
    results = [graph(**{name: sample[None]}) for sample in np.asarray(samples, np.float32)]
    return np.concatenate([next(iter(result.values())) for result in results])
