"""An executor ends with ROS, whatever rclpy raises then; before that its errors are errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy

from anyview_ros.node.spinning import spin


def executor(*steps: Callable[[Any], None]) -> Any:
    """One whose `spin` takes these steps, one a call; its context is well until one ends it."""
    context = Mock(ok=Mock(return_value=True))
    rest = list(steps)
    return Mock(context=context, spin=Mock(side_effect=lambda: rest.pop(0)(context)))


def raising(error: Exception, ends: bool = False) -> Callable[[Any], None]:
    def step(context: Any) -> None:
        context.ok.return_value = not ends
        raise error

    return step


def test_it_ends_with_ros() -> None:
    spin(executor(raising(ExternalShutdownException())))
    spin(executor(raising(_rclpy.RCLError("the given context is not valid"), ends=True)))


def test_a_topic_that_is_closed_ends_nothing() -> None:
    tried = executor(raising(InvalidHandle()), raising(ExternalShutdownException()))
    spin(tried)
    assert tried.spin.call_count == 2


def test_what_rcl_raises_while_ros_runs_is_an_error() -> None:
    with pytest.raises(_rclpy.RCLError, match="of another kind"):
        spin(executor(raising(_rclpy.RCLError("of another kind"))))
