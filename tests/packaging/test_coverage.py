"""`python -m tests.coverage` sees every process, however it ends, unless it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from tests.packaging.pins import ROOT

coverage = pytest.importorskip("coverage", reason="of requirements/test.txt")

# How a process ends -> a module that it alone imports.
ENDS = {
    "os._exit(0)": "anyview_ros.engine.lru_cache",
    "os.kill(os.getpid(), signal.SIGTERM)": "anyview_ros.engine.arithmetic",
    "sys.exit(1)": "anyview_ros.node.ros_arguments",
}
KILLED = "anyview_ros.node.steady_clock"


def test_every_process_is_measured_that_is_not_killed(tmp_path: Path) -> None:
    ends = {**ENDS, "os.kill(os.getpid(), signal.SIGKILL)": KILLED}
    start = """
        import subprocess, sys
        for end, module in {ends!r}.items():
            code = f"import os, signal, sys, {{module}}; {{end}}"
            subprocess.run([sys.executable, "-c", code])
    """
    script = tmp_path / "start.py"
    script.write_text(textwrap.dedent(start).format(ends=ends))
    outer = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START", "COVERAGE_RUN")
    environment = {k: v for k, v in os.environ.items() if k not in outer}
    environment |= {"COVERAGE_FILE": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "coverage", "run", str(script)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    measured = coverage.Coverage(
        data_file=str(tmp_path / "data"), config_file=str(ROOT / "pyproject.toml")
    )
    measured.combine()
    data = measured.get_data()
    seen = {Path(file) for file in data.measured_files() if data.lines(file)}
    assert {place(module) for module in ENDS.values()} <= seen
    assert place(KILLED) not in seen


def test_its_rooms_are_those_that_are_measured() -> None:
    from tests.coverage import ROOMS, TESTS

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    assert settings["source_pkgs"] == [f"anyview_ros.{room}" for room in ROOMS]
    assert all((ROOT / "tests" / room).is_dir() for room in TESTS)


def place(module: str) -> Path:
    return (ROOT / module.replace(".", "/")).with_suffix(".py")
