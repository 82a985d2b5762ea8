"""Attention of the joint network as ONNX Runtime's own operator and as that of ONNX, on the CPU.

    python -m benchmarks.joint_attention [--repeats 5] [--threads 1]

One denoiser of random weights, exported once; its `MultiHeadAttention` nodes, which packages have,
against `Attention` of opset 24 in their place. Milliseconds are medians of calls by turns; memory
is the most that a process of its own held while calling, beyond what it held before.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import torch

from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.model.export import GraphSpec, onnx_model
from anyview_ros.model.joint.config import PATCH, JointConfig
from anyview_ros.model.joint.export import denoiser_specs, normal
from anyview_ros.model.joint.folding import FoldedDenoiser
from anyview_ros.model.joint.transformer import JointTransformer

NETWORK = JointConfig(512, blocks=4, heads=8, lora=64, text_width=64, text_tokens=64)
GRIDS = ((5, 6, 10), (5, 12, 20), (5, 18, 30))  # tokens of the target, as many are the source's
OPSET = 24
WAYS = ("MultiHeadAttention", "Attention")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5, help="calls of each that are counted (5)")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (1)")
    parser.add_argument("--peak", default="", help=argparse.SUPPRESS)  # see _print_peak
    arguments = parser.parse_args()
    if arguments.peak:
        _print_peak(Path(arguments.peak), arguments.threads)
        return
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print("| tokens | MultiHeadAttention | Attention | apart |\n| --- | --- | --- | --- |")
    network = JointTransformer(NETWORK).eval()
    for grid in GRIDS:
        with tempfile.TemporaryDirectory() as folder:
            _row(_spec(network, grid), Path(folder), arguments)


def as_standard(model: onnx.ModelProto) -> None:
    """Replace ONNX Runtime's attention nodes by those of ONNX, in place."""
    for node in model.graph.node:
        if node.op_type == WAYS[0]:
            (heads,) = (a.i for a in node.attribute if a.name == "num_heads")
            node.op_type, node.domain = WAYS[1], ""
            del node.attribute[:]
            node.attribute.extend(
                onnx.helper.make_attribute(name, heads) for name in ("q_num_heads", "kv_num_heads")
            )
    for opset in model.opset_import:
        opset.version = OPSET if opset.domain == "" else opset.version


def _spec(network: JointTransformer, grid: tuple[int, int, int]) -> GraphSpec:
    text = torch.zeros(1, NETWORK.text_tokens, NETWORK.text_width)
    text[:, 0] = normal(NETWORK.text_width)
    return denoiser_specs(FoldedDenoiser(network, text, grid, grid), grid, grid)["denoise"]


def _row(spec: GraphSpec, folder: Path, arguments: argparse.Namespace) -> None:
    model = onnx_model(spec)
    arrays = {key: value.numpy() for key, value in spec.inputs.items()}
    np.savez(folder / "inputs.npz", **arrays)
    graphs = {}
    for way in WAYS:
        if way == WAYS[1]:
            as_standard(model)
        onnx.save(model, folder / f"{way}.onnx")
        graphs[way] = Graph(folder / f"{way}.onnx", "cpu", arguments.threads)
    ((one,), (other,)) = (graphs[way](**arrays).values() for way in WAYS)
    turns = [
        [_seconds(lambda w=way: graphs[w](**arrays)) for way in WAYS]
        for _ in range(arguments.repeats)
    ]
    cells = []
    for way, column in zip(WAYS, zip(*turns, strict=True), strict=True):
        held = _peak_mib(folder / f"{way}.onnx", arguments.threads)
        cells.append(f"{1000 * median(column):.0f} ms, {held} MiB")
    apart = np.abs(one - other).max() / np.abs(one).max()
    tokens = arrays["source"].shape[1] + arrays["noisy"][0, 0].size // PATCH**2
    print(f"| {tokens} | {cells[0]} | {cells[1]} | {apart:.1e} |", flush=True)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _peak_mib(graph: Path, threads: int) -> str:
    """Of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.joint_attention", "--peak", str(graph)]
    done = subprocess.run(
        [*command, "--threads", str(threads)], check=True, stdout=subprocess.PIPE, text=True
    )
    return f"{float(done.stdout):.0f}"


def _print_peak(file: Path, threads: int) -> None:
    graph, arrays = Graph(file, "cpu", threads), dict(np.load(file.parent / "inputs.npz"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    before = _peak_kib()
    graph(**arrays)
    print((_peak_kib() - before) / 1024)


def _peak_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main()
