"""The Fast DDS profile with which large images arrive, see config/fastdds.xml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anyview_ros.installed import shared

# The first name is read by Fast DDS 2 (ROS 2 Jazzy), the second by Fast DDS 3 (Kilted).
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
FILE = "config/fastdds.xml"


def profile_file() -> Path | None:
    """The profile that came with this package; None if it is not installed beside it."""
    return next(filter(Path.is_file, shared(FILE)), None)


def named_profile(environment: Mapping[str, str]) -> str:
    """The profile that an environment names; empty if none."""
    return next((environment[name] for name in VARIABLES if environment.get(name)), "")


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with a profile: its own if it names one, else ours."""
    named = named_profile(environment) or str(profile_file() or "")
    return {**environment, **dict.fromkeys(VARIABLES, named)} if named else dict(environment)
