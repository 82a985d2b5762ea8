"""The parameters of `sim_rig`, declared once: as ROS has them, and as options of `anyview rig`."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from anyview_ros.worlds.seeds import DEMO_SEED

Value = str | int | float


@dataclass(frozen=True)
class RigParameter:
    """One parameter, read once, at the start.

    Args:
        low, high: smallest and largest value of a number.
    """

    name: str
    default: Value
    meaning: str
    low: float = -inf
    high: float = inf


RIG_PARAMETERS = (
    RigParameter(
        "world",
        "street",
        "`street` or `table`; or `motorcycle`, a still of scikit-image; not used with a source",
    ),
    RigParameter("seed", DEMO_SEED, "which of all the streets or tables", 0, 2**31 - 1),
    RigParameter("rate", 10.0, "images a second of each camera, in simulated time", 0.01, 1e9),
    RigParameter("seconds", 0.0, "simulated seconds until the cameras stop; 0 = never", 0.0, 1e9),
    RigParameter("source", "", "video file or folder of images to play in place of a world"),
    RigParameter(
        "hfov", 0.0, "horizontal field of view of the source's camera, degrees", 0.0, 180.0
    ),
    RigParameter(
        "poses", "", "poses of the source's camera in TUM's format; empty = it stands still"
    ),
    RigParameter(
        "readers",
        0,
        "readers of every camera to wait for before the first image, so that they miss none",
        0,
        1000,
    ),
    RigParameter("render_threads", 1, "CPU threads that render the world", 1, 1024),
)
