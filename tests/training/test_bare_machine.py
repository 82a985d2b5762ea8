"""What trains on a machine without ROS, video or bags, a rented GPU say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"av", "rclpy", "rosbags", "mcap", "ros_wheels_bootstrapper"}:
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
import anyview_ros.model.export
import anyview_ros.training.distillation
import anyview_ros.training.loop
from anyview_ros.cli.__main__ import main

main(["train", "--help"])
"""


def test_training_needs_neither_ros_nor_video() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--from" in done.stdout
