"""The Fast DDS profile with which large images arrive, see config/fastdds.xml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anyview_ros.doctor.installed import prefixes

# The first name is read by Fast DDS 2 (ROS 2 Jazzy), the second by Fast DDS 3 (Kilted).
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
FILE = Path("config", "fastdds.xml")


def profile_file() -> Path | None:
    """The profile that came with this package; None if it is not installed beside it."""
    checkout = Path(__file__).resolve().parents[2]
    folders = [checkout, *(prefix / "share" / "anyview_ros" for prefix in prefixes())]
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)


def named_profile(environment: Mapping[str, str]) -> str:
    """The profile that an environment names; empty if none."""
    return next((environment[name] for name in VARIABLES if environment.get(name)), "")


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with a profile: its own if it names one, else ours."""
    named = named_profile(environment) or str(profile_file() or "")
    return {**environment, **dict.fromkeys(VARIABLES, named)} if named else dict(environment)
