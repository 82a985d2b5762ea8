"""An executor that runs until ROS ends, and ends with it without an error."""

from __future__ import annotations

from rclpy.exceptions import InvalidHandle
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy


def spin(executor: Executor) -> None:
    """Run callbacks until ROS ends in the executor's context.

    rclpy (Jazzy) raises out of its wait when a topic is closed meanwhile, and when ROS ends between
    two waits, as it does on a busy machine.
    """
    while executor.context.ok():
        try:
            executor.spin()
        except ExternalShutdownException:
            return
        except InvalidHandle:
            continue
        except _rclpy.RCLError:
            if executor.context.ok():
                raise
