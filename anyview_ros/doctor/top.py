"""What `anyview top` shows, from the diagnostics of the nodes. Pure: statuses in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

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
        node, colon, subject = status.name.partition(": ")
        if colon and node == status.hardware_id and node.rpartition("/")[2] == "anyview":
            found.setdefault(node, NodeReport(node)).about[subject] = status
    return [found[name] for name in sorted(found)]


def page(report: NodeReport, gpu: str, width: int) -> list[str]:
    """All there is to say about a node, in lines of at most `width` columns.

    Args:
        gpu: what its inference process takes of a GPU, in words.
    """
    state, model = report.values("state").get("state", "?"), report.values("model")
    runs = f"{model.get('model', NOTHING)} on {model.get('provider') or NOTHING}"
    head = f"/{report.name}  {state}  model {runs}"
    lines = [head, f"  node {_load(report, 'node')}  inference {_load(report, 'worker')}  {gpu}"]
    lines += ["", *_table(SOURCES, [_source(report, s) for s in report.starting("camera ")])]
    virtuals = [_virtual(report, s) for s in report.starting("virtual camera ")]
    lines += ["", *_table(VIRTUALS, virtuals)]
    return [line[:width].rstrip() for line in lines] + _problems(report, width)


def _load(report: NodeReport, process: str) -> str:
    values = report.values("load")
    cpu, memory = values.get(f"{process}_cpu_percent"), values.get(f"{process}_memory_mb")
    return f"CPU {cpu} %, {memory} MB" if cpu and memory else NOTHING


def _source(report: NodeReport, subject: str) -> tuple[str, ...]:
    values = report.values(subject)
    return (
        _marked(report, subject, "camera "),
        f"{values.get('rate_hz', NOTHING)} Hz",
        values.get("buffered", NOTHING),
        values.get("received", NOTHING),
        _counts(values, "dropped."),
        values.get("topic", NOTHING),
    )


def _virtual(report: NodeReport, subject: str) -> tuple[str, ...]:
    values = report.values(subject)
    asked = values.get("rate_asked_hz")
    return (
        _marked(report, subject, "virtual camera "),
        values.get("mode", "on request") + f", {values.get('state', NOTHING)}",
        f"{values['rate_hz']} of {asked} Hz" if asked else NOTHING,
        f"{values['latency_s']} s" if "latency_s" in values else NOTHING,
        values.get("published", NOTHING),
        _counts(values, "skipped."),
        values.get("sources") or NOTHING,
    )


def _marked(report: NodeReport, subject: str, prefix: str) -> str:
    """A camera's name behind the mark of its level."""
    return LEVELS.get(report.about[subject].level, "?") + " " + subject.removeprefix(prefix)


def _counts(values: Mapping[str, str], prefix: str) -> str:
    """The sum of all reasons, and the one that is most."""
    reasons = {k.removeprefix(prefix): int(v) for k, v in values.items() if k.startswith(prefix)}
    if not any(reasons.values()):
        return "0"
    most = max(reasons, key=lambda reason: reasons[reason])
    return f"{sum(reasons.values())} ({most})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be; names are marked in their first two places."""
    rows = [("  " + head[0], *head[1:]), *rows] if rows else [("  " + head[0], "none")]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(r, widths, strict=True)) for r in rows
    ]
    return [line.rstrip() for line in lines]


def _problems(report: NodeReport, width: int) -> list[str]:
    """Every status that is not well, with its text whole: that is where the remedy stands."""
    lines = []
    for subject, status in sorted(report.about.items()):
        mark = LEVELS.get(status.level, "?")
        if mark != " ":
            text = f"{mark} {subject}: {status.message}"
            lines += ["", *wrap(text, width, subsequent_indent="    ")]
    return lines
