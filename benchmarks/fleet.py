"""What Ray takes a recording, beside the same without; and what follows for many on paper.

    python -m benchmarks.fleet [--bags 12] [--seconds 3] [--size 640x360] [--turns 3]
    python -m benchmarks.fleet --paper [--bags 1000] [--gpus 64] [--store GB/S]

Small drives are augmented by a pass-through in the model's place: in this process one after the
other, by one worker of Ray, and by two, in turns. Each way has a process of its own, and its
figures are of what runs below it, Ray's own processes included:

- start: from Ray's begin until each worker has augmented a first drive, imports and all;
- a bag: processor and wall seconds of the others, by their number; of these the driver's, which is
  the process that gives them out;
- idle: processor seconds a second while workers wait.

`--paper` computes how long a fleet of GPUs takes from such figures. Its constants are measured ones
(benchmarks/RESULTS.md says where), and the seconds of a clip on a GPU are a variable.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from anyview_ros.augment.fleet import Fleet, InProcess, Work, Worker, Workers
from anyview_ros.augment.ledger import Ledger
from anyview_ros.augment.ray_workers import RayWorkers
from anyview_ros.augment.recordings import recordings
from anyview_ros.augment.settings import Model, Settings
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from benchmarks.augment import CAMERAS, PassThrough, write_drive

IDLE_S = 10.0
TICKS = os.sysconf("SC_CLK_TCK")

# On paper: a recording of five minutes, one raw 1280x720 camera at 10 Hz, one virtual camera.
GIGABYTES, WRITTEN, FRAMES = 8.3, 10.4, 3000
IO_S_A_GB = 3.9  # augment with a pass-through: Recordings augmented
START_S, OVERHEAD_S = 6.6, 0.04  # processor seconds of Ray, with two workers: Many recordings
# seconds of a clip, its new frames, and where that is from
CLIPS = (
    (0.10, 8, "if detail took no time"),
    (0.39, 8, "worlds-composite-10m at draft, H200: measured"),
    (1.00, 8, "a supposition"),
    (11.9, 36, "the released size, torch eager, H200: measured"),
)


def worker(cameras: Path) -> Worker:
    package = load_package(find_package(DEFAULT_MODEL))
    work = Work(cameras, BagOptions(), Settings())
    return Worker(work, Model(package, "cpu", load=PassThrough))


def processor_s() -> float:
    """Processor seconds of this process and all below it, of those that ended too."""
    parents, seconds = dict[int, int](), dict[int, float]()
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        pid = int(file.parent.name)
        parents[pid] = int(fields[1])
        seconds[pid] = sum(map(int, fields[11:15])) / TICKS
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(seconds[pid] for pid in below)


def measure(folder: Path, count: int, bags: int) -> dict[str, float]:
    """The figures of one way, in this process."""
    make = partial(worker, folder / "cameras.yaml")
    warm = Ledger(folder / f"warm-{os.getpid()}", {}, resume=False)
    ledger = Ledger(folder / f"out-{os.getpid()}", {}, resume=False)
    wall, processor = time.monotonic(), processor_s()
    with ExitStack() as stack:
        ray = stack.enter_context(RayWorkers(make, count)) if count else None
        workers: Workers = ray or InProcess(make(), warm)
        begun = recordings(folder / "warm")
        first = dict(list(begun.items())[: max(1, count)])
        Fleet(first, warm, workers, lambda line: None).run()
        start_wall, start = time.monotonic() - wall, processor_s() - processor
        workers = ray or InProcess(make(), ledger)
        fleet = Fleet(recordings(folder / "drives"), ledger, workers, lambda line: None)
        wall, processor, own = time.monotonic(), processor_s(), time.process_time()
        fleet.run()
        driver = time.process_time() - own
        bag_wall, bag = time.monotonic() - wall, processor_s() - processor
        assert fleet.states() == {"done": bags}, fleet.states()
        processor = processor_s()
        time.sleep(IDLE_S)
        idle = (processor_s() - processor) / IDLE_S
    return {
        "start": start,
        "start wall": start_wall,
        "bag": bag / bags,
        "bag wall": bag_wall / bags,
        "driver": driver / bags if count else 0.0,
        "idle": idle,
    }


def measure_all(args: argparse.Namespace) -> None:
    width, height = map(int, args.size.split("x"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{args.bags} drives of {args.seconds:g} s, {args.size} at 10 Hz")
    with TemporaryDirectory(prefix="anyview-", dir=args.work) as name:
        folder = Path(name)
        (folder / "cameras.yaml").write_text(CAMERAS)
        (folder / "warm").mkdir()
        (folder / "drives").mkdir()
        for k in range(2):
            write_drive(folder / "warm" / f"drive_{k}", args.seconds, (width, height))
        for k in range(args.bags):
            write_drive(folder / "drives" / f"drive_{k:02d}", args.seconds, (width, height))
        found: dict[int, list[dict[str, float]]] = {0: [], 1: [], 2: []}
        for _ in range(args.turns):
            for count, turns in found.items():
                turns.append(in_a_process(folder, count, args.bags))
                print(f"{count} workers: " + told(turns[-1]), flush=True)
    for count, turns in found.items():
        medians = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
        print(f"{count} workers, median of {args.turns}: {told(medians)}")


def told(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f} s" for name, value in figures.items())


def in_a_process(folder: Path, count: int, bags: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.fleet", "--bags", str(bags)]
    command += ["--child", str(folder), "--count", str(count)]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def on_paper(args: argparse.Namespace) -> None:
    """Bags of equal length, a worker a GPU, each on a disk of its own."""
    rounds = -(-args.bags // args.gpus)
    io = GIGABYTES * IO_S_A_GB
    if args.store:
        io += (GIGABYTES + WRITTEN) / args.store
    print(f"{args.bags} recordings of {GIGABYTES} GB, {args.gpus} GPUs: {rounds} rounds")
    for clip_s, new, source in CLIPS:
        clips = -(-FRAMES // new)
        bag = clips * clip_s + io + OVERHEAD_S
        total = START_S + rounds * bag
        share = clips * clip_s / bag
        print(
            f"clip {clip_s:g} s ({source}): {clips} clips, a bag {bag:.0f} s, "
            f"{100 * share:.0f} % of it in the engine, all {total / 3600:.2f} h"
        )
    at_most = args.bags * OVERHEAD_S
    print(f"the driver: at most {args.bags} times {OVERHEAD_S:g} s, {at_most:.0f} s")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    found.add_argument("--bags", type=int)
    found.add_argument("--seconds", type=float, default=3.0, help="of a drive")
    found.add_argument("--size", default="640x360")
    found.add_argument("--turns", type=int, default=3)
    found.add_argument("--work", type=Path, help="folder on the disk that is used")
    found.add_argument("--paper", action="store_true")
    found.add_argument("--gpus", type=int, default=64)
    found.add_argument("--store", type=float, default=0.0, help="GB/s of a worker to a store")
    found.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    found.add_argument("--count", type=int, help=argparse.SUPPRESS)
    return found


def main() -> None:
    args = parser().parse_args()
    args.bags = args.bags or (1000 if args.paper else 12)
    if args.child:
        print(json.dumps(measure(args.child, args.count, args.bags)))
    elif args.paper:
        on_paper(args)
    else:
        measure_all(args)


if __name__ == "__main__":
    main()
