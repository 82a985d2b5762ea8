"""The joint family at small size on the CPU: torch and ONNX Runtime, and memory of decoding.

    python -m benchmarks.joint_cpu [--repeats 3] [--threads 0]

Weights are random. Seconds are medians; the first call is not counted. Memory is the most that a
process of its own held while decoding, beyond what it held before.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.model.export import GraphSpec, onnx_model
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.config import (
    LATENT_CHANNELS,
    PATCH,
    RAY_CHANNELS,
    AutoencoderConfig,
    JointConfig,
)
from anyview_ros.model.joint.export import autoencoder_specs, cells_of, denoiser_specs, normal
from anyview_ros.model.joint.folding import FoldedDenoiser
from anyview_ros.model.joint.transformer import JointTransformer

CLIP = (9, 96, 160)  # T, H, W
LONG_CLIP = (25, 96, 160)  # whose memory is measured
# Wide enough that torch's convolutions take oneDNN; narrower ones unfold the image in memory.
CODER = AutoencoderConfig(width=48)
NETWORK = JointConfig(512, blocks=4, heads=8, lora=64, text_width=64, text_tokens=64)
GRID = (5, 12 // PATCH, 20 // PATCH)
LIKE_NOISE = 0.02
Decode = Callable[[torch.Tensor], NDArray[np.float32]]


def main() -> None:
    arguments = _arguments()
    torch.set_grad_enabled(False)
    torch.set_num_threads(arguments.threads or os.cpu_count() or 1)
    if arguments.peak:
        _print_peak(Path(arguments.peak), arguments.threads)
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as folder:
        _seconds(Path(folder), arguments)
        _memory(Path(folder), arguments.threads)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=3, help="calls that are counted (3)")
    parser.add_argument("--threads", type=int, default=0, help="0 = one a core")
    parser.add_argument("--peak", default="", help=argparse.SUPPRESS)  # see _print_peak
    return parser.parse_args()


def coder() -> Autoencoder:
    """The same random weights at every call."""
    torch.manual_seed(0)
    return Autoencoder(CODER).eval().requires_grad_(False)


def transformer() -> JointTransformer:
    torch.manual_seed(0)
    network = JointTransformer(NETWORK).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter) * LIKE_NOISE)
    return network


def _seconds(folder: Path, arguments: argparse.Namespace) -> None:
    print(f"autoencoder of width {CODER.width}, {CLIP[0]} frames of {CLIP[1]} x {CLIP[2]}")
    for name, spec in autoencoder_specs(coder(), CLIP).items():
        _row(name, spec, folder, arguments)
    network, text = transformer(), torch.zeros(1, NETWORK.text_tokens, NETWORK.text_width)
    text[:, 0] = normal(NETWORK.text_width)
    tokens = 2 * int(np.prod(GRID))
    print(f"transformer of width {NETWORK.width}, {NETWORK.blocks} blocks, {tokens} tokens")
    print(f"  {'unfolded':<10} torch {_median(_unfolded(network, text), arguments.repeats):7.3f} s")
    denoiser = FoldedDenoiser(network, text, GRID, GRID)
    _row("denoise", denoiser_specs(denoiser, GRID, GRID)["denoise"], folder, arguments)


def _unfolded(network: JointTransformer, text: torch.Tensor) -> Callable[[], object]:
    channels = LATENT_CHANNELS + RAY_CHANNELS + 4
    streams = [normal(1, channels, *cells_of(GRID))] * 2
    t = torch.tensor([[0.7]])
    return lambda: network(streams, [t, t], text)


def _row(name: str, spec: GraphSpec, folder: Path, arguments: argparse.Namespace) -> None:
    file = folder / f"{name}.onnx"
    onnx.save(onnx_model(spec), file)
    graph = Graph(file, "cpu", arguments.threads)
    arrays = {key: value.numpy() for key, value in spec.inputs.items()}
    (found,), expected = graph(**arrays).values(), spec.module(*spec.inputs.values()).numpy()
    in_torch = _median(lambda: spec.module(*spec.inputs.values()), arguments.repeats)
    in_onnx = _median(lambda: graph(**arrays), arguments.repeats)
    print(
        f"  {name:<10} torch {in_torch:7.3f} s   ONNX Runtime {in_onnx:7.3f} s   "
        f"apart {np.abs(found - expected).max():.1e}"
    )


def _median(call: Callable[[], object], repeats: int) -> float:
    def seconds() -> Iterator[float]:
        for _ in range(repeats + 1):
            started = time.perf_counter()
            call()
            yield time.perf_counter() - started

    return median(list(seconds())[1:])


def _memory(folder: Path, threads: int) -> None:
    print(f"memory of decoding {LONG_CLIP[0]} frames of {LONG_CLIP[1]} x {LONG_CLIP[2]}")
    whole: dict[str, NDArray[np.float32]] = {}
    for engine in ("torch", "onnx"):
        for piece in (0, 1):
            case = folder / f"{engine}-{piece}"
            case.mkdir()
            if engine == "onnx":
                spec = autoencoder_specs(coder(), LONG_CLIP, piece)["decode"]
                onnx.save(onnx_model(spec), case / "decode.onnx")
            command = [sys.executable, __file__, "--peak", str(case), "--threads", str(threads)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            frames = np.load(case / "frames.npy")
            apart = np.abs(frames - whole.setdefault(engine, frames)).max()
            how = f"{piece} latent frame at a time" if piece else "whole clip"
            print(f"  {engine:<6} {how:<24} {float(done.stdout):7.0f} MiB   apart {apart:.1e}")


def _print_peak(case: Path, threads: int) -> None:
    """In a process of its own: decode as the case's folder is named, print MiB, keep the frames."""
    engine, piece = case.name.split("-")
    latent = autoencoder_specs(coder(), LONG_CLIP)["decode"].inputs["latent"]
    decode = _in_onnx(case, threads) if engine == "onnx" else _in_torch(int(piece))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    before = _peak_kib()
    frames = decode(latent)
    print((_peak_kib() - before) / 1024)
    np.save(case / "frames.npy", frames)


def _in_torch(piece: int) -> Decode:
    network = coder()
    return lambda latent: network.decode(latent, piece).numpy()


def _in_onnx(case: Path, threads: int) -> Decode:
    graph = Graph(case / "decode.onnx", "cpu", threads)
    return lambda latent: graph(latent=latent.numpy())["frames"]


def _peak_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main()
