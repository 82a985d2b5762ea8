"""A simulated robot arm with three cameras beside the node `anyview`, by demo.launch.py."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

DEMO = os.path.join(get_package_share_directory("anyview_ros"), "launch", "demo.launch.py")


def generate_launch_description() -> LaunchDescription:
    demo = PythonLaunchDescriptionSource(DEMO)
    world = {"world": "table"}
    return LaunchDescription([IncludeLaunchDescription(demo, launch_arguments=world.items())])
