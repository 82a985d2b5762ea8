"""A simulated robot arm with three cameras beside the node `anyview`, on simulated time.

`ros2 launch anyview_ros demo_table.launch.py [model:=...] [seed:=...]`; then add a virtual camera:
`ros2 service call /anyview/add_virtual_camera anyview_ros/srv/AddVirtualCamera ...` (README).
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue


def generate_launch_description() -> LaunchDescription:
    folder = os.path.join(get_package_share_directory("anyview_ros"), "launch")
    seed = ParameterValue(LaunchConfiguration("seed"), value_type=int)
    return LaunchDescription(
        [
            DeclareLaunchArgument("model", default_value="", description="model package"),
            DeclareLaunchArgument("seed", default_value="0", description="which table"),
            # First: the DDS profile it sets must hold for the cameras' driver too.
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(os.path.join(folder, "synth.launch.py")),
                launch_arguments={
                    "model": LaunchConfiguration("model"),
                    "use_sim_time": "true",
                }.items(),
            ),
            Node(
                package="anyview_ros",
                executable="sim_rig",
                parameters=[{"world": "table", "seed": seed}],
                output="screen",
            ),
        ]
    )
