"""A simulated robot beside the node `anyview`, on simulated time.

`ros2 launch anyview_ros demo.launch.py [world:=street|table] [model:=...] [seed:=...]`; then add a
virtual camera: `ros2 service call /anyview/add_virtual_camera
anyview_ros/srv/AddVirtualCamera ...` (README).
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from anyview_ros.node import launch_arguments
from anyview_ros.worlds.robots import robot_of
from anyview_ros.worlds.seeds import DEMO_SEED

FOLDER = os.path.join(get_package_share_directory("anyview_ros"), "launch")
ARGUMENTS = {
    "world": ("street", "street: a car with three cameras; table: a robot arm with three cameras"),
    "seed": (str(DEMO_SEED), "which of all the streets or tables"),
    "model": ("", "model package, a name or a path; empty: the default"),
}


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=meaning)
        for name, (default, meaning) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=demo)])


def demo(context: LaunchContext) -> list[IncludeLaunchDescription | Node]:
    """The node, told how large this world is, and the robot."""
    world, word, model = (LaunchConfiguration(name).perform(context) for name in ARGUMENTS)
    seed = launch_arguments.whole_number("seed", word)
    robot = robot_of(world)
    return [
        # First: the DDS profile it sets must hold for the cameras' driver too.
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(os.path.join(FOLDER, "synth.launch.py")),
            launch_arguments={
                "model": model,
                # Not found but named: beside another robot they are ours alone.
                "cameras": ",".join(robot.cameras),
                "scene_scale": str(robot.scene_scale),
                "use_sim_time": "true",
            }.items(),
        ),
        Node(
            package="anyview_ros",
            executable="sim_rig",
            parameters=[{"world": world, "seed": seed}],
            output="screen",
        ),
    ]
