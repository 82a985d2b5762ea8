"""What a parameter of the node is: its kind and limits, and how it is declared and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from anyview_ros.errors import AnyviewError

Value = bool | int | float | str | tuple[str, ...]
TYPES = {
    bool: RosParameter.Type.BOOL,
    int: RosParameter.Type.INTEGER,
    float: RosParameter.Type.DOUBLE,
    str: RosParameter.Type.STRING,
    tuple: RosParameter.Type.STRING_ARRAY,
}

Applies = Literal["start", "activate", "now"]  # when a change does
APPLIES: Mapping[Applies, str] = {
    "start": "set at start",
    "activate": "a change applies when the node is next activated",
    "now": "a change applies at once",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Args:
        limits: smallest and largest value.
        choices: the words allowed.
        applies: when a change does; a parameter of the start cannot change.
    """

    name: str
    default: Value
    meaning: str
    unit: str = ""
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    applies: Applies = "start"

    @property
    def range(self) -> str:
        """Return what is allowed, in words."""
        if self.limits:
            return f"{self.limits[0]:g} to {self.limits[1]:g}"
        return ", ".join(self.choices)

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(
            description=f"{self.meaning}{f' [{self.unit}]' if self.unit else ''}",
            additional_constraints="; ".join(filter(None, (self.range, APPLIES[self.applies]))),
            read_only=self.applies == "start",
            dynamic_typing=self._is_switch,
        )
        if self.limits:
            low, high = self.limits
            if isinstance(self.default, int):
                whole = IntegerRange(from_value=int(low), to_value=int(high))
                descriptor.integer_range = [whole]
                return descriptor
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        return descriptor

    def declared(self, node: Node, name: str) -> Any:
        """Declare it under a name, once, and read it as it is now.

        Raises:
            AnyviewError: `invalid_parameter`.
        """
        if not node.has_parameter(name):
            try:
                self._declare(node, name)
            except (InvalidParameterTypeException, InvalidParameterValueException) as error:
                raise AnyviewError(
                    "invalid_parameter",
                    f"{error}; needed for '{name}': {TYPES[type(self.default)].name.lower()} "
                    f"{self.range}".rstrip(),
                ) from None
        value = node.get_parameter_or(name).value
        if isinstance(self.default, tuple):
            # rclpy has no type for an empty list: it arrives as not set.
            return tuple(entry for entry in value or () if entry)
        return self.allowed(name, value)

    def allowed(self, name: str, value: Any) -> Any:
        """Return the value if it is one, beyond the type and range that ROS checks.

        Raises:
            AnyviewError: `invalid_parameter`.
        """
        if self._is_switch and isinstance(value, bool):
            value = "on" if value else "off"
        if self.choices and value not in self.choices:
            raise AnyviewError(
                "invalid_parameter", f"'{name}' must be one of {self.range}, got '{value}'"
            )
        return value

    @property
    def _is_switch(self) -> bool:
        """Return whether YAML makes a bool of some of its words, when they are not quoted."""
        return {"on", "off"} <= set(self.choices)

    def _declare(self, node: Node, name: str) -> None:
        if isinstance(self.default, tuple):
            node.declare_parameter(name, RosParameter.Type.STRING_ARRAY, self.descriptor())
        else:
            node.declare_parameter(name, self.default, self.descriptor())
