"""What a node that may run already was configured with, read without taking its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from anyview_ros.node.log_folder import provide_log_folder
from anyview_ros.node.ros_arguments import named_errors

OWN = ("use_sim_time", "start_type_description_service")  # which every node declares
DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def parameters_of(name: str, arguments: Sequence[str]) -> tuple[str, list[Parameter]]:
    """Return the full name that a node would have, and the parameters that it would be given.

    A file has sections for nodes by name, so only a node of that name reads them. Here it is made
    where nobody discovers it: two nodes of one name are an error.

    Args:
        name: of the node, unless the arguments rename it.
        arguments: of ROS, as on the command line of the node.

    Raises:
        AnyviewError: as `ros_arguments.named_errors`.
    """
    provide_log_folder()
    context = Context()
    with _without_discovery(), named_errors():
        rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            node = Node(
                name,
                context=context,
                cli_args=list(arguments),
                enable_rosout=False,
                start_parameter_services=False,
                automatically_declare_parameters_from_overrides=True,
            )
            given = [name for name in node.get_parameters_by_prefix("") if name not in OWN]
            values = node.get_parameters(given)
            full_name = node.get_fully_qualified_name()
            node.destroy_node()
        finally:
            rclpy.shutdown(context=context)
    return full_name, values


@contextmanager
def _without_discovery() -> Iterator[None]:
    before = os.environ.get(DISCOVERY)
    os.environ[DISCOVERY] = "OFF"
    try:
        yield
    finally:
        if before is None:
            del os.environ[DISCOVERY]
        else:
            os.environ[DISCOVERY] = before
