"""The one module that knows ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
AUTO = "auto"


def choose_provider(asked: str = AUTO) -> str:
    """`cpu` or `cuda`: what was asked if this build of ONNX Runtime has it, `auto` the fastest.

    Raises:
        AnyviewError: `no_onnxruntime`, `unknown_provider` or `provider_unavailable`.
    """
    if asked not in (AUTO, *PROVIDERS):
        raise AnyviewError(
            "unknown_provider", f"provider must be {AUTO}, cpu or cuda, got '{asked}'"
        )
    available = _onnxruntime().get_available_providers()
    if asked == AUTO:
        return "cuda" if PROVIDERS["cuda"] in available else "cpu"
    if PROVIDERS[asked] not in available:
        raise AnyviewError(
            "provider_unavailable",
            f"provider '{asked}' was asked for, this ONNX Runtime has {', '.join(available)}; "
            "install onnxruntime-gpu in place of onnxruntime, or ask for 'cpu'",
        )
    return asked


class Graph:
    """One ONNX graph in a session, called with named arrays.

    Args:
        file: the .onnx file; external data must lie beside it.
        provider: `cpu` or `cuda`, from `choose_provider`.
        threads: of the CPU provider; 0 = one a core.

    Raises:
        AnyviewError: `invalid_model` when the file cannot be loaded, `provider_unavailable` when
            ONNX Runtime fell back to another provider than `provider` without saying so.
    """

    def __init__(self, file: Path, provider: str, threads: int = 0) -> None:
        ort = _onnxruntime()
        if provider == "cuda":
            ort.preload_dlls()  # CUDA and cuDNN from wheels are not on the loader's path
        try:
            self._session = ort.InferenceSession(
                str(file), _session_options(ort, threads), [PROVIDERS[provider]]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            raise AnyviewError("invalid_model", f"{file} cannot be loaded: {error}") from error
        running = self._session.get_providers()[0]
        if running != PROVIDERS[provider]:
            raise AnyviewError(
                "provider_unavailable",
                f"provider '{provider}' was asked for, ONNX Runtime fell back to {running}; "
                "check the driver and that cuDNN is installed, or ask for 'cpu'",
            )
        self.inputs = {i.name: i.shape for i in self._session.get_inputs()}
        self.outputs = tuple(o.name for o in self._session.get_outputs())

    def __call__(self, **arrays: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Every output by its name.

        Raises:
            AnyviewError: `inference_failed` with ONNX Runtime's own words, out of memory included.
        """
        try:
            values = self._session.run(None, arrays)
        except Exception as error:  # as above
            shapes = ", ".join(f"{k} {v.shape}" for k, v in arrays.items())
            raise AnyviewError("inference_failed", f"{error} (inputs: {shapes})") from error
        return dict(zip(self.outputs, values, strict=True))


def load_graphs(files: Mapping[str, Path], provider: str, threads: int = 0) -> dict[str, Graph]:
    """Sessions of several graphs by name."""
    return {name: Graph(file, provider, threads) for name, file in files.items()}


def _session_options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    # A spinning thread pool starves the camera callbacks on machines with few cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise AnyviewError(
            "no_onnxruntime",
            "onnxruntime is not installed; run 'pip install onnxruntime' "
            "(onnxruntime-gpu with an NVIDIA GPU, never both)",
        ) from None
    return onnxruntime
