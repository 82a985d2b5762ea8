"""The parameters `qos_overrides.<topic>.*`, by which users change how topics travel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.exceptions import ParameterException

from anyview_ros.errors import AnyviewError


@contextmanager
def checked(topic: str) -> Iterator[None]:
    """Name errors in the creation of a publisher or subscription with overridden QoS.

    Raises:
        AnyviewError: `invalid_parameter`, for what rclpy and the middleware have no one error.
    """
    try:
        yield
    except (ParameterException, RuntimeError) as error:
        raise AnyviewError(
            "invalid_parameter",
            f"the qos_overrides of '{topic}' cannot be: {error}; correct them and start the node "
            "again",
        ) from None
