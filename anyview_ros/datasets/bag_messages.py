"""Bytes of a recording to messages, each type by itself: what is unrelated costs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from anyview_ros.datasets.bag_topics import RecordedTopic
from anyview_ros.errors import AnyviewError, cause

IDL = "IDL: "


@cache
def _types_of_ros() -> Typestore:
    """Make it once: it compiles how each type is read."""
    return get_typestore(Stores.ROS2_JAZZY)


class MessageTypes:
    """The types of a recording's messages.

    The types of ROS itself are rosbags' own: they have not changed since Foxy, and recorders
    before Iron wrote no definitions. Those of others are as the recording defines them.
    """

    def __init__(self, topics: Iterable[RecordedTopic]) -> None:
        self._ros = _types_of_ros()
        self._others: dict[str, Typestore] = {}
        self._defined = {t.message_type: (t.schema, t.definition) for t in topics if t.definition}

    def message(self, raw: memoryview, message_type: str, topic: str) -> Any:
        """The message in its bytes; its arrays are views of them.

        Raises:
            AnyviewError: `invalid_message`.
        """
        try:
            return self._store(message_type).deserialize_cdr(raw, message_type)
        except Exception as error:  # whatever rosbags throws at bytes that are none
            raise AnyviewError(
                "invalid_message",
                f"a message of '{topic}' is no {message_type} ({cause(error)}); the recording is "
                "damaged there",
            ) from None

    def _store(self, message_type: str) -> Typestore:
        if message_type in self._ros.fielddefs:
            return self._ros
        if message_type not in self._others:
            store = get_typestore(Stores.EMPTY)
            store.register(self._fields(message_type))
            self._others[message_type] = store
        return self._others[message_type]

    def _fields(self, message_type: str) -> Any:
        schema, text = self._defined[message_type]
        if schema == "ros2msg":
            return get_types_from_msg(text, message_type)
        found: dict[str, Any] = {}
        for part in text.split("=" * 80 + "\n"):
            if part.strip():
                found |= get_types_from_idl(
                    part.partition("\n")[2] if part.startswith(IDL) else part
                )
        return found
