"""What a batch of virtual cameras gains in one call of the denoiser, against one after the other.

    python -m benchmarks.batching [--batches 1 2 4 8] [--rounds 5] [--threads 1]

A network of the default package's shape with random weights, 9 frames of 96x160, all cameras on one
source clip. Processor time of a call for each camera, the least of the rounds, in ONNX Runtime and
in torch on the CPU; the batch sizes take turns.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import torch
from torch import Tensor

from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.export import GraphSpec, graph_specs, onnx_model
from anyview_ros.model.one_way.config import NetworkConfig
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package

Call = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    spec = denoise()
    print(f"{platform.machine()}, {arguments.threads} threads, load {os.getloadavg()[0]:.1f}")
    print("| cameras | ONNX Runtime, s a camera | torch, s a camera |")
    print("| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        calls = {
            batch: (in_onnx(spec, batch, Path(folder), arguments.threads), in_torch(spec, batch))
            for batch in arguments.batches
        }
        for batch, least in timed(calls, arguments.rounds).items():
            print(f"| {batch} | {least[0] / batch:.4f} | {least[1] / batch:.4f} |")


def denoise() -> GraphSpec:
    """The denoiser of the default package, at one size."""
    contract = load_package(find_package(DEFAULT_MODEL)).contract
    torch.manual_seed(0)
    network = OneWayDenoiser(NetworkConfig(planes=len(contract.plane_sweep) + 1)).eval()
    codec = LinearCodec(contract.latent.channels)
    return replace(graph_specs(contract, network, codec)["denoise"], free=None)


def of_batch(inputs: Mapping[str, Tensor], batch: int) -> dict[str, Tensor]:
    """As many cameras; what they are given differs, but that costs nothing."""
    return {name: x.expand(batch, *x.shape[1:]).contiguous() for name, x in inputs.items()}


def in_onnx(spec: GraphSpec, batch: int, folder: Path, threads: int) -> Call:
    many = replace(spec, inputs=of_batch(spec.inputs, batch))
    path = folder / f"{batch}.onnx"
    onnx.save(onnx_model(many), path)
    graph = Graph(path, "cpu", threads)
    arrays = {name: x.numpy() for name, x in many.inputs.items()}
    return lambda: graph(**arrays)


def in_torch(spec: GraphSpec, batch: int) -> Call:
    inputs = of_batch(spec.inputs, batch)
    return lambda: spec.module(**inputs)


def timed(calls: Mapping[int, tuple[Call, ...]], rounds: int) -> dict[int, list[float]]:
    """Least processor time of each call."""
    least = {batch: [float("inf")] * len(ways) for batch, ways in calls.items()}
    for _ in range(rounds + 1):  # the first round allocates
        for batch, ways in calls.items():
            for k, call in enumerate(ways):
                started = time.process_time()
                call()
                least[batch][k] = min(least[batch][k], time.process_time() - started)
    return least


if __name__ == "__main__":
    main()
