"""The clock of every timer of the node: a paused simulation must not hang one."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
