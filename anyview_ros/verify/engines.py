"""The engines that can run the networks under test; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from anyview_ros.errors import AnyviewError
from anyview_ros.verify.networks import Networks


def _torch() -> Networks:
    from anyview_ros.verify.torch_networks import TorchNetworks

    return TorchNetworks()


def _onnx() -> Networks:
    from anyview_ros.verify.onnx_networks import OnnxNetworks

    return OnnxNetworks()


ENGINES: dict[str, Callable[[], Networks]] = {"torch": _torch, "onnx": _onnx}


def open_networks(engine: str) -> Networks:
    """Return the networks of `torch` or `onnx`.

    Raises:
        AnyviewError: `unknown_engine`, or `no_torch` where torch is not installed.
    """
    if engine not in ENGINES:
        known = " or ".join(ENGINES)
        raise AnyviewError("unknown_engine", f"engine must be {known}, got '{engine}'")
    try:
        return ENGINES[engine]()
    except ImportError as error:
        raise AnyviewError(
            "no_torch",
            f"the networks are written in torch, which is not installed ({error}); "
            "run 'pip install anyview_ros[train]'",
        ) from None
