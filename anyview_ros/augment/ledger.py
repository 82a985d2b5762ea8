"""What became of each of many recordings so far, on disk, a line for each event."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from anyview_ros.augment.begun_work import keep_identity
from anyview_ros.errors import AnyviewError

LEDGER, WORK = "ledger.jsonl", "work.json"
Event = Literal["started", "done", "failed", "crashed", "quarantined"]
State = Literal["done", "failed", "quarantined", "left"]


@dataclass(frozen=True)
class Entry:
    """One line.

    Args:
        recording: its name.
        event: what happened to it; `started` where the process that works writes it, too.
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

    def __init__(self, folder: Path, identity: Mapping[str, object], resume: bool) -> None:
        self.folder = folder
        if folder.exists() and not resume:
            raise AnyviewError(
                "output_exists",
                f"'{folder}' is there already; give another OUT, or go on in it with --resume",
            )
        folder.mkdir(parents=True, exist_ok=True)
        keep_identity(folder / WORK, identity)
        self._path = folder / LEDGER
        self.entries = _entries(self._path)

    def add(self, entry: Entry) -> None:
        """Append a line, and see that it is on the disk."""
        self.entries.append(entry)
        line = json.dumps({**asdict(entry), "time": time.time()}) + "\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fdatasync(file.fileno())

    def output(self, name: str) -> Path:
        """Return the folder of a recording's output."""
        return self.folder / name

    def crashes(self, name: str) -> int:
        """Return how often a worker ended with a recording, this process before it included."""
        events = Counter(e.event for e in self.entries if e.recording == name)
        ended = events["done"] + events["failed"] + events["crashed"]
        return events["crashed"] + max(0, events["started"] - ended)

    def state(self, name: str) -> State:
        """Return what became of a recording; what is there whole is done, whoever made it."""
        if self.output(name).is_dir():
            return "done"
        last = next((e for e in reversed(self.entries) if e.recording == name), None)
        if last is not None and last.event in ("failed", "quarantined"):
            return last.event  # type: ignore[return-value]
        return "left"

    def last(self, name: str) -> Entry:
        """Return the newest line of a recording that has one."""
        return next(entry for entry in reversed(self.entries) if entry.recording == name)


def _entries(path: Path) -> list[Entry]:
    """Return the lines; one that was cut off by the end of its process is as if never written."""
    if not path.is_file():
        return []
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if whole != raw:
        path.write_bytes(whole)
    return [Entry(**json.loads(line)) for line in whole.splitlines()]
