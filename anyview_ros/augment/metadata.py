"""metadata.yaml of a recording to which messages were added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import dump_qos_v8, dump_qos_v9, parse_qos
from rosbags.rosbag2.reader import YAML  # type: ignore[attr-defined]

from anyview_ros.augment.answers import AddedTopic
from anyview_ros.augment.copying import FileSummary, TopicRecord
from anyview_ros.datasets.bag_opening import INFORMATION, METADATA
from anyview_ros.datasets.safe_yaml import load_yaml

VERSION = 9
HASHED, WORDS = 7, 9  # versions from which topics have a hash, and QoS is no text


def yaml_text(topic: AddedTopic, version: int) -> str:
    """Return the QoS of a topic as files of a recording hold it.

    Args:
        version: of the recording's metadata. Before words there were numbers; Humble's player ends
            where it finds words, Jazzy's reads both.
    """
    return _qos_text(topic.qos, version >= WORDS)


@cache
def _qos_text(qos: Qos, in_words: bool) -> str:
    return _dumped(dump_qos_v9([qos])).strip() if in_words else dump_qos_v8([qos])


def read_metadata(folder: Path) -> dict[str, Any] | None:
    """Return what metadata.yaml says; None where there is no such file, or it is none of rosbag2.

    A bag is read without most of it, so none of it may end the work.
    """
    if not (folder / METADATA).is_file():
        return None
    text = (folder / METADATA).read_text(encoding="utf-8")
    found: dict[str, Any] = load_yaml(text)[INFORMATION]
    return found if _is_sound(found) else None


def _is_sound(found: dict[str, Any]) -> bool:
    """Return whether all is there that `metadata_text` keeps."""
    try:
        entries, notes = found.get("topics_with_message_count", []), found.get("custom_data") or {}
        names = {entry["topic_metadata"]["name"] for entry in entries}
        plain = all(isinstance(part, dict) for part in (*entries, notes))
        return plain and isinstance(found["version"], int) and None not in names
    except (AttributeError, KeyError, TypeError):
        return False


def metadata_text(
    before: dict[str, Any] | None,
    files: Sequence[FileSummary],
    storage: str,
    packed: bool,
    notes: dict[str, str],
    left_out: frozenset[str] = frozenset(),
) -> str:
    """Return metadata.yaml of the files written.

    Args:
        before: what that of the input said; what is not told here stays.
        files: in the order of recording.
        storage: mcap or sqlite3.
        packed: whether messages are compressed singly.
        notes: go into custom_data.
        left_out: topics that were not copied.
    """
    found: dict[str, Any] = {"version": VERSION, "ros_distro": "rosbags"}
    if before is not None:
        found = deepcopy(before)
    found["storage_identifier"] = storage
    found["relative_file_paths"] = [file.name for file in files]
    whole = FileSummary("")
    for file in files:
        whole.counts.update(file.counts)
        for name, record in file.topics.items():
            whole.topics.setdefault(name, record)
        if file.end_ns:
            whole.span(file.start_ns, file.end_ns)
    found |= _span(whole)
    found["topics_with_message_count"] = _topics(found, whole, left_out)
    found["files"] = [{"path": file.name, **_span(file)} for file in files]
    if not packed:  # files that were compressed are copied as they are inside
        found["compression_format"] = found["compression_mode"] = ""
    found["custom_data"] = {**(found.get("custom_data") or {}), **notes}
    return _dumped({INFORMATION: found})


def _span(file: FileSummary) -> dict[str, Any]:
    return {
        "starting_time": {"nanoseconds_since_epoch": file.start_ns},
        "duration": {"nanoseconds": file.end_ns - file.start_ns},
        "message_count": sum(file.counts.values()),
    }


def _topics(
    found: dict[str, Any], whole: FileSummary, left_out: frozenset[str]
) -> list[dict[str, Any]]:
    """Return the topics as they were described, with new counts, and those that are new.

    One that was left out may be new, too: the frames of virtual cameras are on topics of TF.
    """
    counts, listed = Counter(whole.counts), []
    for entry in found.get("topics_with_message_count", []):
        name = entry["topic_metadata"]["name"]
        if name not in left_out:
            listed.append({**entry, "message_count": counts.pop(name, 0)})
    version = found["version"]
    for name, record in whole.topics.items():
        if name in counts:
            described = {"topic_metadata": _described(name, record, version)}
            listed.append({**described, "message_count": counts[name]})
    return listed


def _described(name: str, record: TopicRecord, version: int) -> dict[str, Any]:
    qos = parse_qos(record.qos)
    found: dict[str, Any] = {
        "name": name,
        "type": record.message_type,
        "serialization_format": record.encoding,
        "offered_qos_profiles": dump_qos_v9(qos) if version >= WORDS else dump_qos_v8(qos),
    }
    if version >= HASHED:
        found["type_description_hash"] = record.type_hash
    return found


def _dumped(value: Any) -> str:
    yaml, stream = YAML(typ="safe"), StringIO()
    yaml.default_flow_style = False
    yaml.dump(value, stream)
    return stream.getvalue()
