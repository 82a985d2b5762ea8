"""Start the node `anyview`: `ros2 launch anyview_ros synth.launch.py [name:=value ...]`."""

import os
from collections.abc import Callable
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from anyview_ros.node import launch_arguments

SHARE = get_package_share_directory("anyview_ros")
# Fast DDS 3 (Kilted) reads the first name, Fast DDS 2 (Jazzy) only the second.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")

ARGUMENTS = {
    "model": ("", "model package, a name or a path; empty: as params_file says"),
    "cameras": ("", "names of the source cameras, front,left; empty: as params_file says"),
    "scene_scale": ("", "factor on Plücker moments; empty: as params_file says"),
    "autostart": ("", "whether it becomes active by itself; empty: as params_file says"),
    "params_file": (os.path.join(SHARE, "config", "synth.yaml"), "all parameters"),
    "use_sim_time": ("", "whether /clock is the time; empty: as params_file says"),
    "namespace": ("", "of the node and its topics"),
}
# How the words of those that are parameters become values.
READ: dict[str, Callable[[str, str], Any]] = {
    "model": lambda _, word: word,
    "cameras": launch_arguments.names,
    "scene_scale": launch_arguments.number,
    "autostart": launch_arguments.flag,
    "use_sim_time": launch_arguments.flag,
}


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=meaning)
        for name, (default, meaning) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, *large_images(), OpaqueFunction(function=synth)])


def synth(context: LaunchContext) -> list[LifecycleNode]:
    """The node, with the arguments that were given above those of the file."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    chosen = {name: read(name, given[name]) for name, read in READ.items() if given[name]}
    return [
        LifecycleNode(
            package="anyview_ros",
            executable="synth",
            name="anyview",
            namespace=given["namespace"],
            parameters=[given["params_file"], chosen],
            output="screen",
        )
    ]


def large_images() -> list[SetEnvironmentVariable]:
    """Our DDS profile, unless the user has one: the default loses large images silently."""
    if any(name in os.environ for name in PROFILE_VARIABLES):
        return []
    profile = os.path.join(SHARE, "config", "fastdds.xml")
    return [SetEnvironmentVariable(name, profile) for name in PROFILE_VARIABLES]
