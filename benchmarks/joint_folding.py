"""What each folding of the joint network saves a denoiser call on the CPU, by engine.

    python -m benchmarks.joint_folding [--repeats 9]

Random weights at small size, float32, one thread; milliseconds of processor time, medians of calls
by turns, so that other work on the machine weighs on all rows alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import cast

import onnx
import torch
from torch import Tensor, nn

from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.model.export import GraphSpec, onnx_model
from anyview_ros.model.joint.config import STREAM_CHANNELS, JointConfig
from anyview_ros.model.joint.export import cells_of, denoiser_specs, normal
from anyview_ros.model.joint.folding import FoldedDenoiser
from anyview_ros.model.joint.transformer import JointTransformer

NETWORK = JointConfig(512, blocks=4, heads=8, lora=64, text_width=64, text_tokens=64)
GRID = (3, 6, 10)  # tokens of the target, as many are the source's
T = 0.7
Call = Callable[[], object]


class Unfolded(nn.Module):
    """The network as the release calls it, with tensors of one name each."""

    def __init__(self, network: JointTransformer, text: Tensor) -> None:
        super().__init__()
        self.network, self.text = network, text

    def forward(self, target: Tensor, source: Tensor, t: Tensor) -> Tensor:
        (made, *_) = self.network([target, source], [t, t], self.text)
        return cast(Tensor, made)


class AllTokens(nn.Module):
    """The last block with the tokens that no one reads."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, terms: object, rotation: object, kept: int) -> Tensor:
        return cast(Tensor, self.block(x, terms, rotation, x.shape[1])[:, :kept])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=9, help="calls of each that are counted (9)")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print("| | ms |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        calls = dict(_calls(Path(folder)))
        turns: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(arguments.repeats + 1):
            for name, call in calls.items():
                turns[name].append(_seconds(call))
        for name, seconds in turns.items():
            print(f"| {name} | {1000 * median(seconds[1:]):.1f} |")


def _calls(folder: Path) -> Iterator[tuple[str, Call]]:
    network = JointTransformer(NETWORK).eval()
    one_token = torch.zeros(1, NETWORK.text_tokens, NETWORK.text_width)
    one_token[:, 0] = normal(NETWORK.text_width)
    all_tokens = normal(1, NETWORK.text_tokens, NETWORK.text_width)
    folded = _folded(network, one_token)
    ladder = {
        "as released": _unfolded(network, all_tokens),
        "rotary angles, masks and text constant": _with_all_tokens(_folded(network, all_tokens)),
        "and the source's last tokens left out": _folded(network, all_tokens),
        "and text of one token": folded,
        "and modulations from a table": _folded(network, one_token, (T,)),
    }
    for name, spec in (("as released", ladder["as released"]), ("folded", folded)):
        yield f"torch eager, {name}", _in_torch(spec, spec.module)
        yield f"torch compiled, {name}", _in_torch(spec, torch.compile(spec.module))
    for name, spec in ladder.items():
        yield f"ONNX Runtime, {name}", _in_onnx(spec, folder / f"{name.replace(' ', '-')}.onnx")


def _with_all_tokens(spec: GraphSpec) -> GraphSpec:
    blocks = cast(FoldedDenoiser, spec.module).blocks
    blocks[-1] = AllTokens(blocks[-1])
    return spec


def _unfolded(network: JointTransformer, text: Tensor) -> GraphSpec:
    streams = {name: normal(1, STREAM_CHANNELS, *cells_of(GRID)) for name in ("target", "source")}
    inputs = {**streams, "t": torch.tensor([[T]])}
    return GraphSpec(Unfolded(network, text), inputs, ["prediction"])


def _folded(network: JointTransformer, text: Tensor, times: tuple[float, ...] = ()) -> GraphSpec:
    denoiser = FoldedDenoiser(network, text, GRID, GRID, times).eval()
    return denoiser_specs(denoiser, GRID, GRID, T)["denoise"]


def _in_torch(spec: GraphSpec, module: Callable[..., object]) -> Call:
    return lambda: module(*spec.inputs.values())


def _in_onnx(spec: GraphSpec, file: Path) -> Call:
    onnx.save(onnx_model(spec), file)
    graph = Graph(file, "cpu", 1)
    arrays = {key: value.numpy() for key, value in spec.inputs.items()}
    return lambda: graph(**arrays)


def _seconds(call: Call) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


if __name__ == "__main__":
    main()
