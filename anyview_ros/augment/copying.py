"""What copies of a recording's files share: what is added, and what they hold then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from anyview_ros.augment.answers import AddedTopic, Answer
from anyview_ros.augment.file_range import Content

Pack = Callable[[Content], Content]


@dataclass(frozen=True)
class Addition:
    """Hold what is added to the files of a recording.

    Args:
        topics: of the answers.
        definitions: (text as ros2msg, hash) by message type.
        notes: texts by name, about what was added.
        version: of the recording's metadata.
        pack: makes what is stored of a message.
        left_out: topics that are not copied.
    """

    topics: tuple[AddedTopic, ...]
    definitions: dict[str, tuple[str, str]]
    notes: dict[str, str]
    version: int
    pack: Pack
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TopicRecord:
    """A topic as a file describes it.

    Args:
        qos: offered, as YAML.
        type_hash: RIHS01, empty where it is not known.
    """

    message_type: str
    encoding: str
    qos: str
    type_hash: str


@dataclass
class FileSummary:
    """Hold what a written file holds.

    Args:
        start_ns, end_ns: of recording; 0 where it holds nothing.
        counts: messages by topic.
        topics: by name.
    """

    name: str
    start_ns: int = 0
    end_ns: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    topics: dict[str, TopicRecord] = field(default_factory=dict)

    def add(self, topic: str, time_ns: int) -> None:
        """Count a message."""
        self.counts[topic] += 1
        self.span(time_ns, time_ns)

    def span(self, start_ns: int, end_ns: int) -> None:
        """Reach from one time to another at least."""
        empty = not self.end_ns
        self.start_ns = start_ns if empty else min(self.start_ns, start_ns)
        self.end_ns = max(self.end_ns, end_ns)


class Answers:
    """Answers in the order of recording, taken up to a time.

    Args:
        answers: all of them.
    """

    def __init__(self, answers: Iterator[Answer]) -> None:
        self._answers = answers
        self._next = next(answers, None)

    def until(self, time_ns: int) -> Iterator[Answer]:
        """Yield those that were not taken yet, up to a time."""
        while self._next is not None and self._next.time_ns <= time_ns:
            answer, self._next = self._next, next(self._answers, None)
            yield answer
