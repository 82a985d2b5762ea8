"""The parameters `qos_overrides.<topic>.*`, by which users change how topics travel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions, QoSPolicyKind

from anyview_ros.errors import AnyviewError


def options(node: Node, topic: str, *policies: QoSPolicyKind) -> QoSOverridingOptions | None:
    """Return that QoS may be overridden, where the parameters of a topic do so.

    Elsewhere nothing is declared: a parameter keeps its first default when the topic is opened with
    another one, and it stays when the topic has gone.

    Args:
        policies: those that may be; empty = rclpy's default ones.
    """
    prefix = f"qos_overrides.{node.resolve_topic_name(topic)}."
    if not any(name.startswith(prefix) for name in node._parameter_overrides):
        return None
    if policies:
        return QoSOverridingOptions(policies)
    return QoSOverridingOptions.with_default_policies()


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
