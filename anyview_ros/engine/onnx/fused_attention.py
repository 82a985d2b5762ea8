"""Whether attention over many tokens is one fused kernel on a GPU.

Written out, the scores of the released network are 7 GB in float16, and more than the 2^31 that a
kernel's index counts. ONNX Runtime tells its choice of kernel on standard output, when asked to.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from anyview_ros.contract import Contract, FusedAttention, Precision
from anyview_ros.engine.onnx import small_graphs
from anyview_ros.engine.onnx.providers import PROVIDERS, Assigned, Provider
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.errors import AnyviewError

TELL = "ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO"
OPERATORS = {"MultiHeadAttention", "Attention"}  # of ONNX Runtime, and of ONNX from opset 23 on
UNFUSED = {"MATH", "DEFAULT"}
KINDS: Mapping[Precision, int] = {
    "fp32": small_graphs.FLOAT,
    "fp16": small_graphs.FLOAT16,
    "bf16": small_graphs.BFLOAT16,
}


def check_fused(nodes: Iterable[Assigned], contract: Contract, provider: Provider) -> None:
    """Whether a GPU has fused kernels for the attention that a package must have them for.

    Args:
        nodes: of its denoiser, as loaded.

    Raises:
        AnyviewError: `attention_not_fused`.
    """
    wanted = contract.attention
    if provider == "cpu" or wanted is None:
        return
    fused = sum(n.operator in OPERATORS and n.provider != PROVIDERS["cpu"] for n in nodes)
    if fused < wanted.nodes:
        raise _refusal(
            contract, provider, f"{fused} of {wanted.nodes} nodes of it are one operator"
        )
    unfused = kernels(wanted, contract.precision) & UNFUSED
    if unfused:
        raise _refusal(contract, provider, f"ONNX Runtime computes it by {', '.join(unfused)}")


def kernels(
    attention: FusedAttention, precision: Precision, provider: Provider = "cuda"
) -> set[str]:
    """Which kernels ONNX Runtime takes, by its own names; empty where it does not tell.

    A graph of this one node is asked: a session that tells goes on telling at every call. It has
    one head, so that scores that are written out after all fit into memory; heads do not matter
    to the choice.
    """
    shape = (1, attention.tokens, attention.width)
    with tempfile.TemporaryDirectory() as folder, _told() as told:
        file = Path(folder) / "attention.onnx"
        file.write_bytes(small_graphs.attention(KINDS[precision]))
        given = ("query", "key", "value")
        bound = Graph(file, provider).bound(dict.fromkeys(given, shape), {"attended": shape})
        for name in given:
            bound.write(name, np.zeros(shape, np.float32))
        bound()
        return named_kernels(told())


def named_kernels(said: str) -> set[str]:
    """Those in what ONNX Runtime tells."""
    return set(re.findall(r"\bSdpaKernel=(\w+)", said))


@contextmanager
def _told() -> Iterator[Callable[[], str]]:
    """What the process writes to its standard output meanwhile, libraries in C among it."""
    sys.stdout.flush()
    kept, before = os.dup(1), os.environ.get(TELL)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.environ[TELL] = "1"

        def told() -> str:
            said.seek(0)
            return said.read().decode(errors="replace")

        try:
            yield told
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            del os.environ[TELL]
            if before is not None:
                os.environ[TELL] = before


def _refusal(contract: Contract, provider: Provider, why: str) -> AnyviewError:
    wanted = contract.attention
    assert wanted is not None
    return AnyviewError(
        "attention_not_fused",
        f"'{contract.name}' on {provider} needs fused attention of {wanted.tokens} tokens with "
        f"heads of {wanted.width}, but {why}: take fp16 or bf16, a GPU of 2017 or later, another "
        "ONNX Runtime, or ask for 'cpu'",
    )
