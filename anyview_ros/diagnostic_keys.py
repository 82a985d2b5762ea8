"""The names on /diagnostics that programs read: written by the node, looked for by its readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NODE_NAME = "anyview"

# Subjects: what a status is about. Those that end in a space go before a camera's name.
STATE, MODEL, LOAD = "state", "model", "load"
CAMERA, VIRTUAL_CAMERA = "camera ", "virtual camera "

# Values of the node, its model and its load; <process>_cpu_percent and so on.
PROVIDER, WORKER_PID = "provider", "worker_pid"
NODE, WORKER = "node", "worker"
CPU_PERCENT, MEMORY_MB, PID = "_cpu_percent", "_memory_mb", "_pid"

# Values of a source camera: its ledger adds up, RECEIVED = LEDGER_PARTS + all dropped.
TOPIC, RATE_HZ, BALANCED, TRUE = "topic", "rate_hz", "balanced", "True"
RECEIVED, PENDING_TF, BUFFERED = "received", "pending_tf", "buffered"
RETIRED_USED, RETIRED_UNUSED = "retired_used", "retired_unused"
LEDGER_PARTS = (PENDING_TF, BUFFERED, RETIRED_USED, RETIRED_UNUSED)
DROPPED = "dropped."  # before a reason

# Values of a virtual camera.
MODE, RATE_ASKED_HZ, LATENCY_S, CLIPS = "mode", "rate_asked_hz", "latency_s", "clips"
SEEN, PUBLISHED, WAITING, SOURCES = "seen", "published", "waiting", "sources"
SKIPPED = "skipped."  # before a reason


def named(node: str, subject: str) -> str:
    """Return the name of a status: that of a node, without its first slash, and the subject."""
    return f"{node}: {subject}"


def parts(status: Any) -> tuple[str, str] | None:
    """Return the node and the subject of a status; None where it is of no node `anyview`.

    Args:
        status: a diagnostic_msgs/DiagnosticStatus; its node may lie in a namespace.
    """
    node, colon, subject = status.name.partition(": ")
    is_ours = colon and node == status.hardware_id and node.rpartition("/")[2] == NODE_NAME
    return (node, subject) if is_ours else None


def reasons(values: Mapping[str, str], prefix: str) -> dict[str, int]:
    """Return the counts under DROPPED or SKIPPED, by reason."""
    return {k.removeprefix(prefix): int(v) for k, v in values.items() if k.startswith(prefix)}
