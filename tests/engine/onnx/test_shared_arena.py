"""What the graphs of a process hold together, told by the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each graph has 90 MB of float64 between its nodes, and gives 16 MB back.
THREE_GRAPHS = """
from pathlib import Path
import numpy as np
from anyview_ros.engine.onnx import small_graphs
from anyview_ros.engine.onnx.package_files import GraphContent
from anyview_ros.engine.onnx.runtime import Graph

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1000 for line in lines if line.startswith("RssAnon"))

half = np.array(0.5)
image = np.ones((1, 1, 1, 2048, 2048), np.float32)
graphs = [Graph(GraphContent("blend", small_graphs.blend(2), {}), "cpu", 1) for _ in range(3)]
before = held()
for graph in graphs:
    graph(a=image, b=image, wa=half, wb=half)
    print(held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_graphs_of_a_process_share_what_they_work_with() -> None:
    said = subprocess.check_output([sys.executable, "-c", THREE_GRAPHS], text=True)
    first, _, third = map(int, said.split())
    assert first > 60  # MB: what one holds
    assert third < 1.3 * first
