"""Whether a package fits into memory, asked before anything of it is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anyview_ros.contract import Precision
from anyview_ros.engine.onnx.providers import Device
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import ModelPackage

GB = 1e9
# Weights of fp32 packages lie in 16 bits on the disk; the others are computed with as they lie.
WIDENED: Mapping[Precision, int] = {"fp32": 2}
MEMINFO = Path("/proc/meminfo")
TOOL_TIMEOUT_S = 20


@dataclass(frozen=True)
class Needed:
    """Bytes of a package's weights where it runs, and of its largest call beside them."""

    weights: int
    call: int

    @property
    def total(self) -> int:
        return self.weights + self.call


def needed(package: ModelPackage) -> Needed:
    """An estimate: the size of its files, and what its export reckoned for a call."""
    files = (package.path / name for name in package.contract.files)
    stored = sum(f.stat().st_size for f in files if f.suffix in (".onnx", ".bin", ".data"))
    widened = WIDENED.get(package.contract.precision, 1)
    return Needed(widened * stored, package.contract.call_bytes)


def free_bytes(device: Device) -> int | None:
    """Of the machine, or of its first GPU; None where nobody tells.

    Args:
        device: `cpu` or `cuda`.
    """
    return _free_on_gpu() if device == "cuda" else _free_in_machine()


def check_fits(package: ModelPackage, device: Device, freed: int = 0) -> None:
    """Refuse what cannot be loaded, in place of being killed for it.

    Args:
        freed: bytes that can be freed before it is loaded.

    Raises:
        AnyviewError: `not_enough_memory`, with the numbers.
    """
    wanted, free = needed(package), free_bytes(device)
    if free is not None and wanted.total > free + freed:
        more = f", and {freed / GB:.1f} with the model that it would replace" if freed else ""
        raise AnyviewError(
            "not_enough_memory",
            f"model '{package.contract.name}' needs about {wanted.total / GB:.1f} GB on {device}: "
            f"{wanted.weights / GB:.1f} for weights, {wanted.call / GB:.1f} for a call; "
            f"{free / GB:.1f} GB are free{more}. Export it in fp16, for shorter clips or smaller "
            "images, or stop what else uses that memory",
        )


def _free_in_machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None


def _free_on_gpu() -> int | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    # The tool does not heed the variable, and does not know all that it may hold.
    return (visible and _told_by(tool, f"--id={visible}")) or _told_by(tool)


def _told_by(tool: str, *which: str) -> int | None:
    asked = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits", *which]
    try:
        told = subprocess.run(
            asked, capture_output=True, text=True, check=True, timeout=TOOL_TIMEOUT_S
        )
        return 2**20 * int(told.stdout.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
