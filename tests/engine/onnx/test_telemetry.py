"""Nothing is written below the user's home, neither by us nor by ONNX Runtime."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import anyview_ros
from anyview_ros.frames import Clip
from tests.evaluation.scenes import CAMERA, frames_of, poses

ROOT = Path(anyview_ros.__path__[0]).parent
DEFAULT_MODEL = """
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import View
from anyview_ros.node.parameters import NODE_PARAMETERS
from anyview_ros.packages import find_package, load_package
from tests.evaluation.scenes import CAMERA, poses
from tests.engine.onnx.test_telemetry import clip

(model,) = [p.default for p in NODE_PARAMETERS if p.name == "model"]
pipeline = Pipeline(load_package(find_package(model)), "cpu", 1)
frames = pipeline.synthesize([clip()], View(CAMERA, poses(1.0, count=9)), SynthesisOptions())
print(frames.frames.shape)
"""


def clip() -> Clip:
    """Nine frames of noise."""
    images = np.random.default_rng(7).integers(0, 256, (9, CAMERA.height, CAMERA.width, 3))
    return Clip(frames_of(images.astype(np.uint8), poses(0.0, count=9)))


def written_at_home(home: Path, code: str) -> list[str]:
    """Files that a process leaves below a fresh home."""
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_"))}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**kept, "HOME": str(home), "PYTHONPATH": path},
        cwd=ROOT,
        timeout=240,
    )
    return [str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()]


def test_the_default_model_leaves_nothing_at_home(tmp_path: Path) -> None:
    assert written_at_home(tmp_path / "home", DEFAULT_MODEL) == []


def imports_of(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "scripts", "launch"])
def test_nobody_loads_onnxruntime_past_the_module_that_knows_it(folder: str) -> None:
    """Who is first decides: it is too late to switch it off after the import."""
    files = sorted((ROOT / folder).rglob("*.py"))
    loads = [file.name for file in files if {"onnxruntime"} & imports_of(file)]
    assert files
    assert loads == []
