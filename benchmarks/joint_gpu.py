"""The joint network on a GPU: torch as the release runs it, torch made fast, and our graphs.

    python -m benchmarks.joint_gpu [--small] [--blocks N] [--denoiser] [--ways eager graph ..]
        [--graphs FOLDER] [--repeats 3] [--device auto]

Weights are random. At full size (2 B, 41 frames of 304 x 576) it needs a CUDA GPU with 24 GB, and
without one prints a table that says so. `--small` measures the same rows at small size, on a
processor too. On a GPU it says which kernel attends, and ends if it is not fused. The last row has
the operator `Attention` of ONNX in place of ONNX Runtime's own. Seconds are medians, the first
calls (compilation) not counted; a clip is 36 calls, 5 encodings and a decoding; memory is what the
GPU holds after a call, the most of the three.

Compiling and exporting take minutes at full size. `--blocks 2 --denoiser` measures a network of the
full width, two blocks deep, without the autoencoder. `--graphs` keeps the graphs, without weights,
in a folder, and takes those that are there: so they can be exported where there is no GPU
(`--graphs FOLDER --export`).
"""

from __future__ import annotations

import argparse
import itertools
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import onnx
import torch

from anyview_ros.contract import FusedAttention
from anyview_ros.engine.onnx.fused_attention import UNFUSED, kernels
from anyview_ros.engine.onnx.providers import Device
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
from anyview_ros.model.weights import WEIGHTS, SharedWeights
from benchmarks.joint_attention import as_standard

CALLS, ENCODINGS = 36, 5  # of a clip at 35 steps: the clean pass; image, rays and moments twice
RATES = {"H200": 790e12, "H100": 790e12}  # dense bfloat16 that a large product reaches, a second
NOT = "not measured"
GRAPHS = ("denoise", "encode", "decode")
TIME = 0.7  # of noise
DEVIATION = 0.02  # of weights
DRAWN = 2**28  # bytes of weights at a time


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
WAYS = {
    "eager": "torch eager",
    "compiled": "torch, compiled",
    "graph": "ONNX Runtime",
    "attention": "ONNX Runtime, `Attention`",
}


def main() -> None:
    arguments = _arguments()
    size = _size(arguments)
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    network = f"{size.network.blocks} blocks of width {size.network.width}"
    print(f"{_machine(device)}, {time.strftime('%Y-%m-%d')}, clip {size.clip}, {network}")
    torch.set_grad_enabled(False)
    if arguments.export:
        _export(arguments.graphs, size, "bf16", arguments.denoiser)
        return
    print("| | " + " | ".join([*ROWS, "clip", "memory"]) + " |")
    print("| --- " * 6 + "|")
    measured = arguments.small or device == "cuda"
    for way in arguments.ways:
        row = _measure(way, size, device, arguments) if measured else [NOT] * 5
        print("| " + " | ".join([WAYS[way], *row]) + " |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="small networks, on a processor too")
    parser.add_argument("--blocks", type=int, default=0, help="of the network; 0 = all of them")
    parser.add_argument("--denoiser", action="store_true", help="without the autoencoder")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="rows")
    parser.add_argument("--graphs", type=Path, help="where exported graphs are kept")
    parser.add_argument("--export", action="store_true", help="only write --graphs, for a GPU")
    parser.add_argument("--repeats", type=int, default=3, help="calls that are counted (3)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    return parser.parse_args()


def _size(arguments: argparse.Namespace) -> Size:
    size = SMALL if arguments.small else FULL
    network = replace(size.network, blocks=arguments.blocks or size.network.blocks)
    return replace(size, network=network)


def _measure(way: str, size: Size, device: Device, arguments: argparse.Namespace) -> list[str]:
    """The cells of a row: milliseconds of each of ROWS with its share, a clip, memory."""
    graphs = way in ("graph", "attention")
    made = _graphs(way, size, device, arguments) if graphs else _modules(way, size, device)
    if arguments.denoiser:
        made = itertools.islice(made, 1)
    seconds, held = [], []
    try:
        for name, call in zip(ROWS, made, strict=False):
            seconds.append(_median(call, device, arguments.repeats))
            held.append(_held(device))
            print(f"{WAYS[way]}: {name} {seconds[-1]:.4f} s", file=sys.stderr, flush=True)
    except AnyviewError as error:
        return [f"{NOT}: {error.code}"] * 5
    cells = [
        f"{1000 * s:.1f} ms{_share(work / s)}"
        for s, work in zip(seconds, _operations(size), strict=False)
    ]
    if device == "cuda":
        torch.cuda.empty_cache()
    memory = f"{max(held) / 1024:.1f} GiB" if device == "cuda" else NOT
    if way == "attention":
        return [*cells, "as above", "as above", "", memory]
    if arguments.denoiser:
        return [*cells, NOT, NOT, NOT, memory]
    denoise, encode, decode = seconds
    clip = CALLS * denoise + ENCODINGS * encode + decode
    return [*cells, f"{clip:.2f} s", memory]


def _operations(size: Size) -> tuple[float, float, float]:
    frames, height, width = size.clip
    cells = LATENT.of(*size.clip)[1:]
    coder = CODER_OPERATIONS * size.coder.width**2 * frames * height * width
    call = denoiser_operations(size.network, cells[0] * cells[1] * cells[2])
    return call, coder * 36 / 97, coder * 61 / 97


def _modules(way: str, size: Size, device: Device) -> Iterator[Callable[[], object]]:
    """In bfloat16, unfolded: what the release computes, with torch's own fused attention.

    Only the transformer is compiled.
    """
    precision = PRECISIONS["bf16"]
    with torch.device(device):  # where random weights are drawn fastest
        network = JointTransformer(size.network, precision).eval()
        coder = Autoencoder(size.coder, precision).eval()
    text = normal(1, size.network.text_tokens, size.network.text_width).to(device)
    streams = [normal(1, STREAM_CHANNELS, *cells_of(size.grid)).to(device)] * 2
    t = torch.tensor([[TIME]], device=device)
    video = normal(1, 3, *size.clip).clamp(-1, 1).to(device)
    latent = normal(1, *LATENT.of(*size.clip)).to(device)
    run: Callable[..., object] = network
    if way == "compiled":
        run = torch.compile(network)
    yield lambda: run(streams, [t, t], text)
    yield lambda: coder.encode(video, 1)
    yield lambda: coder.decode(latent, 1)


def _graphs(
    way: str, size: Size, device: Device, arguments: argparse.Namespace
) -> Iterator[Callable[[], object]]:
    """In bfloat16 on CUDA, in float32 on a processor, which has no bfloat16."""
    if device == "cuda" and way == "graph":
        _say_attention(size)
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.graphs or Path(name)
        precision = "bf16" if device == "cuda" else "parity"
        _export(folder, size, precision, arguments.denoiser or way == "attention")
        if way == "attention":
            proto = onnx.load(folder / "denoise.onnx", load_external_data=False)
            as_standard(proto)
            onnx.save(proto, folder / "attention.onnx")
            yield _bound(folder / "attention.onnx", device)
            return
        for graph in GRAPHS:
            yield _bound(folder / f"{graph}.onnx", device)


def _export(folder: Path, size: Size, precision_name: str, denoiser: bool) -> None:
    """Write what is not there of the graphs; their weights are drawn where they are used."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [g for g in GRAPHS[: 1 if denoiser else 3] if not (folder / f"{g}.onnx").exists()]
    precision, grid = PRECISIONS[precision_name], size.grid
    specs: dict[str, GraphSpec] = {}
    if "denoise" in missing:
        network = JointTransformer(size.network, precision).eval()
        text = torch.zeros(1, size.network.text_tokens, size.network.text_width)
        text[:, 0] = normal(size.network.text_width)
        specs |= denoiser_specs(FoldedDenoiser(network, text, grid, grid), grid, grid)
    if {"encode", "decode"} & set(missing):
        specs |= autoencoder_specs(Autoencoder(size.coder, precision).eval(), size.clip, 1)
    for name in missing:
        model = trace_graph(specs[name])
        with SharedWeights(folder, torch.bfloat16) as weights:
            weights.take_from(model)
        (folder / WEIGHTS).unlink()
        onnx.save(as_proto(model), folder / f"{name}.onnx")


def _draw_weights(file: Path, device: Device) -> None:
    """Write random bfloat16 numbers where a graph has its weights; float32 is two of them."""
    graph = onnx.load(file, load_external_data=False).graph
    places = [
        {e.key: int(e.value) for e in w.external_data if e.key != "location"}
        for w in graph.initializer
        if w.external_data
    ]
    size = max(place["offset"] + place["length"] for place in places)
    with (file.parent / WEIGHTS).open("wb") as weights:
        for start in range(0, size, DRAWN):
            count = min(DRAWN, size - start) // 2
            drawn = DEVIATION * torch.randn(count, device=device, dtype=torch.bfloat16)
            drawn.view(torch.int16).cpu().numpy().tofile(weights)


def _bound(file: Path, device: Device) -> Bound:
    """The graph as the pipeline calls it: on buffers of the device."""
    _draw_weights(file, device)
    graph = Graph(file, device, 0 if device == "cuda" else 1)
    shapes = {key: tuple(shape) for key, shape in graph.inputs.items()}
    bound = graph.bound(shapes, graph.output_shapes)
    for key, shape in shapes.items():
        value = torch.tensor([TIME]) if key == "t" else normal(*shape)
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


def _median(call: Callable[[], object], device: Device, repeats: int) -> float:
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


def _held(device: Device) -> int:
    """MiB of the GPU in use, workspaces that torch and ONNX Runtime keep among them."""
    if device == "cpu":
        return 0
    asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0])


def _machine(device: Device) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, no GPU"


if __name__ == "__main__":
    main()
