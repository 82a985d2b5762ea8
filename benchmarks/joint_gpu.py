"""The joint network on a GPU: torch as the release runs it, torch made fast, and our graphs.

    python -m benchmarks.joint_gpu [--small] [--repeats 3] [--device auto]

Weights are random. At full size (2 B, 41 frames of 304 x 576) it needs a CUDA GPU with 24 GB, and
without one prints a table that says so. `--small` measures the same rows at small size, on a
processor too. On a GPU it says which kernel attends, and ends if it is not fused. The last row has
the operator `Attention` of ONNX in place of ONNX Runtime's own. Seconds are medians, the first
calls (compilation) not counted; a clip is 36 calls, 5 encodings and a decoding; memory is what the
GPU holds after a call, the most of the three.
"""

from __future__ import annotations

import argparse
import math
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import onnx
import torch

from anyview_ros.contract import FusedAttention
from anyview_ros.engine.onnx.fused_attention import UNFUSED, kernels
from anyview_ros.engine.onnx.runtime import Bound, Graph
from anyview_ros.errors import AnyviewError
from anyview_ros.model.export import GraphSpec, as_proto, trace_graph
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.config import (
    PATCH,
    PRECISIONS,
    STREAM_CHANNELS,
    AutoencoderConfig,
    JointConfig,
)
from anyview_ros.model.joint.export import (
    CODER_OPERATIONS,
    LATENT,
    autoencoder_specs,
    cells_of,
    denoiser_operations,
    denoiser_specs,
    normal,
)
from anyview_ros.model.joint.folding import FoldedDenoiser
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.model.weights import SharedWeights
from benchmarks.joint_attention import as_standard

CALLS, ENCODINGS = 36, 5  # of a clip at 35 steps: the clean pass; image, rays and moments twice
RATES = {"H200": 790e12, "H100": 790e12}  # dense bfloat16 that a large product reaches, a second
NOT = "not measured"


@dataclass(frozen=True)
class Size:
    clip: tuple[int, int, int]
    network: JointConfig
    coder: AutoencoderConfig

    @property
    def grid(self) -> tuple[int, int, int]:
        time_, rows, columns = LATENT.of(*self.clip)[1:]
        return time_, rows // PATCH, columns // PATCH


FULL = Size((41, 304, 576), JointConfig(), AutoencoderConfig())
SMALL = Size((5, 64, 96), JointConfig(256, 4, 4, 32, 64, 32), AutoencoderConfig(width=16))
ROWS = ("denoiser call", "autoencoder encode", "autoencoder decode")
WAYS = ("torch eager", "torch, compiled", "ONNX Runtime", "ONNX Runtime, `Attention`")


def main() -> None:
    arguments = _arguments()
    size = SMALL if arguments.small else FULL
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{_machine(device)}, {time.strftime('%Y-%m-%d')}, clip {size.clip}")
    torch.set_grad_enabled(False)
    print("| | " + " | ".join([*ROWS, "clip", "memory"]) + " |")
    print("| --- " * 6 + "|")
    measured = arguments.small or device == "cuda"
    for way in WAYS:
        row = _measure(way, size, device, arguments.repeats) if measured else [NOT] * 5
        print("| " + " | ".join([way, *row]) + " |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="small networks, on a processor too")
    parser.add_argument("--repeats", type=int, default=3, help="calls that are counted (3)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    return parser.parse_args()


def _measure(way: str, size: Size, device: str, repeats: int) -> list[str]:
    """The cells of a row: milliseconds of each of ROWS with its share, a clip, memory."""
    made = _graphs(way, size, device) if way in WAYS[2:] else _modules(way, size, device)
    seconds, held = [], []
    try:
        for call in made:
            seconds.append(_median(call, device, repeats))
            held.append(_held(device))
    except AnyviewError as error:
        return [f"{NOT}: {error.code}"] * 5
    cells = [
        f"{1000 * s:.1f} ms{_share(work / s)}"
        for s, work in zip(seconds, _operations(size), strict=False)
    ]
    if device == "cuda":
        torch.cuda.empty_cache()
    memory = f"{max(held) / 1024:.1f} GiB" if device == "cuda" else NOT
    if way == WAYS[3]:
        return [*cells, "as above", "as above", "", memory]
    denoise, encode, decode = seconds
    clip = CALLS * denoise + ENCODINGS * encode + decode
    return [*cells, f"{clip:.2f} s", memory]


def _operations(size: Size) -> tuple[float, float, float]:
    frames, height, width = size.clip
    cells = LATENT.of(*size.clip)[1:]
    coder = CODER_OPERATIONS * size.coder.width**2 * frames * height * width
    call = denoiser_operations(size.network, cells[0] * cells[1] * cells[2])
    return call, coder * 36 / 97, coder * 61 / 97


def _modules(way: str, size: Size, device: str) -> Iterator[Callable[[], object]]:
    """In bfloat16, unfolded: what the release computes, with torch's own fused attention.

    Only the transformer is compiled.
    """
    precision = PRECISIONS["bf16"]
    network = JointTransformer(size.network, precision).to(device).eval()
    coder = Autoencoder(size.coder, precision).to(device).eval()
    text = normal(1, size.network.text_tokens, size.network.text_width).to(device)
    streams = [normal(1, STREAM_CHANNELS, *cells_of(size.grid)).to(device)] * 2
    t = torch.tensor([[0.7]], device=device)
    video = normal(1, 3, *size.clip).clamp(-1, 1).to(device)
    latent = normal(1, *LATENT.of(*size.clip)).to(device)
    run: Callable[..., object] = network
    if way == WAYS[1]:
        run = torch.compile(network)
    yield lambda: run(streams, [t, t], text)
    yield lambda: coder.encode(video, 1)
    yield lambda: coder.decode(latent, 1)


def _graphs(way: str, size: Size, device: str) -> Iterator[Callable[[], object]]:
    """In bfloat16 on CUDA, in float32 on a processor, which has no bfloat16."""
    if device == "cuda" and way == WAYS[2]:
        _say_attention(size)
    precision = PRECISIONS["bf16" if device == "cuda" else "parity"]
    network = JointTransformer(size.network, precision).eval()
    text = torch.zeros(1, size.network.text_tokens, size.network.text_width)
    text[:, 0] = normal(size.network.text_width)
    coder = Autoencoder(size.coder, precision).eval()
    denoiser = FoldedDenoiser(network, text, size.grid, size.grid)
    denoise = denoiser_specs(denoiser, size.grid, size.grid)["denoise"]
    if way == WAYS[3]:
        yield from _graph(denoise, device, as_standard)
        return
    for spec in (denoise, *autoencoder_specs(coder, size.clip, 1).values()):
        yield from _graph(spec, device, lambda proto: None)


def _graph(
    spec: GraphSpec, device: str, changed: Callable[[onnx.ModelProto], None]
) -> Iterator[Callable[[], object]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = trace_graph(spec)
        with SharedWeights(folder, torch.bfloat16) as weights:
            weights.take_from(model)
        proto = as_proto(model)
        changed(proto)
        onnx.save(proto, folder / "graph.onnx")
        yield _bound(folder / "graph.onnx", spec, device)


def _bound(file: Path, spec: GraphSpec, device: str) -> Bound:
    """The graph as the pipeline calls it: on buffers of the device, its kernels recorded."""
    graph = Graph(file, device, 0 if device == "cuda" else 1, captured=True)
    shapes = {key: tuple(value.shape) for key, value in spec.inputs.items()}
    bound = graph.bound(shapes, graph.output_shapes)
    for key, value in spec.inputs.items():
        bound.write(key, value.numpy())
    return bound


def _say_attention(size: Size) -> None:
    """Which kernel attends in bfloat16; none may be unfused."""
    network = size.network
    tokens = 2 * math.prod(size.grid)
    found = kernels(FusedAttention(network.blocks, network.width // network.heads, tokens), "bf16")
    print(f"attention: {', '.join(sorted(found)) or 'not told'}")
    if unfused := found & UNFUSED:
        raise SystemExit(f"attention is not fused on this GPU: {', '.join(unfused)}")


def _median(call: Callable[[], object], device: str, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return median(seconds[2:])


def _share(rate: float) -> str:
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    best = next((rate_ for chip, rate_ in RATES.items() if chip in name), None)
    return f", {100 * rate / best:.0f} %" if best else f", {rate / 1e12:.2f} TFLOP/s"


def _held(device: str) -> int:
    """MiB of the GPU in use, workspaces that torch and ONNX Runtime keep among them."""
    if device == "cpu":
        return 0
    asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0])


def _machine(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, no GPU"


if __name__ == "__main__":
    main()
