"""Message definitions for bags, read from the .msg files of the installed packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rosbags.interfaces import Nodetype
from rosbags.interfaces.typing import FieldDesc
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from anyview_ros.errors import AnyviewError
from anyview_ros.installed import prefixes


class Definitions:
    """A typestore that learns message types when they are needed.

    The installed files and not rosbags' own tables: a bag then holds the definitions that the
    nodes were built with, whichever distribution that was.
    """

    def __init__(self) -> None:
        self.typestore: Typestore = get_typestore(Stores.EMPTY)

    def learn(self, message_type: str) -> None:
        """Register `package/msg/Name` and every type within it.

        Raises:
            AnyviewError: `unknown_type` when no installed package defines it.
        """
        if message_type in self.typestore.fielddefs:
            return
        found = get_types_from_msg(_definition_file(message_type).read_text(), message_type)
        self.typestore.register(found)
        for _, fields in found.values():
            for _, description in fields:
                for inner in _named_types(description):
                    self.learn(inner)


def _named_types(description: FieldDesc) -> Iterator[str]:
    """Return the message types a field refers to: its own, or that of its elements."""
    if description[0] == Nodetype.NAME:
        yield str(description[1])
    elif description[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        element = description[1][0]
        if isinstance(element, tuple) and element[0] == Nodetype.NAME:
            yield str(element[1])


def _definition_file(message_type: str) -> Path:
    package, *folders, name = message_type.split("/")
    for prefix in prefixes():
        file = Path(prefix, "share", package, *folders, f"{name}.msg")
        if file.is_file():
            return file
    searched = ", ".join(map(str, prefixes()))
    raise AnyviewError(
        "unknown_type",
        f"no definition of {message_type} below {searched}; install the package '{package}' or "
        "source the workspace that holds it",
    )
