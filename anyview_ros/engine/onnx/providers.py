"""Execution providers of ONNX Runtime: their options, and whether a graph really runs on one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from anyview_ros.errors import AnyviewError

Provider = Literal["cpu", "cuda", "tensorrt"]
ProviderChoice = Literal["auto", "cpu", "cuda", "tensorrt"]
Device = Literal["cpu", "cuda"]  # where tensors lie, by ONNX Runtime's name

PROVIDERS: Mapping[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
AUTO: Final = "auto"
SHAPES = {"Shape", "Size", "Gather", "Concat", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Expand"}
SUMS = {"Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "ReduceProd", "Range", "Cast", "Identity"}
LOGIC = {"Equal", "Less", "Greater", "And", "Or", "Not", "Where", "ConstantOfShape"}
# Operators that the CUDA provider leaves on the CPU if they only reckon with sizes.
OF_SIZES = SHAPES | SUMS | LOGIC
Options = dict[str, str]


class Assigned(NamedTuple):
    """A node of a loaded graph and the provider that runs it, by ONNX Runtime's name."""

    provider: str
    operator: str
    node: str


def chosen(asked: ProviderChoice, available: Sequence[str]) -> Provider:
    """The provider that was asked for; `auto` is CUDA where it is there.

    TensorRT is for those who ask for it: it builds an engine for minutes at the first load.

    Raises:
        AnyviewError: `unknown_provider` or `provider_unavailable`.
    """
    if asked not in (AUTO, *PROVIDERS):
        raise AnyviewError(
            "unknown_provider",
            f"provider must be {AUTO}, cpu, cuda or tensorrt, got '{asked}'",
        )
    if asked == AUTO:
        return "cuda" if PROVIDERS["cuda"] in available else "cpu"
    if PROVIDERS[asked] not in available:
        raise AnyviewError(
            "provider_unavailable",
            f"provider '{asked}' was asked for, this ONNX Runtime has {', '.join(available)}; "
            "install onnxruntime-gpu in place of onnxruntime, or ask for 'cpu'",
        )
    return asked


def device_of(provider: Provider) -> Device:
    """Return where the provider's tensors lie."""
    return "cpu" if provider == "cpu" else "cuda"


def session_providers(provider: Provider, package: str = "") -> list[tuple[str, Options]]:
    """Providers of a session, first choice first, with their options; `package` as in
    `engine_folder`.

    Kernels are not recorded (`enable_cuda_graph`): what one call's buffers were recorded with is
    played again for every later call, whatever its buffers and shapes, and answers are garbage.
    """
    if provider == "cpu":
        return [(PROVIDERS["cpu"], {})]
    cuda = {
        # Else every convolution is timed at the first call, with gigabytes of workspace.
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",  # float32 means float32: 19 bits are not what packages were compared in
    }
    if provider == "cuda":
        return [(PROVIDERS["cuda"], cuda)]
    tensorrt = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(engine_folder(package)),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(engine_folder()),  # of kernels, whatever the weights
        "trt_fp16_enable": "1",  # of graphs in float16; others keep the precision they have
        "trt_layer_norm_fp32_fallback": "1",  # norms overflow in float16
    }
    # What TensorRT has no kernel for, as MultiHeadAttention of ONNX Runtime, is CUDA's.
    return [(PROVIDERS["tensorrt"], tensorrt), (PROVIDERS["cuda"], cuda)]


def engine_folder(package: str = "") -> Path:
    """Return where TensorRT keeps the engines of a package.

    An engine holds weights, and its name does not tell which: ONNX Runtime makes it of the names
    of files, nodes and tensors, and these are alike in packages of one network.

    Args:
        package: sha256 of its manifest; empty: none.
    """
    return cache_folder() / "tensorrt" / package[:16]


def cache_folder() -> Path:
    """Of what can be made again, the user's."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyview"


def check_running(running: str, provider: Provider) -> None:
    """Whether a session's first provider is the one that was asked for.

    Raises:
        AnyviewError: `provider_unavailable`: ONNX Runtime falls back without saying so.
    """
    if running != PROVIDERS[provider]:
        raise AnyviewError(
            "provider_unavailable",
            f"provider '{provider}' was asked for, ONNX Runtime fell back to {running}; "
            "check the driver and that cuDNN is installed, or ask for 'cpu'",
        )


def check_assigned(nodes: Iterable[Assigned], provider: Provider, fixed: bool, graph: str) -> None:
    """Whether nothing of a graph was left to the processor.

    Args:
        fixed: whether all its shapes are fixed. Else the processor may reckon with sizes.
        graph: named in the error.

    Raises:
        AnyviewError: `left_on_cpu`, counting the nodes by operator.
    """
    if provider == "cpu":
        return
    left = Counter(
        node.operator
        for node in nodes
        if node.provider == PROVIDERS["cpu"] and (fixed or node.operator not in OF_SIZES)
    )
    if left:
        found = ", ".join(f"{count} {operator}" for operator, count in left.most_common())
        raise AnyviewError(
            "left_on_cpu",
            f"provider '{provider}' has no kernels for {found} of {graph}: each call would wait "
            "for the processor; export the package in another precision, or ask for 'cpu'",
        )
