"""Arguments of ROS that ROS itself cannot read, named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy

from anyview_ros.errors import AnyviewError

UNREADABLE = "Couldn't parse "  # how rcl begins to say so


@contextmanager
def named_errors() -> Iterator[None]:
    """Name what `rclpy.init` and nodes raise for their arguments.

    Raises:
        AnyviewError: `invalid_ros_arguments`.
    """
    try:
        yield
    except _rclpy.UnknownROSArgsError as error:
        raise AnyviewError("invalid_ros_arguments", f"ROS does not know {error}") from None
    except _rclpy.RCLError as error:
        _, found, what = str(error).partition(UNREADABLE)
        if not found:
            raise
        said = what.partition(", at /")[0]  # of rcl's own source
        raise AnyviewError("invalid_ros_arguments", f"ROS cannot read the {said}") from None
