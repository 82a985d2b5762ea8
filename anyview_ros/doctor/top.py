"""What `anyview top` shows, from the diagnostics of the nodes. Pure: statuses in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from anyview_ros import diagnostic_keys as keys
from anyview_ros.text_table import aligned

LEVEL_NAMES = {b"\x00": "ok", b"\x01": "warn", b"\x02": "error", b"\x03": "stale"}
LEVELS = {b"\x00": " ", b"\x01": "!", b"\x02": "X", b"\x03": "?"}
SOURCES = ("SOURCE", "RATE", "BUFFERED", "RECEIVED", "DROPPED", "TOPIC")
VIRTUALS = ("VIRTUAL", "STATE", "RATE", "LATENCY", "ANSWERED", "SKIPPED", "SOURCES")
NOTHING = "-"


@dataclass
class NodeReport:
    """The statuses of one node by what they are about, without the node's name."""

    name: str
    about: dict[str, Any] = field(default_factory=dict)

    def values(self, subject: str) -> Mapping[str, str]:
        status = self.about.get(subject)
        return {pair.key: pair.value for pair in status.values} if status else {}

    def starting(self, prefix: str) -> list[str]:
        """Subjects that begin so, in order."""
        return sorted(subject for subject in self.about if subject.startswith(prefix))


def reports(statuses: Iterable[Any]) -> list[NodeReport]:
    """One a node, in order of name; of equal subjects the last counts.

    Args:
        statuses: diagnostic_msgs/DiagnosticStatus of nodes `anyview`, and of others.
    """
    found: dict[str, NodeReport] = {}
    for status in statuses:
        if named := keys.parts(status):
            node, subject = named
            found.setdefault(node, NodeReport(node)).about[subject] = status
    return [found[name] for name in sorted(found)]


def content(report: NodeReport, gpu: str) -> dict[str, Any]:
    """Return all there is to say about a node, for programs; `gpu` as in `page`."""
    statuses = [
        {
            "subject": subject,
            "level": LEVEL_NAMES.get(status.level, "stale"),
            "message": status.message,
            "values": dict(report.values(subject)),
        }
        for subject, status in sorted(report.about.items())
    ]
    return {"name": f"/{report.name}", "gpu": gpu, "statuses": statuses}


def page(report: NodeReport, gpu: str, width: int) -> list[str]:
    """All there is to say about a node, in lines of at most `width` columns.

    Args:
        gpu: what its inference process takes of a GPU, in words.
    """
    state, model = report.values(keys.STATE).get(keys.STATE, "?"), report.values(keys.MODEL)
    runs = f"{model.get(keys.MODEL, NOTHING)} on {model.get(keys.PROVIDER) or NOTHING}"
    head = f"/{report.name}  {state}  model {runs}"
    lines = [
        head,
        f"  node {_load(report, keys.NODE)}  inference {_load(report, keys.WORKER)}  {gpu}",
    ]
    lines += ["", *_table(SOURCES, [_source(report, s) for s in report.starting(keys.CAMERA)])]
    virtuals = [_virtual(report, s) for s in report.starting(keys.VIRTUAL_CAMERA)]
    lines += ["", *_table(VIRTUALS, virtuals)]
    return [line[:width].rstrip() for line in lines] + _problems(report, width)


def _load(report: NodeReport, process: str) -> str:
    values = report.values(keys.LOAD)
    cpu, memory = values.get(process + keys.CPU_PERCENT), values.get(process + keys.MEMORY_MB)
    return f"CPU {cpu} %, {memory} MB" if cpu and memory else NOTHING


def _source(report: NodeReport, subject: str) -> tuple[str, ...]:
    values = report.values(subject)
    return (
        _marked(report, subject, keys.CAMERA),
        f"{values.get(keys.RATE_HZ, NOTHING)} Hz",
        values.get(keys.BUFFERED, NOTHING),
        values.get(keys.RECEIVED, NOTHING),
        _counts(values, keys.DROPPED),
        values.get(keys.TOPIC, NOTHING),
    )


def _virtual(report: NodeReport, subject: str) -> tuple[str, ...]:
    values = report.values(subject)
    asked = values.get(keys.RATE_ASKED_HZ)
    return (
        _marked(report, subject, keys.VIRTUAL_CAMERA),
        values.get(keys.MODE, "on request") + f", {values.get(keys.STATE, NOTHING)}",
        f"{values[keys.RATE_HZ]} of {asked} Hz" if asked else NOTHING,
        f"{values[keys.LATENCY_S]} s" if keys.LATENCY_S in values else NOTHING,
        values.get(keys.PUBLISHED, NOTHING),
        _counts(values, keys.SKIPPED),
        values.get(keys.SOURCES) or NOTHING,
    )


def _marked(report: NodeReport, subject: str, prefix: str) -> str:
    """A camera's name behind the mark of its level."""
    return LEVELS.get(report.about[subject].level, "?") + " " + subject.removeprefix(prefix)


def _counts(values: Mapping[str, str], prefix: str) -> str:
    """The sum of all reasons, and the one that is most."""
    reasons = keys.reasons(values, prefix)
    if not any(reasons.values()):
        return "0"
    most = max(reasons, key=lambda reason: reasons[reason])
    return f"{sum(reasons.values())} ({most})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be; names are marked in their first two places."""
    rows = [("  " + head[0], *head[1:]), *rows] if rows else [("  " + head[0], "none")]
    return aligned(rows, left=range(len(head)))


def _problems(report: NodeReport, width: int) -> list[str]:
    """Every status that is not well, with its text whole: that is where the remedy stands."""
    lines = []
    for subject, status in sorted(report.about.items()):
        mark = LEVELS.get(status.level, "?")
        if mark != " ":
            text = f"{mark} {subject}: {status.message}"
            lines += ["", *wrap(text, width, subsequent_indent="    ")]
    return lines
