"""The messages of a recording as bytes, whatever its files are and whatever is wrong with them.

What reading libraries throw at a damaged file is no list that could be kept (KeyError, EOFError,
DatabaseError, ZstdError, OverflowError, ...). All of it ends here: `open_files` turns it into a
named error, `BagFiles.messages` leaves out what cannot be read and notes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from anyview_ros.datasets.bag_topics import RecordedTopic
from anyview_ros.errors import cause

EVER_NS = 2**63 - 1  # the largest time that a file can hold


class Content(NamedTuple):
    """A message as it was recorded: where, when, and its bytes (CDR)."""

    topic: RecordedTopic
    time_ns: int
    raw: memoryview


class File(Protocol):
    """An opened file of a recording.

    Attributes:
        path: of what is read, which may be an unpacked copy.
        topics: that it has, of any encoding.
        damage: what could not be read of it since it was last looked at.
    """

    path: Path
    topics: list[RecordedTopic]
    damage: list[str]

    def messages(
        self, topics: Collection[RecordedTopic], start_ns: int, stop_ns: int
    ) -> Iterator[tuple[RecordedTopic, int, Any]]:
        """Topic, time of recording and bytes, start <= time < stop; raises anything."""
        ...

    def counts(self) -> dict[str, int]:
        """Return the number of messages by topic, as far as the file says; raises anything."""
        ...

    def times_ns(self) -> tuple[int, int]:
        """Return when the first and the last message were recorded, as far as the file says.

        0, 0 where there is none; raises anything.
        """
        ...

    def close(self) -> None: ...


class BagFiles:
    """The open files of a recording.

    Args:
        files: by name, in the order of recording.
        unpack: makes a message of what is stored.
        packed: whether messages are stored compressed singly.

    Attributes:
        topics: that can be read.
        foreign: names of topics of other encodings than ROS 2's, by encoding.
        damage: what was left out so far, a line each.
    """

    def __init__(
        self, files: Mapping[str, File], unpack: Callable[[bytes], bytes], packed: bool = False
    ) -> None:
        self._files, self._unpack, self.packed = files, unpack, packed
        every = dict.fromkeys(topic for file in files.values() for topic in file.topics)
        self.damage: dict[str, None] = {}
        self.topics = self._of_one_type([topic for topic in every if not topic.encoding])
        self._readable = frozenset(self.topics)
        self.foreign: dict[str, list[str]] = {}
        for topic in every:
            if topic.encoding:
                self.foreign.setdefault(topic.encoding, []).append(topic.name)

    def _of_one_type(self, topics: list[RecordedTopic]) -> list[RecordedTopic]:
        """Topics without those of a name that was recorded as another type before."""
        types: dict[str, str] = {}
        kept = [t for t in topics if types.setdefault(t.name, t.message_type) == t.message_type]
        for topic in topics:
            if topic.message_type != types[topic.name]:
                self.note(
                    f"messages of '{topic.name}' that are {topic.message_type}, where others of it "
                    f"are {types[topic.name]}"
                )
        return kept

    def messages(
        self, names: Collection[str], start_ns: int = 0, stop_ns: int = EVER_NS
    ) -> Iterator[Content]:
        """Messages of topics in the order of recording, start <= time < stop."""
        for name, file in self._files.items():
            chosen = [t for t in file.topics if t.name in names and t in self._readable]
            found = file.messages(chosen, start_ns, stop_ns) if chosen else iter(())
            while (message := self._next(name, file, found)) is not None:
                if (content := self._content(name, *message)) is not None:
                    yield content

    def by_name(self) -> Mapping[str, File]:
        """Return the files, in the order of recording."""
        return self._files

    def counts(self) -> Counter[str]:
        """Return the number of messages by topic, as far as the files say."""
        found: Counter[str] = Counter()
        for name, file in self._files.items():
            try:
                found.update(file.counts())
            except Exception as error:
                self.note(f"'{name}': how many messages it has ({cause(error)})")
        return found

    def times_ns(self) -> tuple[int, int]:
        """Return when the first and the last message were recorded; 0, 0 where there is none."""
        found = []
        for name, file in self._files.items():
            try:
                found.append(file.times_ns())
            except Exception as error:
                self.note(f"'{name}': when it was recorded ({cause(error)})")
        known = [times for times in found if times != (0, 0)]
        return min((t[0] for t in known), default=0), max((t[1] for t in known), default=0)

    def note(self, damage: str) -> None:
        """Remember what was left out."""
        self.damage[damage] = None

    def _next(self, name: str, file: File, found: Iterator[Any]) -> Any:
        try:
            message = next(found, None)
        except Exception as error:
            self.note(f"'{name}': what follows on a damaged place ({cause(error)})")
            message = None
        for part in file.damage:
            self.note(f"'{name}': {part}")
        file.damage.clear()
        return message

    def _content(self, name: str, topic: RecordedTopic, time_ns: Any, raw: Any) -> Content | None:
        try:
            return Content(topic, int(time_ns), memoryview(self._unpack(raw)))
        except Exception as error:
            self.note(f"'{name}': messages of '{topic.name}' ({cause(error)})")
            return None
