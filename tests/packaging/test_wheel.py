"""A wheel made from the source distribution installs and works, outside of any checkout.

Takes minutes: ./anyview test --long.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.pins import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]
FOREIGN = ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
SHARED = ("config", "foxglove", "launch", "models", "msg", "rviz", "srv")


def run(*command: object, folder: Path, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=kept | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by pip, alone, from a source distribution."""
    folder = tmp_path_factory.mktemp("made")
    listed = run("git", "ls-files", "-z", folder=ROOT).split("\0")
    there = "\0".join(name for name in listed if name and (ROOT / name).is_file())
    (folder / "names").write_text(there)
    run("tar", "--null", "-T", folder / "names", "-cf", folder / "tree.tar", folder=ROOT)
    (folder / "tree").mkdir()
    run("tar", "-xf", folder / "tree.tar", folder=folder / "tree")
    run(sys.executable, "setup.py", "-q", "sdist", "-d", folder, folder=folder / "tree")
    (sdist,) = folder.glob("*.tar.gz")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, sdist, folder=folder)
    (made,) = folder.glob("*.whl")
    return made


def test_it_holds_every_file_that_is_read(wheel: Path) -> None:
    held = {name.partition(".data/data/")[2] or name for name in zipfile.ZipFile(wheel).namelist()}
    names = run("git", "ls-files", "-z", folder=ROOT).split("\0")
    for name in filter(None, names):
        folder = name.partition("/")[0]
        if folder == "anyview_ros":
            assert name in held
        elif folder in SHARED:
            assert f"share/anyview_ros/{name}" in held
    assert "share/anyview_ros/package.xml" in held
    assert {f"lib/anyview_ros/{name}" for name in ("anyview", "sim_rig", "synth")} <= held


def test_it_works_outside_of_a_checkout(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "env", folder=tmp_path)
    run(tmp_path / "env/bin/pip", "install", "-q", wheel, folder=tmp_path)
    command = tmp_path / "env/bin/anyview"
    home = {"HOME": str(tmp_path)}
    assert "start here:" in run(command, "--help", folder=tmp_path, **home)
    demo = subprocess.run([command, "demo"], cwd=tmp_path, capture_output=True, text=True)
    assert demo.stderr.startswith("error [no_onnxruntime]: ")
    run(tmp_path / "env/bin/pip", "install", "-q", f"{wheel}[cpu]", folder=tmp_path)
    said = run(command, "demo", "--seconds", "1", folder=tmp_path, **home)
    assert "no fault found" in said
    assert (tmp_path / "out" / "demo" / "clip.mp4").is_file()
