"""docs/joint.md: its commands are commands, its modules exist."""

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

import anyview_ros
from anyview_ros.engine.onnx.providers import session_providers

ROOT = Path(anyview_ros.__file__).parent
DOC = (ROOT.parent / "docs" / "joint.md").read_text()
COMMANDS = re.findall(r"^anyview .*$", DOC, re.M)
MODULES = re.findall(r"`((?:model|engine|tools)/[\w/]+(?:\.py|/))`", DOC)


def test_there_are_commands_and_modules():
    assert len(COMMANDS) == 4
    assert len(MODULES) >= 6


@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_understood(line):
    _, name, *arguments = shlex.split(line, comments=True)
    command = import_module(f"anyview_ros.cli.{name}")
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    parser.parse_args(arguments)


@pytest.mark.parametrize("name", MODULES)
def test_module_exists(name):
    assert (ROOT / name).exists()


def test_what_is_said_of_a_gpu_is_what_is_done_there():
    """Kernels are not recorded, and a GPU was measured."""
    options = [each for p in ("cuda", "tensorrt") for _, each in session_providers(p)]
    assert ("CUDA graph" in DOC) == any("cuda_graph" in name for each in options for name in each)
    results = (ROOT.parent / "benchmarks" / "RESULTS.md").read_text()
    assert ("RESULTS.md#on-a-gpu" in DOC) == ("\n## On a GPU\n" in results)
    assert "No GPU" not in DOC
