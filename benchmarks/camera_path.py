"""CPU of the way from a published 1080p message at 30 Hz to a frame ready for the model.

    python -m benchmarks.camera_path [--seconds 20]

For raw rgb8 and for jpeg: the node with one camera and `camera_path_baseline.py` receive the same
frames at the same time, each in a process of its own, and so do two processes that receive and do
nothing else, by a typed and by a serialized subscription; then the node alone with three cameras.
The load is one more process that sends bytes serialized before. CPU is of all threads of a process,
from /proc; of the node everything in it counts (TF, camera info, executors, diagnostics), its
inference process, which has nothing to do, does not. All load the shipped DDS profile.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from anyview_ros.doctor.dds_profile import with_profile
from anyview_ros.node.parameters import NODE_PARAMETERS
from anyview_ros.packages import find_package, load_package

HERE = Path(__file__).resolve().parent
FROM_S = 1000
RATE_HZ = 30
DEADLINE_S = 120.0
CAMERAS = ("front", "left", "right")
BESIDE = ("usual", "typed", "serialized")  # kinds of work of the baseline


class Cost(NamedTuple):
    """Of one process: frames received of those sent, and seconds of CPU."""

    received: int
    sent: int
    cpu_s: float
    wall_s: float

    @property
    def each_ms(self) -> float:
        return 1e3 * self.cpu_s / max(self.received, 1)

    @property
    def line(self) -> str:
        share = self.cpu_s / self.wall_s
        return f"{self.received:6d} of {self.sent:6d} {self.each_ms:10.2f} {share:8.3f}"


def main() -> None:
    arguments = _arguments()
    environment = {"ROS_DOMAIN_ID": str(arguments.domain)}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.update(with_profile({**os.environ, **environment}))
    rclpy.init()
    watcher = Watcher()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(f"{'':<24} {'received':>16} {'CPU ms each':>10} {'cores':>8}")
    for transport in arguments.transports:
        costs = _measure(watcher, arguments, transport, CAMERAS[:1], BESIDE)
        for name, cost in costs.items():
            _say(f"{transport}, {name}", cost)
        ratio = costs["usual"].each_ms / costs["node"].each_ms
        print(f"{'':<24} usual / node: {ratio:.2f} (aim: 3)", flush=True)
        three = _measure(watcher, arguments, transport, CAMERAS, ())
        _say(f"{transport}, node, 3 cameras", three["node"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement (20)")
    parser.add_argument("--transports", nargs="+", default=("raw", "compressed"))
    parser.add_argument("--domain", type=int, default=139, help="ROS_DOMAIN_ID (139)")
    parser.add_argument("--model", default=NODE_PARAMETERS[1].default, help="model package")
    return parser.parse_args()


def _say(what: str, cost: Cost) -> None:
    print(f"{what:<24} {cost.line}   load {os.getloadavg()[0]:.1f}", flush=True)


class Watcher:
    """Reads from the node's diagnostics how many images it received."""

    def __init__(self) -> None:
        self._node = Node("camera_path")
        self._received: dict[str, int] = {}
        self._written_s = 0
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._keep, 10)

    def received(self, cameras: Sequence[str]) -> int:
        """Of all these cameras, by diagnostics that are written from the next second on."""
        from_s = time.time() + 1.0
        deadline = time.monotonic() + DEADLINE_S
        while self._written_s < from_s or any(name not in self._received for name in cameras):
            assert time.monotonic() < deadline, "no diagnostics of the node"
            rclpy.spin_once(self._node, timeout_sec=1.0)
        return sum(self._received[name] for name in cameras)

    def _keep(self, array: DiagnosticArray) -> None:
        self._written_s = array.header.stamp.sec
        for status in array.status:
            values = {pair.key: pair.value for pair in status.values}
            if "received" in values:
                name = status.name.removeprefix("anyview: camera ")
                self._received[name] = int(values["received"])


def _measure(
    watcher: Watcher,
    arguments: argparse.Namespace,
    transport: str,
    cameras: Sequence[str],
    beside: Sequence[str],
) -> dict[str, Cost]:
    """What the node costs, and the baselines beside it, by kind of work."""
    sent = round(arguments.seconds * RATE_HZ) * len(cameras)
    common = ["--transport", transport, "--from-s", str(FROM_S)]
    load = [str(HERE / "camera_path_load.py"), *common, "--cameras", *cameras]
    load += ["--seconds", str(arguments.seconds), "--readers", str(1 + len(beside))]
    with ExitStack() as running:
        receivers = {"node": running.enter_context(_running(_node(arguments, transport, cameras)))}
        for work in beside:
            command = [*_baseline(arguments, transport, cameras), *common, "--work", work]
            receivers[work] = running.enter_context(_running(command))
        sender = running.enter_context(_running(load))
        _expect(sender, "ready")
        watcher.received(cameras)
        time.sleep(2.0)  # everything is imported, compiled, and known to each other
        _tell(sender)
        _expect(sender, "start")
        received = watcher.received(cameras)
        began, before = time.monotonic(), {n: _cpu_s(p) for n, p in receivers.items()}
        _tell(sender)
        _expect(sender, "done")
        wall_s = time.monotonic() - began
        counted = {"node": watcher.received(cameras) - received}
        cpu_s = {n: _cpu_s(p) - before[n] for n, p in receivers.items()}
        for work in beside:
            counted[work] = int(receivers[work].communicate(timeout=DEADLINE_S)[0])
    return {name: Cost(counted[name], sent, cpu_s[name], wall_s) for name in receivers}


def _node(arguments: argparse.Namespace, transport: str, cameras: Sequence[str]) -> list[str]:
    flags = [f"model:={arguments.model}", f"cameras:=[{','.join(cameras)}]"]
    flags += [f"{name}.transport:={transport}" for name in cameras]
    command = ["-m", "anyview_ros.node.node_process", "--ros-args"]
    return command + [word for flag in flags for word in ("-p", flag)]


def _baseline(arguments: argparse.Namespace, transport: str, cameras: Sequence[str]) -> list[str]:
    height, width = load_package(find_package(arguments.model)).contract.sizes[0]
    suffix = "/compressed" if transport == "compressed" else ""
    topics = [f"/{name}/image_raw{suffix}" for name in cameras]
    command = [str(HERE / "camera_path_baseline.py"), "--topics", *topics]
    return [*command, "--size", str(width), str(height)]


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """`python command...`, ended with the block."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, *command], text=True, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line == word, f"the load said '{line}' in place of '{word}'"


def _cpu_s(process: subprocess.Popen[str]) -> float:
    """Seconds of user and system time of all threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
