"""docs/video.md says what the code does."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from pathlib import Path

import numpy as np

from anyview_ros.cli import demo
from anyview_ros.geometry import BODY_FROM_OPTICAL, STANDING_CAMERA
from anyview_ros.media.video import read_trajectory
from anyview_ros.node.simulation.rig_parameters import RIG_PARAMETERS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "video.md").read_text()


def test_the_example_of_poses_drives_ahead_level(tmp_path: Path) -> None:
    (example,) = re.findall(r"```text\n(.*?)```", TEXT, re.S)
    (tmp_path / "poses.txt").write_text(example)
    trajectory = read_trajectory(tmp_path / "poses.txt")
    for pose in trajectory.world_from_cam:
        np.testing.assert_allclose(pose[:3, :3], BODY_FROM_OPTICAL[:3, :3], atol=1e-12)
    np.testing.assert_allclose(trajectory.world_from_cam[0], STANDING_CAMERA, atol=1e-12)
    assert trajectory.times_ns == (0, 100_000_000)


def test_the_pedestrians_are_seen_from_25_degrees_above(tmp_path: Path) -> None:
    (line,) = re.findall(r'echo "(.*?)" > poses.txt', TEXT)
    (tmp_path / "poses.txt").write_text(line)
    (pose,) = read_trajectory(tmp_path / "poses.txt").world_from_cam
    x, y, z = pose[:3, 2]  # where it looks
    np.testing.assert_allclose((np.degrees(np.arctan2(-z, x)), y), (25, 0), atol=0.1)
    assert pose[:3, 3].tolist() == [0, 0, 6]
    assert abs(pose[2, 0]) < 1e-3  # the horizon is level


def test_its_commands_are_understood() -> None:
    parser = ArgumentParser()
    demo.add_arguments(parser)
    understood = {option for action in parser._actions for option in action.option_strings}
    used = set(re.findall(r"(?<![\w-])--[a-z]+", TEXT.partition("## The node behind it")[0]))
    assert used
    assert used <= understood


def test_the_table_of_parameters_is_that_of_the_node() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| (.*) \|$", TEXT, re.M)
    declared = [(each.name, json.dumps(each.default), each.meaning) for each in RIG_PARAMETERS]
    assert rows == declared
