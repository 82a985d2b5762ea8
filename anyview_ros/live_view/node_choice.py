"""Which running node is meant, by who speaks on /diagnostics."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from anyview_ros.demo.session import Session
from anyview_ros.doctor.top import NodeReport, reports
from anyview_ros.errors import AnyviewError

OTHERS_S = 1.5  # after the first, until all others have spoken


class Diagnostics:
    """Keep what each node said last; filled by the session's thread."""

    def __init__(self, session: Session) -> None:
        self._changed = threading.Condition()
        self._reports: dict[str, NodeReport] = {}
        session.node.create_subscription(DiagnosticArray, "/diagnostics", self._keep, 100)

    def wait(self, name: str, limit_s: float) -> bool:
        """Whether a node has spoken; of an empty name, any."""
        with self._changed:
            return self._changed.wait_for(lambda: self._spoke(name), limit_s)

    def names(self) -> list[str]:
        """Return the nodes that have spoken, sorted."""
        with self._changed:
            return sorted(self._reports)

    def of(self, name: str) -> NodeReport:
        """Return what a node said last."""
        with self._changed:
            return self._reports.get(name, NodeReport(name))

    def _spoke(self, name: str) -> bool:
        return name in self._reports if name else bool(self._reports)

    def _keep(self, message: Any) -> None:
        with self._changed:
            self._reports.update({report.name: report for report in reports(message.status)})
            self._changed.notify_all()


def chosen_node(
    session: Session, diagnostics: Diagnostics, name: str, timeout_s: float, logs: str = ""
) -> str:
    """Return the name of a node that speaks, without its first slash.

    Args:
        name: with or without the slash; empty = the only one there is.
        logs: where to look, of a node that this process started.

    Raises:
        AnyviewError: `timeout`, `several_nodes`.
    """
    name = name.removeprefix("/")
    session.wait(
        lambda limit_s: diagnostics.wait(name, limit_s),
        timeout_s,
        f"the diagnostics of a node '{name or 'anyview'}'",
        logs or "start it (anyview node), in this ROS_DOMAIN_ID",
    )
    if name:
        return name
    time.sleep(OTHERS_S)
    return only_one(diagnostics.names())


def only_one(names: Collection[str]) -> str:
    """Return the one node of a list.

    Raises:
        AnyviewError: `several_nodes`.
    """
    if len(names) > 1:
        there = ", ".join(f"/{name}" for name in sorted(names))
        raise AnyviewError(
            "several_nodes", f"one node is shown, there are {there}; name one of them (--node)"
        )
    (name,) = names
    return name
