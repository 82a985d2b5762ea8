"""The second half of an augmentation: the recording with its answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from heapq import merge
from pathlib import Path

from anyview_ros.augment.answers import (
    TF,
    AddedTopic,
    Answer,
    reliable,
    standing_frames,
)
from anyview_ros.augment.copying import Addition, Answers, FileSummary
from anyview_ros.augment.file_range import Content, whole
from anyview_ros.augment.making import Making
from anyview_ros.augment.mcap_copy import McapCopy
from anyview_ros.augment.mcap_copy import check as check_mcap
from anyview_ros.augment.mcap_copy import last_time as last_of_mcap
from anyview_ros.augment.metadata import VERSION, metadata_text, read_metadata
from anyview_ros.augment.plan import Plan
from anyview_ros.augment.settings import Progress
from anyview_ros.augment.spool import Spool
from anyview_ros.augment.sqlite_copy import SqliteCopy
from anyview_ros.augment.sqlite_copy import check as check_sqlite
from anyview_ros.augment.sqlite_copy import last_time as last_of_sqlite
from anyview_ros.clips.placements import Standing
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_mcap import McapFile
from anyview_ros.datasets.bag_opening import METADATA

LATCHED_DEPTH = 1


def check_copied(bag: Bag) -> None:
    """Refuse, before anything is made, files whose messages can be read, but which are damaged.

    Raises:
        AnyviewError: `unreadable_bag`.
    """
    for file in bag.files.by_name().values():
        (check_mcap if isinstance(file, McapFile) else check_sqlite)(file.path)


class BagCopy:
    """Writes the files of a recording, with the answers among their messages.

    Args:
        plan: see `Plan`.
        making: whose answers they are.
        spools: that have them.
        notes: texts for the metadata, by name.
    """

    def __init__(
        self,
        plan: Plan,
        making: Making,
        spools: Mapping[str, Spool],
        notes: dict[str, str],
    ) -> None:
        self._plan, self._making, self._spools = plan, making, spools
        self._notes = notes
        self._left_out = plan.left_out(making.settings.only)

    def write(self, folder: Path, on_progress: Progress) -> None:
        """Write the recording.

        Args:
            folder: is made; one that is there is one that was not finished.

        Raises:
            AnyviewError: `unreadable_bag`.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        bag = self._plan.bag
        files = list(bag.files.by_name().values())
        total, done = sum(file.path.stat().st_size for file in files), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            on_progress("copying", done, total)

        topics = self._topics()
        definitions = {
            t.message_type: self._making.types.definition(t.message_type) for t in topics
        }
        pack = _packed if bag.files.packed else lambda raw: raw
        before = read_metadata(bag.path) if bag.path.is_dir() else None
        version = VERSION if before is None else before["version"]
        addition = Addition(tuple(topics), definitions, self._notes, version, pack, self._left_out)
        answers, written = Answers(self._answers()), list[FileSummary]()
        for k, file in enumerate(files):
            is_mcap = isinstance(file, McapFile)
            kind, last = (McapCopy, last_of_mcap) if is_mcap else (SqliteCopy, last_of_sqlite)
            until_ns = 2**63 if k == len(files) - 1 else last(file.path)
            target = folder / file.path.name
            written.append(kind(file.path, target, addition).write(answers, until_ns, advance))
        storage = "mcap" if isinstance(files[0], McapFile) else "sqlite3"
        notes, packed = self._notes, bag.files.packed
        text = metadata_text(before, written, storage, packed, notes, self._left_out)
        (folder / METADATA).write_text(text, encoding="utf-8")

    def _topics(self) -> list[AddedTopic]:
        topics: dict[str, AddedTopic] = {}
        for messages in self._making.messages.values():
            topics |= {topic.name: topic for topic in messages.topics()}
        if any(isinstance(request.placement, Standing) for request in self._plan.requests):
            name = self._plan.tf_topic(static=True)
            topics[name] = AddedTopic(name, TF, reliable(LATCHED_DEPTH, latched=True))
        return list(topics.values())

    def _answers(self) -> Iterator[Answer]:
        """Yield all answers in the order of recording; frames that stand come first."""
        plan = self._plan
        made = [spool.answers() for spool in self._spools.values()]
        first = next(iter(plan.bag.recorded(plan.bag.types())), None)
        start_ns = first.time_ns if first is not None else 0
        standing = standing_frames(
            self._making.types, plan.requests, plan.options.fixed_frame, start_ns
        )
        if standing is not None:
            yield Answer(start_ns, plan.tf_topic(static=True), standing)
        yield from merge(*made, key=lambda answer: answer.time_ns)


def _packed(raw: Content) -> bytes:
    from rosbags.rosbag2.reader import zstd  # type: ignore[attr-defined]

    return bytes(zstd.compress(whole(raw)))
