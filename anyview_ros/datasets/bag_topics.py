"""A topic of a recording's file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RecordedTopic:
    """A topic of a file.

    Args:
        name, message_type: as recorded.
        schema: how `definition` is written: ros2msg, ros2idl, omgidl; empty where there is none.
        definition: of the type and all within it.
        encoding: of its messages where that is not ROS 2's, as `protobuf`; else empty.
    """

    name: str
    message_type: str
    schema: str
    definition: str
    encoding: str = ""


SCHEMAS = ("ros2msg", "ros2idl", "omgidl")
