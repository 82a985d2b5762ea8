"""What is known of the robots of worlds without making a world: launch files read it.

`ros2 launch` runs on ROS's own Python, which sees nothing of a virtual environment: this module
imports nothing that pip brings there.
"""

from __future__ import annotations

from dataclasses import dataclass

from anyview_ros.errors import AnyviewError


@dataclass(frozen=True)
class Robot:
    """Describe the robot of a world.

    Args:
        cameras: names of its rig's cameras.
        scene_scale: see `World.scene_scale`.
    """

    cameras: tuple[str, ...]
    scene_scale: float


ROBOTS = {
    "street": Robot(("front", "left", "right"), 1 / 16),
    "table": Robot(("front", "side", "wrist"), 0.5),
}


def robot_of(world: str) -> Robot:
    """Return the robot of a world of that kind.

    Raises:
        AnyviewError: `unknown_world` when there is no such kind, or it has no robot.
    """
    if world not in ROBOTS:
        raise AnyviewError("unknown_world", f"world must be one of {sorted(ROBOTS)}, got '{world}'")
    return ROBOTS[world]
