"""Whether messages of a publisher reach a subscription, by their QoS."""

from __future__ import annotations

from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible


def mismatch(publisher: QoSProfile, subscription: QoSProfile) -> str:
    """Return which policies keep the messages from arriving; empty if none does."""
    compatibility, reason = qos_check_compatible(publisher, subscription)
    if compatibility != QoSCompatibility.ERROR:
        return ""
    return str(reason).removeprefix("ERROR: ").rstrip(";")
