"""What the node takes beside the model: three 1080p cameras at 30 Hz in, four that stream out.

    python -m benchmarks.streams [--model NAME] [--seconds 20] [--priorities 0 0 0 0] [--first]

The virtual cameras, one for each priority, are 256x144, live, at the model's full rate, with a
reader each. Printed: processor time of the node's process (inference has one of its own) for each
second of the sources' frames, so that a busy machine that sends them late changes nothing; and the
node's own figures of each camera. Times in the model and around it are of the wall. With `--first`
the node and its inference process go before all else on the machine (SCHED_RR, for root), which
makes a busy machine look idle to them. Latencies hold where the sources are on time: "s of frames
in s" says so.
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
from typing import Any

from anyview_ros.msg import VirtualCamera
from anyview_ros.srv import AddVirtualCamera
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from anyview_ros.demo.parameter_words import parameter_words
from anyview_ros.demo.session import Session
from anyview_ros.doctor.dds_profile import with_profile
from anyview_ros.node.parameters import NODE_PARAMETERS

SOURCES = ("front", "left", "right")
FIRST = ("chrt", "--rr", "2")
SHOWN = ("priority", "rate_hz", "clips", "wait_s", "model_s", "overhead_s", "latency_s", "balanced")


def main() -> None:
    arguments = _arguments()
    local = {"ROS_DOMAIN_ID": str(arguments.domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    os.environ.update(with_profile({**os.environ, **local}))
    with ExitStack() as stack:
        first = FIRST if arguments.first else ()
        node = stack.enter_context(
            _child("anyview_ros.node.node_process", *_parameters(arguments), before=first)
        )
        session = stack.enter_context(Session("streams", arguments.domain))
        heard: dict[str, dict[str, str]] = {}
        session.node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda message: _note(message, heard), 10
        )
        load = stack.enter_context(_load(arguments.seconds))
        for k, priority in enumerate(arguments.priorities):
            _add(session, f"camera_{k}", k, priority)
        _say(load)
        began, before = time.monotonic(), _processor_s(node.pid)
        _expect(load, "done")
        took, wall = _processor_s(node.pid) - before, time.monotonic() - began
        time.sleep(2.0)  # the last diagnostics
        _report(arguments, took, wall, heard)


def _report(
    arguments: argparse.Namespace, took: float, wall: float, heard: dict[str, dict[str, str]]
) -> None:
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{platform.machine()}, {cores} cores, load {load:.1f}, model {arguments.model}")
    print(
        f"{arguments.seconds:g} s of frames in {wall:.0f} s; processor time of the node's process"
    )
    print(f"for a second of them: {took / arguments.seconds:.2f} s")
    for name in sorted(heard):
        values = heard[name]
        print(name, ", ".join(f"{key} {values[key]}" for key in SHOWN))


def _note(message: DiagnosticArray, heard: dict[str, dict[str, str]]) -> None:
    for status in message.status:
        values = {pair.key: pair.value for pair in status.values}
        if "overhead_s" in values:
            heard[status.name.rpartition(" ")[2]] = values


def _add(session: Session, name: str, k: int, priority: int) -> None:
    client = session.node.create_client(AddVirtualCamera, "/anyview/add_virtual_camera")
    session.wait(client.wait_for_service, 60.0, "the node's services", "look at its output")
    camera = VirtualCamera(name=name, parent_frame="base_link", sources=["front"], rate=10.0)
    camera.priority = priority
    camera.pose.position.y = 0.5 * k
    camera.camera_info.width, camera.camera_info.height = 256, 144
    request = AddVirtualCamera.Request(camera=camera)
    answer = session.answer(lambda: client.call_async(request), 60.0, name)
    assert answer.success, answer.message
    session.node.create_subscription(Image, f"/virtual/{name}/image_raw", lambda _: None, 10)


@contextmanager
def _load(seconds: float) -> Iterator[subprocess.Popen[str]]:
    options = ["--transport", "raw", "--readers", "1", "--from-s", "0"]
    command = ["benchmarks.camera_path_load", "--cameras", *SOURCES, *options]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with _child(*command, "--seconds", str(seconds), **pipes) as load:
        _expect(load, "ready")
        _say(load)
        _expect(load, "start")
        yield load


@contextmanager
def _child(
    module: str, *arguments: str, before: Sequence[str] = (), **options: Any
) -> Iterator[subprocess.Popen[str]]:
    command = [*before, sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()  # closes its input: the load reads that to its end


def _expect(load: subprocess.Popen[str], word: str) -> None:
    assert load.stdout is not None
    assert load.stdout.readline().strip() == word


def _say(load: subprocess.Popen[str]) -> None:
    assert load.stdin is not None
    load.stdin.write("\n")
    load.stdin.flush()


def _processor_s(pid: int) -> float:
    """User and system time of a process, not of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _parameters(arguments: argparse.Namespace) -> list[str]:
    model = arguments.model
    return parameter_words({"model": model, "provider": "cpu", "cameras": list(SOURCES)})


def _arguments() -> argparse.Namespace:
    model = next(p.default for p in NODE_PARAMETERS if p.name == "model")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=model)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--domain", type=int, default=62)
    parser.add_argument("--priorities", type=int, nargs="+", default=[0, 0, 0, 0])
    parser.add_argument("--first", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
