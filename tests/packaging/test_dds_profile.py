"""config/fastdds.xml is really loaded; with a typo in it or in a variable's name all seems well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "config" / "fastdds.xml"
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
MEBIBYTE = 2**20

# Prints the size of the largest shared-memory segment of Fast DDS that it has mapped.
PARTICIPANT = """
import rclpy
rclpy.init()
node = rclpy.create_node("segment")
sizes = [0]
for line in open("/proc/self/maps"):
    span, path = line.split()[0], line.split()[-1]
    if "/dev/shm/fast" in path and "port" not in path:
        first, last = (int(address, 16) for address in span.split("-"))
        sizes.append(last - first)
print(max(sizes))
"""


def segment_bytes(**variables: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"ROS_DOMAIN_ID": "13", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    done = subprocess.run(
        [sys.executable, "-c", PARTICIPANT],
        env=environment | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout.splitlines()[-1])


def test_profile_gives_large_segments() -> None:
    both = dict.fromkeys(VARIABLES, str(PROFILE))
    assert segment_bytes(**both) >= 64 * MEBIBYTE


def test_without_it_a_vga_image_does_not_fit() -> None:
    """What the profile is for. When this fails, Fast DDS has a better default at last."""
    assert 0 < segment_bytes() < 640 * 480 * 3


@pytest.mark.parametrize("variable", VARIABLES)
def test_which_distribution_reads_which_name(variable: str) -> None:
    """Jazzy the first alone, the second silently ignored; Kilted both, the first with a warning."""
    loaded = segment_bytes(**{variable: str(PROFILE)}) >= 64 * MEBIBYTE
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    reads_first = any(Path(prefix, "lib", "libfastrtps.so").exists() for prefix in prefixes)
    assert loaded == (variable == VARIABLES[0] or not reads_first)
