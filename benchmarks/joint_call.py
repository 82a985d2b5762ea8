"""One call of a package's denoiser on the CPU: that it runs, how long, and with how much memory.

    python -m benchmarks.joint_call PACKAGE [--threads 0]

For packages that are too large for a clip on a processor. The inputs are random.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np

from anyview_ros.engine.onnx.bound_denoiser import BoundDenoiser
from anyview_ros.engine.onnx.memory import needed
from anyview_ros.engine.onnx.runtime import Graph, OnDevice
from anyview_ros.packages import find_package, load_package

GIB = 2**20  # in the kernel's KiB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("package", help="name or folder")
    parser.add_argument("--threads", type=int, default=0, help="0 = one a core")
    arguments = parser.parse_args()
    package = load_package(find_package(arguments.package))
    contract, wanted = package.contract, needed(package)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(
        f"estimated {wanted.weights / 2**30:.1f} GiB of weights, {wanted.call / 2**30:.1f} a call"
    )

    started = time.perf_counter()
    graph, device = Graph(package.graph("denoise"), "cpu", arguments.threads), OnDevice("cpu")
    print(f"loaded in {time.perf_counter() - started:.0f} s, {_gib('RssAnon'):.1f} GiB", flush=True)
    rng = np.random.default_rng(0)
    inputs = {
        name: rng.standard_normal(shape, np.float32)
        for name, shape in graph.inputs.items()
        if name != "t"
    }
    noisy = inputs["noisy"]
    shapes = {name: array.shape for name, array in inputs.items()}
    denoiser = BoundDenoiser(graph, device, contract.name, contract.prediction, shapes)
    denoiser.condition({name: inputs[name] for name in inputs.keys() - {"noisy"}}, None)

    started = time.perf_counter()
    x0 = device.get(denoiser(device.put(noisy), 1.0))
    print(
        f"a call for {contract.frames[0]} frames of {contract.sizes[0]}: "
        f"{time.perf_counter() - started:.1f} s; x0 {x0.shape}, finite, of spread {x0.std():.2f}; "
        f"{_gib('RssAnon'):.1f} GiB, at most {_gib('VmHWM'):.1f} with mapped files"
    )


def _gib(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / GIB


if __name__ == "__main__":
    main()
