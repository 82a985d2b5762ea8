"""`./anyview test [PYTEST ARGUMENTS]`: style, types and all tests; with arguments only pytest.

Over another ROS 2 distribution than the default one: the tests in which ROS has a part.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)
ROS_TESTS = (
    "tests/robot",
    "tests/tools",
    "tests/integration",
    "tests/packaging/test_interfaces.py",
    "tests/packaging/test_dds_profile.py",
)
# Tests stay on this machine, and rclpy checks the type of every field (Kilted does not by default).
ENVIRONMENT = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_PYTHON_CHECK_FIELDS": "1"}


def main(arguments: list[str]) -> None:
    os.chdir(ROOT)
    if not arguments and os.environ.get("ANYVIEW_ROS", "jazzy") != "jazzy":
        arguments = list(ROS_TESTS)
    for check in () if arguments else CHECKS:
        print(f"== {' '.join(check)}", flush=True)
        status = subprocess.run([sys.executable, "-m", *check]).returncode
        if status != 0:
            sys.exit(status)
    pytest = [sys.executable, "-m", "pytest", *arguments]
    print(f"== {' '.join(pytest[2:])}", flush=True)
    os.execve(sys.executable, pytest, os.environ | ENVIRONMENT)


if __name__ == "__main__":
    main(sys.argv[1:])
