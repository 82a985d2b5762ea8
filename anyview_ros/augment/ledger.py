"""What became of each of many recordings so far, on disk, a line for each event."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from anyview_ros.augment.begun_work import keep_identity
from anyview_ros.augment.stores import Place, is_whole
from anyview_ros.errors import AnyviewError

LEDGER, WORK = "ledger.jsonl", "work.json"
Event = Literal["started", "done", "failed", "interrupted", "crashed", "quarantined"]
State = Literal["done", "failed", "quarantined", "left"]


@dataclass(frozen=True)
class Entry:
    """One line.

    Args:
        recording: its name.
        event: what happened to it; `started` and `interrupted` (Ctrl-C) where the process that
            works writes them, too.
        code, text: why it failed.
        answered: frames of all its virtual cameras.
        seconds: that it took.
        time: in seconds since 1970.
    """

    recording: str
    event: Event
    code: str = ""
    text: str = ""
    answered: int = 0
    seconds: float = 0.0
    time: float = 0.0


class Ledger:
    """The ledger of an output folder.

    Args:
        folder: of all outputs.
        identity: what the outputs follow from, but for the recordings; JSON.
        resume: go on with what was begun, if there is something.

    Raises:
        AnyviewError: `output_exists`, `resume_mismatch`.
    """

    def __init__(self, folder: Place, identity: Mapping[str, object], resume: bool) -> None:
        self.folder = folder
        self._whole: set[str] = set()
        if folder.exists() and not resume:
            raise AnyviewError(
                "output_exists",
                f"'{folder}' is there already; give another OUT, or go on in it with --resume",
            )
        if isinstance(folder, Path):
            folder.mkdir(parents=True, exist_ok=True)
        keep_identity(folder / WORK, identity)
        self._path = folder / LEDGER
        self.entries = _entries(self._path)

    def add(self, entry: Entry) -> None:
        """Append a line, and see that it is on the disk, or in the store."""
        entry = replace(entry, time=time.time())
        self.entries.append(entry)
        if not isinstance(self._path, Path):  # nothing can be appended there
            self._path.write_text("".join(map(_line, self.entries)))
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(entry))
            file.flush()
            os.fdatasync(file.fileno())

    def output(self, name: str) -> Place:
        """Return the folder of a recording's output."""
        return self.folder / name

    def crashes(self, name: str) -> int:
        """Return how often a worker ended with a recording, this process before it included."""
        events = Counter(e.event for e in self.entries if e.recording == name)
        ended = sum(events[each] for each in ("done", "failed", "interrupted", "crashed"))
        return events["crashed"] + max(0, events["started"] - ended)

    def state(self, name: str) -> State:
        """Return what became of a recording; what is there whole is done, whoever made it."""
        if name in self._whole or is_whole(self.output(name)):
            self._whole.add(name)  # a store is asked no more
            return "done"
        last = next((e for e in reversed(self.entries) if e.recording == name), None)
        if last is not None and last.event in ("failed", "quarantined"):
            return last.event  # type: ignore[return-value]
        return "left"

    def last(self, name: str) -> Entry:
        """Return the newest line of a recording that has one."""
        return next(entry for entry in reversed(self.entries) if entry.recording == name)


def _line(entry: Entry) -> str:
    return json.dumps(asdict(entry)) + "\n"


def _entries(path: Place) -> list[Entry]:
    """Return the lines; one that was cut off by the end of its process is as if never written."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [Entry(**json.loads(line)) for line in whole.splitlines()]
