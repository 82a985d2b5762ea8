"""docs/data.md: its blocks run one after the other, and it says what the code does."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from anyview_ros.cli import convert_bag, convert_video
from anyview_ros.datasets.bag_choice import CameraOptions
from anyview_ros.media.video_writer import VideoWriter
from anyview_ros.training.files import FileConfig, FileScenes
from tests.datasets.rig_bag import MS, RigRecording
from tests.media.pictures import ramp
from tests.packages import make_package

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"(?:<!-- needs: (?P<needs>[^>]+) -->\n)?```(?P<kind>sh|python)\n(?P<text>.*?)```", re.S
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the blocks start from: a bag, a video, a model, and the launcher."""
    RigRecording().write(tmp_path / "drive")
    with VideoWriter(tmp_path / "walk.mp4", (64, 48)) as writer:
        for k in range(20):
            writer.write(ramp(k), k * 100 * MS)
    make_package(tmp_path / "home" / "anyview" / "models" / "MODEL")
    launcher = tmp_path / "anyview"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anyview_ros.cli "$@"\n')
    launcher.chmod(0o755)
    return tmp_path


@pytest.mark.timeout(900)
def test_the_blocks_run(folder: Path) -> None:
    blocks = list(BLOCK.finditer(TEXT))
    assert [block["kind"] for block in blocks] == ["sh", "sh", "sh", "python", "python", "sh"]
    assert [block["needs"] for block in blocks] == ["a sourced ROS 2", *[None] * 5]
    said = [run(block["kind"], block["text"], folder) for block in blocks[1:]]
    assert "2 scenes in scenes" in said[0]
    assert "2 scenes in scenes" in said[1]
    scenes = FileScenes(folder / "scenes", 9, 0.1, (96, 160))
    printed = said[3].splitlines()
    assert len(printed) == len(scenes) == 5
    assert printed[0] == "scenes/drive-0000 ('front', 'left') (2, 9, 96, 160, 3)"
    assert printed[-1] == "scenes/walk-0001 ('camera',) (1, 9, 96, 160, 3)"
    assert (folder / "bench" / "results.json").is_file()


def test_the_set_of_scenes_is_one_for_a_config() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    (values,) = tomllib.loads(text)["scenes"].values()
    config = FileConfig(**values)
    assert (config.root, config.size) == ("scenes", [96, 160])


def run(kind: str, text: str, folder: Path) -> str:
    command = ["bash", "-e", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / "home")}  # where models are found
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", [convert_bag, convert_video])
def test_the_table_of_options_is_that_of_the_command(command: object) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    options = {
        action.option_strings[0]: action.default
        for action in parser._actions
        if action.option_strings and action.dest not in ("help", "hfov")
    }
    table = dict(re.findall(r"^\| `(--[\w-]+)` \| (.*?) \|", TEXT, re.M))
    assert command is convert_video or table.keys() == options.keys()
    for name, default in options.items():
        if default not in (None, ()):
            assert table[name].strip("`") == str(default)


def test_its_codes_are_those_of_the_code() -> None:
    sources = "".join(file.read_text() for file in (ROOT / "anyview_ros").rglob("*.py"))
    codes = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", TEXT))
    codes -= {"stamp_ns", "world_from_cam", "write_scene"}
    codes -= {option.name for option in fields(CameraOptions)}
    assert len(codes) > 20
    for code in codes:
        assert f'"{code}"' in sources, code
