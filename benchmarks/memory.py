"""Memory of the node, its inference process and their shared memory over minutes of work.

    python -m benchmarks.memory [--minutes 5] [--model NAME] [--cameras rig|1080p] [--every 0]
                                [--rate 0]

The rig drives, the node buffers three cameras, and clips are asked for one after the other, or
every so many seconds; with a rate two virtual cameras stream instead. With `--cameras 1080p`
camera_path_load.py takes the rig's place and sends three raw 1080p cameras at 30 Hz. Each sample is
what the node and its worker hold alone (proportional set size of anonymous memory and files), and
every file in /dev/shm that either has mapped, counted once.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from anyview_ros.msg import ClipRequest, VirtualCamera
from anyview_ros.srv import AddVirtualCamera, Synthesize

from anyview_ros.demo.demo_cameras import on_the_car
from anyview_ros.demo.parameter_words import parameter_words
from anyview_ros.demo.session import Session
from anyview_ros.demo.subprocesses import Children
from anyview_ros.doctor.dds_profile import with_profile
from anyview_ros.packages import DEFAULT_MODEL

MB = 1_000_000
SETTLED_S = 120.0  # caches and buffers are full by then
START_S, ANSWER_S = 300.0, 120.0


class Sample(NamedTuple):
    """Seconds since the first, bytes held, code of a refused request or empty."""

    time_s: float
    node: int
    inference: int
    shared: int
    code: str

    @property
    def held(self) -> int:
        return self.node + self.inference + self.shared


def main() -> None:
    arguments = _arguments()
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(arguments.domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    os.environ.update(with_profile(environment))
    is_rig = arguments.cameras == "rig"
    node = parameter_words({"model": arguments.model, "use_sim_time": is_rig})
    streams = arguments.rate > 0
    with (
        tempfile.TemporaryDirectory() as folder,
        Children(Path(folder), os.environ) as children,
        Session("memory", arguments.domain, children.check) as session,
    ):
        children.start("node", "anyview_ros.node.node_process", node)
        if is_rig:
            children.start("rig", "anyview_ros.node.simulation.sim_rig", [])
        else:
            children.start("load", "benchmarks.camera_path_load", _load(arguments.minutes))
        for camera in on_the_car().cameras:
            camera.rate = arguments.rate
            _add(session, camera)
        ask = (lambda: "") if streams else _asker(session)
        samples = _work(ask, children.pid("node"), arguments.minutes * 60, arguments.every)
    _report(samples)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (5)")
    parser.add_argument("--every", type=float, default=0.0, help="seconds between clips (0)")
    parser.add_argument("--rate", type=float, default=0.0, help="Hz of the virtual cameras (0)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package")
    parser.add_argument("--cameras", choices=("rig", "1080p"), default="rig", help="which (rig)")
    parser.add_argument("--domain", type=int, default=98, help="ROS_DOMAIN_ID (98)")
    return parser.parse_args()


def _load(minutes: float) -> list[str]:
    """Arguments of the load, which begins at once because its input is empty."""
    cameras = ["--cameras", "front", "left", "right", "--transport", "raw", "--readers", "1"]
    return [*cameras, "--from-s", "1000", "--seconds", str(minutes * 60 + START_S)]


def _add(session: Session, camera: VirtualCamera) -> None:
    """Ask until the node knows the car's frame: its model loads, the rig compiles."""
    client = session.node.create_client(AddVirtualCamera, "/anyview/add_virtual_camera")
    session.wait(client.wait_for_service, START_S, "the node", "see its log")
    request = AddVirtualCamera.Request(camera=camera)
    deadline = time.monotonic() + START_S
    while True:
        answer = session.answer(lambda: client.call_async(request), ANSWER_S, "an answer")
        if answer.success:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"[{answer.code}] {answer.message}")


def _asker(session: Session) -> Callable[[], str]:
    """Asks for one clip; the code of the answer."""
    client = session.node.create_client(Synthesize, "/anyview/synthesize")
    session.wait(client.wait_for_service, START_S, "the service", "see the node's log")
    camera = VirtualCamera(name=on_the_car().cameras[0].name)
    request = Synthesize.Request(request=ClipRequest(camera=camera))

    def ask() -> str:
        answer = session.answer(lambda: client.call_async(request), ANSWER_S, "a clip")
        return str(answer.result.code)

    return ask


def _work(ask: Callable[[], str], node_pid: int, duration_s: float, every_s: float) -> list[Sample]:
    started, samples = time.monotonic(), []
    while (elapsed := time.monotonic() - started) < duration_s:
        code = ask()
        time.sleep(every_s)
        samples.append(Sample(elapsed, *_memory(node_pid), code))
    return samples


def _memory(node_pid: int) -> tuple[int, int, int]:
    """Bytes held by the node, by the other processes of its session, and of /dev/shm mapped."""
    pids = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdecimal()]
    own = [pid for pid in pids if _session_of(pid) == node_pid]
    node = _private(node_pid)
    others = sum(_private(pid) for pid in own if pid != node_pid)
    return node, others, sum(_shared_files(own).values())


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _private(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kilobytes = {line.split(":")[0]: line.split()[1] for line in rollup[1:]}
    return 1024 * (int(kilobytes["Pss_Anon"]) + int(kilobytes["Pss_File"]))


def _shared_files(pids: list[int]) -> dict[str, int]:
    """Bytes in use of each file in /dev/shm that one of the processes has mapped."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    paths = {line.split(maxsplit=5)[5] for line in lines if "/dev/shm/" in line}
    return {path: 512 * os.stat(path).st_blocks for path in paths if os.path.exists(path)}


def _report(samples: list[Sample]) -> None:
    refused = Counter(sample.code for sample in samples if sample.code)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(f"{len(samples)} samples; requests refused: {dict(refused) or 'none'}")
    print(f"{'minute':>6}  {'node MB':>8}  {'inference MB':>12}  {'/dev/shm MB':>11}")
    next_s = 0.0
    for sample in samples:
        if sample.time_s >= next_s:
            node, inference = sample.node / MB, sample.inference / MB
            print(f"{sample.time_s / 60:6.1f}  {node:8.1f}  {inference:12.1f}", end="")
            print(f"  {sample.shared / MB:11.1f}")
            next_s += 30.0
    settled = np.array([(s.time_s / 60, s.held / MB) for s in samples if s.time_s >= SETTLED_S])
    if len(settled) < 2:
        print("no slope: run longer than two minutes")
        return
    slope, _ = np.polyfit(settled[:, 0], settled[:, 1], 1)
    print(f"slope after minute {SETTLED_S / 60:.0f}: {slope:+.2f} MB a minute (aim: under 1)")


if __name__ == "__main__":
    main()
