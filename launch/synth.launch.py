"""Start the node `anyview`: `ros2 launch anyview_ros synth.launch.py [name:=value ...]`."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from anyview_ros.node import launch_arguments

SHARE = get_package_share_directory("anyview_ros")
# Fast DDS 3 (Kilted) reads the first name, Fast DDS 2 (Jazzy) only the second.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")

DEFAULTS = {"params_file": os.path.join(SHARE, "config", "synth.yaml")}


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(
            each.name, default_value=DEFAULTS.get(each.name, ""), description=each.meaning
        )
        for each in launch_arguments.NODE_ARGUMENTS
    ]
    return LaunchDescription([*arguments, *large_images(), OpaqueFunction(function=synth)])


def synth(context: LaunchContext) -> list[LifecycleNode]:
    """The node, with the arguments that were given above those of the file."""
    given = {
        each.name: LaunchConfiguration(each.name).perform(context)
        for each in launch_arguments.NODE_ARGUMENTS
    }
    return [
        LifecycleNode(
            package="anyview_ros",
            executable="synth",
            name="anyview",
            namespace=given["namespace"],
            parameters=[given["params_file"], launch_arguments.chosen_parameters(given)],
            output="screen",
        )
    ]


def large_images() -> list[SetEnvironmentVariable]:
    """Our DDS profile, unless the user has one: the default loses large images silently."""
    if any(name in os.environ for name in PROFILE_VARIABLES):
        return []
    profile = os.path.join(SHARE, "config", "fastdds.xml")
    return [SetEnvironmentVariable(name, profile) for name in PROFILE_VARIABLES]
