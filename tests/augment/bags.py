"""Bags that tests augment, by the command, and what is in them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_types_from_msg

from anyview_ros.cli.__main__ import main

RAISED = """
  - name: raised
    parent_frame: base_link
    pose:
      position: {x: 1.0, z: 2.5}
      orientation: {x: -0.5, y: 0.5, z: -0.5, w: 0.5}
    camera_info: {width: 96, height: 64}
    horizontal_fov: 1.2
    sources: [front]
"""
MOVING = """
  - name: moving
    trajectory:
      - header: {stamp: {sec: 5}}
        pose:
          position: {x: 30.0, z: 2.5}
          orientation: {x: -0.5, y: 0.5, z: -0.5, w: 0.5}
      - header: {stamp: {sec: 50}}
        pose:
          position: {x: 80.0, z: 2.5}
          orientation: {x: -0.5, y: 0.5, z: -0.5, w: 0.5}
    camera_info: {width: 96, height: 64}
    sources: [front]
"""
Message = tuple[str, str, int, bytes]  # topic, type, log time, content


def cameras_file(folder: Path, *entries: str) -> Path:
    """A file of virtual cameras; without entries of one that stands and one that moves."""
    path = folder / "cameras.yaml"
    path.write_text("cameras:" + "".join(entries or (RAISED, MOVING)))
    return path


def augmented(bag: Path, out: Path, model: Path, *more: str, cameras: Path | None = None) -> Path:
    """Run the command, which must succeed; returns `out`."""
    assert main(arguments(bag, out, model, *more, cameras=cameras)) == 0
    return out


def arguments(
    bag: Path, out: Path, model: Path, *more: str, cameras: Path | None = None
) -> list[str]:
    file = cameras or cameras_file(out.parent)
    given = ["augment", str(bag), str(out), "--cameras", str(file), "--model", str(model)]
    return [*given, "--provider", "cpu", *more]


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def messages(bag: Path, below: str = "", beside: str = "") -> list[Message]:
    """Messages in recorded order, as rosbags' own reader gives them.

    Args:
        below, beside: folder of topics that are taken alone, or left out.
    """
    with Reader(bag) as reader:
        return [
            (c.topic, c.msgtype, time_ns, bytes(raw))
            for c, time_ns, raw in reader.messages()
            if c.topic.startswith(below) and not (beside and c.topic.startswith(beside))
        ]


def read(bag: Path, topic: str) -> list[tuple[int, Any]]:
    """Log time and message of a topic, by the definitions in the bag."""
    with AnyReader([bag]) as reader:
        connections = [c for c in reader.connections if c.topic == topic]
        return [
            (time_ns, reader.deserialize(raw, c.msgtype))
            for c, time_ns, raw in reader.messages(connections=connections)
        ]


def definitions(bag: Path) -> dict[str, set[str]]:
    """Message types by topic whose definitions in the bag define everything within them."""
    with AnyReader([bag]) as reader:
        return {
            c.topic: set(get_types_from_msg(c.msgdef.data, c.msgtype)) for c in reader.connections
        }


def rows(file: Path, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows of a .db3 file."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
