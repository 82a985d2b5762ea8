"""`anyview top`: cameras, rates, latency, drops and load of the nodes in the graph, as they are."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from anyview_ros import diagnostic_keys as keys
from anyview_ros.cli.json_output import add_json, print_json
from anyview_ros.doctor.gpu_load import gpu_load
from anyview_ros.doctor.top import NodeReport, content, page, reports

TOPIC = "/diagnostics"
FIRST_S = 5.0  # nodes speak once a second, where `diagnostics_period_s` is as it comes
LOST_S = 3.0
HOME, CLEAR_BELOW, CLEAR_REST_OF_LINE = "\x1b[H", "\x1b[J", "\x1b[K"
WHOLE_SCREEN, BACK = "\x1b[?1049h", "\x1b[?1049l"  # xterm's alternate screen
JSON_KEYS = {
    "nodes": "those that speak, by name",
    "nodes[].name": "with its namespace: `/robot1/anyview`",
    "nodes[].gpu": "what its inference process takes of a GPU, in words; empty for nothing",
    "nodes[].statuses": "what it says on /diagnostics, by subject",
    "nodes[].statuses[].subject": "`state`, `model`, `load`, `camera NAME`, `virtual camera NAME`",
    "nodes[].statuses[].level": "`ok`, `warn`, `error` or `stale`",
    "nodes[].statuses[].message": "why, and what to do",
    "nodes[].statuses[].values": "as in /diagnostics, all of them texts",
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print the state once and end")
    add_json(parser, "the state once")


def run(args: Namespace) -> int:
    from diagnostic_msgs.msg import DiagnosticArray

    from anyview_ros.demo.session import Session

    heard = _Heard()
    with Session("anyview_top") as session:
        session.node.create_subscription(DiagnosticArray, TOPIC, heard.keep, 100)
        remedy = "start it (anyview node), in this ROS_DOMAIN_ID"
        session.wait(heard.wait, FIRST_S, "the diagnostics of a node 'anyview'", remedy)
        if args.json:
            heard.settled()
            print_json({"nodes": [content(each, _gpu(each)) for each in reports(heard.statuses())]})
            return 0
        if args.once or not sys.stdout.isatty():
            heard.settled()
            print("\n".join(_lines(heard.statuses())))
            return 0
        print(WHOLE_SCREEN, end="")
        try:
            while True:
                _draw(_lines(heard.statuses()))
                heard.wait(LOST_S)
        finally:
            print(BACK, end="", flush=True)


class _Heard:
    """Keep what each node said last; filled by the session's thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._said: dict[str, tuple[float, list[Any]]] = {}  # by node: when, statuses
        self._is_new = False

    def keep(self, message: Any) -> None:
        """Others publish diagnostics too. A node's message holds all there is of it."""
        of_nodes = reports(message.status)
        with self._changed:
            for report in of_nodes:
                self._said[report.name] = time.monotonic(), list(report.about.values())
            self._is_new = self._is_new or bool(of_nodes)
            self._changed.notify_all()

    def wait(self, limit_s: float) -> bool:
        """Whether a node has spoken, since the last time that this said so."""
        with self._changed:
            came, self._is_new = self._changed.wait_for(lambda: self._is_new, limit_s), False
            return came

    def settled(self) -> None:
        """Wait for the second message: only then shares of the CPU are known."""
        self.wait(LOST_S)

    def statuses(self) -> list[Any]:
        """Of the nodes that speak; one that has ended is not shown for long."""
        now_s = time.monotonic()
        with self._changed:
            said = [said for at_s, said in self._said.values() if now_s - at_s < LOST_S]
            return [status for statuses in said for status in statuses]


def _lines(statuses: Sequence[Any]) -> list[str]:
    width = shutil.get_terminal_size().columns
    lines: list[str] = []
    for report in reports(statuses):
        lines += [*page(report, _gpu(report), width), ""]
    return lines[:-1] or ["no node 'anyview' speaks now"]


def _gpu(report: NodeReport) -> str:
    return gpu_load(report.values(keys.LOAD).get(keys.WORKER_PID, ""))


def _draw(lines: Sequence[str]) -> None:
    """Over what was there, without a flicker; what is too long for the screen is cut."""
    height = shutil.get_terminal_size().lines - 1
    shown = "".join(f"{line}{CLEAR_REST_OF_LINE}\r\n" for line in lines[:height])
    print(HOME + shown + CLEAR_BELOW, end="", flush=True)
