"""Two simulated cars, each with a node `anyview` of its own: demo.launch.py, twice.

Topics, TF, clock and virtual cameras of each lie below its namespace, /robot1 and /robot2:
`ros2 service call /robot1/anyview/add_virtual_camera ...`.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import PushRosNamespace, SetRemap

from anyview_ros.worlds.seeds import DEMO_SEED

DEMO = os.path.join(get_package_share_directory("anyview_ros"), "launch", "demo.launch.py")
ROBOTS = {"robot1": str(DEMO_SEED), "robot2": str(DEMO_SEED + 1)}  # and the seed of its street
# Absolute by custom: without this both robots would talk of one base_link, at two times.
SHARED_NAMES = ("tf", "tf_static", "clock")


def generate_launch_description() -> LaunchDescription:
    model = DeclareLaunchArgument("model", default_value="", description="model package of both")
    return LaunchDescription([model, *(robot(*robot_seed) for robot_seed in ROBOTS.items())])


def robot(namespace: str, seed: str) -> GroupAction:
    """One robot in its namespace."""
    arguments = {"world": "street", "seed": seed, "model": LaunchConfiguration("model")}
    return GroupAction(
        [
            PushRosNamespace(namespace),
            *(SetRemap(f"/{name}", name) for name in SHARED_NAMES),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(DEMO), launch_arguments=arguments.items()
            ),
        ]
    )
