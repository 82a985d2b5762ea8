"""Hours of work, of random requests and of faults: whether promises hold, and nothing grows.

    python -m benchmarks.soak [--minutes 120] [--seed 0] [--rate 0.5] [--out out/soak]

The laboratory of `anyview chaos` runs: the street's rig, four virtual cameras that stream, and the
node under test. A fault is done to it each minute, round by round (`soak_growth.rounds`); only the
one that ends the node comes last, once, because a new node would begin the measurement anew. How
long the way through takes undisturbed is measured before each: recovery is held against that.
Meanwhile cameras come, move and go, clips are asked for, and calls are bad. `soak.jsonl` gets a
line for each sample, fault and broken promise, `soak.png` the curves. The exit status is 1 where a
promise broke or something grew, 130 after Ctrl-C.

Of the machine's /dev/shm only what node or inference process have mapped is theirs for sure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anyview_ros import diagnostic_keys as keys
from anyview_ros.chaos.fault import Fault
from anyview_ros.chaos.lab import Lab, LabPlan, laboratory
from anyview_ros.chaos.live_faults import LIVE_FAULTS
from anyview_ros.chaos.own_folder import take_folder
from anyview_ros.demo.subprocesses import interrupt_once
from anyview_ros.errors import AnyviewError
from anyview_ros.media.plots import line_plot
from anyview_ros.media.provenance import MIXED, save_picture
from anyview_ros.packages import DEFAULT_MODEL
from benchmarks.soak_growth import (
    HANDLES,
    MEMORY_MB,
    WARM_SHARE,
    Growth,
    Limit,
    growth,
    lives,
    rounds,
)
from benchmarks.soak_requests import Requests

SAMPLE_S, FAULT_S = 5.0, 60.0
MB = 1e6
NODE, WORKER = "node", "inference"
LAST = "node_killed"
Line = dict[str, Any]


class Measure(NamedTuple):
    """A value of each sample, by process; `limit` where it may not grow."""

    process: str
    key: str
    unit: str
    limit: Limit | None


MEASURES = (
    Measure(NODE, "private_mb", "MB", MEMORY_MB),
    Measure(WORKER, "private_mb", "MB", MEMORY_MB),
    Measure("shared", "mb", "MB", MEMORY_MB),
    Measure(NODE, "files", "", HANDLES),
    Measure(WORKER, "files", "", HANDLES),
    Measure(NODE, "threads", "", HANDLES),
    Measure(WORKER, "threads", "", HANDLES),
    Measure("shared", "segments", "", HANDLES),
    Measure("soak", "private_mb", "MB", None),
    Measure("cameras", "latency_s", "s", None),  # other work of the machine counts
)


class Record:
    """The lines of a run, in memory and in a file. Thread-safe.

    Args:
        file: is written anew.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("w")
        self._lock = threading.Lock()
        self._began_s = time.monotonic()
        self.lines: list[Line] = []

    def add(self, kind: str, values: Line) -> None:
        """Add a line, with the seconds since the begin."""
        with self._lock:
            line = {"kind": kind, "time_s": round(time.monotonic() - self._began_s, 1), **values}
            self.lines.append(line)
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def of(self, kind: str) -> list[Line]:
        """Return the lines of a kind."""
        with self._lock:
            return [line for line in self.lines if line["kind"] == kind]


def main() -> int:
    arguments = _arguments()
    interrupt_once()
    plan = LabPlan(arguments.out, arguments.model, arguments.domain, rate=arguments.rate)
    return soak(plan, arguments.minutes, arguments.seed)


def soak(plan: LabPlan, minutes: float, seed: int) -> int:
    """Run it, write what came of it, and return the exit status."""
    take_folder(plan.out)
    record, status = Record(plan.out / "soak.jsonl"), 0
    try:
        with laboratory(plan, _say) as lab:
            _work(lab, minutes, seed, record)
    except KeyboardInterrupt:
        status = 130
    except AnyviewError as error:
        record.add("broken", {"what": f"the run ended: {error.code}: {error.message}"})
    save_picture(picture(record), plan.out / "soak.png", MIXED)
    found = list(judged(record))
    print(summary(record))
    return status or int(bool(found))


def _work(lab: Lab, minutes: float, seed: int, record: Record) -> None:
    record.add("begin", {"undisturbed_s": lab.undisturbed_s, "minutes": minutes, "seed": seed})

    def broken(what: str) -> None:
        _say(what)
        record.add("broken", {"what": what})

    requests = Requests(lab, seed, broken)
    due_s = time.monotonic()
    end_s = due_s + 60 * minutes
    faults = rounds([each for each in LIVE_FAULTS if each.name != LAST], Random(seed))
    with _sampling(lab, record):
        try:
            with requests.running():
                while due_s < end_s:
                    lab.watcher.wait(lambda: False, due_s - time.monotonic())
                    for what in lab.watcher.broken():
                        broken(f"between faults: {what}")
                    _do(lab, next(faults), record)
                    due_s = max(due_s + FAULT_S, time.monotonic())
            _do(lab, next(each for each in LIVE_FAULTS if each.name == LAST), record)
        finally:
            counts = {f"{what}: {code or 'done'}": n for (what, code), n in requests.counts.items()}
            record.add("requests", {"counts": counts})


def _do(lab: Lab, fault: Fault, record: Record) -> None:
    began_s = time.monotonic()
    lab.measure(times=1)  # other work of the machine comes and goes
    outcome = lab.run(fault)
    lab.watcher.begin()  # what was broken by then is told with the fault
    record.add(
        "fault",
        {
            "fault": outcome.name,
            "verdict": outcome.verdict,
            "lasted_s": round(time.monotonic() - began_s, 1),
            "undisturbed_s": lab.undisturbed_s,
            "recovery_s": outcome.recovery_s,
            "allowed_s": outcome.allowed_s,
            "broken": outcome.broken,
            "named": outcome.named,
        },
    )
    _say(f"{outcome.name}: {outcome.verdict} {'; '.join(outcome.broken)}")


@contextmanager
def _sampling(lab: Lab, record: Record) -> Iterator[None]:
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(SAMPLE_S):
            record.add("sample", _sample(lab))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _sample(lab: Lab) -> Line:
    pids: dict[str, int | None] = {
        "soak": os.getpid(),
        WORKER: lab.watcher.reported.pid(keys.WORKER),
    }
    with suppress(KeyError):  # it was killed, and is not started yet
        pids[NODE] = lab.pid("node")
    measured = {name: _process(pid) for name, pid in pids.items() if pid}
    node_pid = pids.get(NODE)
    mapped = _shared_files([pid for pid in (node_pid, pids[WORKER]) if pid])
    values = dict(lab.watcher.reported.values)
    cameras = [values.get(f"{keys.VIRTUAL_CAMERA}{name}", {}) for name in lab.views]
    sources = [values.get(f"{keys.CAMERA}{name}", {}) for name in lab.topics]
    latencies = [float(each[keys.LATENCY_S]) for each in cameras if keys.LATENCY_S in each]
    return {
        **{name: each for name, each in measured.items() if each},
        "shared": {"pid": node_pid, "segments": len(mapped), "mb": sum(mapped.values()) / MB},
        **({"cameras": {"pid": node_pid, "latency_s": max(latencies)}} if latencies else {}),
        "ledger": {
            "received": _sum(sources, keys.RECEIVED),
            "dropped": sum(sum(keys.reasons(each, keys.DROPPED).values()) for each in sources),
            "seen": _sum(cameras, keys.SEEN),
            "published": _sum(cameras, keys.PUBLISHED),
            "skipped": sum(sum(keys.reasons(each, keys.SKIPPED).values()) for each in cameras),
        },
        "machine": {"load": os.getloadavg()[0], "segments": len(os.listdir("/dev/shm"))},
    }


def _sum(statuses: Sequence[Mapping[str, str]], key: str) -> int:
    return sum(int(each.get(key, 0)) for each in statuses)


def _process(pid: int) -> Line | None:
    """Return what a process holds (man 5 proc); None where it has ended."""
    proc = Path(f"/proc/{pid}")
    try:
        rollup = (proc / "smaps_rollup").read_text().splitlines()[1:]
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in rollup}
        return {
            "pid": pid,
            "rss_mb": kilobytes["Rss"] * 1024 / MB,
            "pss_mb": kilobytes["Pss"] * 1024 / MB,
            "private_mb": (kilobytes["Pss_Anon"] + kilobytes["Pss_File"]) * 1024 / MB,
            "files": len(os.listdir(proc / "fd")),
            "threads": len(os.listdir(proc / "task")),
        }
    except (OSError, KeyError):
        return None


def _shared_files(pids: Sequence[int]) -> dict[str, int]:
    """Return the bytes in use of each file in /dev/shm that one of the processes has mapped."""
    found = dict[str, int]()
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                if "/dev/shm/" in line:
                    path = line.split(maxsplit=5)[5]
                    with suppress(OSError):
                        found[path] = 512 * os.stat(path).st_blocks
    return found


def grown(record: Record) -> dict[Measure, Growth | None]:
    """Return how each measure went, after the begin of the run."""
    samples = record.of("sample")
    warm_s = WARM_SHARE * samples[-1]["time_s"] if samples else 0.0
    found = {}
    for measure in MEASURES:
        points = (
            (line["time_s"], line[measure.process].get("pid"), line[measure.process][measure.key])
            for line in samples
            if measure.process in line
        )
        found[measure] = growth(lives(points, warm_s).values())
    return found


def judged(record: Record) -> Iterator[str]:
    """Yield what broke, and what grew."""
    for line in record.of("broken"):
        yield line["what"]
    for line in record.of("fault"):
        for what in line["broken"]:
            yield f"{line['fault']}: {what}"
    for measure, found in grown(record).items():
        if found and measure.limit and found.exceeds(measure.limit):
            yield f"{measure.process} {measure.key} grew by {found.per_hour:.1f} an hour"


def summary(record: Record) -> str:
    """Return what came of the run, for people."""
    samples, faults = record.of("sample"), record.of("fault")
    lines = [f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}"]
    if samples:
        hours = samples[-1]["time_s"] / 3600
        load = np.mean([line["machine"]["load"] for line in samples])
        lines.append(f"{len(samples)} samples in {hours:.2f} h; load of the machine {load:.1f}")
    lines.append(f"faults: {dict(Counter(line['verdict'] for line in faults))}")
    for line in record.of("requests"):
        lines += [f"  {what}: {count}" for what, count in sorted(line["counts"].items())]
    lines.append(f"{'measure':24}{'first':>9}{'last':>9}{'an hour':>9}{'at most':>9}")
    for measure, found in grown(record).items():
        seen = [line[measure.process][measure.key] for line in samples if measure.process in line]
        if found and seen:
            limit = f"{measure.limit.per_hour:9.1f}" if measure.limit else f"{'-':>9}"
            name = f"{measure.process} {measure.key}"
            lines.append(f"{name:24}{seen[0]:9.1f}{seen[-1]:9.1f}{found.per_hour:+9.2f}{limit}")
    return "\n".join([*lines, *(f"BROKEN {what}" for what in judged(record))])


def picture(record: Record) -> NDArray[np.uint8]:
    """Return the curves of the run, one panel below the other, a faint line at each fault."""
    samples, faults = record.of("sample"), record.of("fault")
    marks = [line["time_s"] / 60 for line in faults]

    def curve(part: str, key: str) -> list[tuple[float, float]]:
        return [(line["time_s"] / 60, line[part][key]) for line in samples if part in line]

    def of_faults(key: str) -> list[tuple[float, float]]:
        seconds = (line[key] for line in faults)
        return [(at, s) for at, s in zip(marks, seconds, strict=True) if s is not None]

    panels: dict[str, dict[str, list[tuple[float, float]]]] = {
        "memory of its own, MB, over minutes": {
            "node": curve(NODE, "private_mb"),
            "inference": curve(WORKER, "private_mb"),
            "/dev/shm": curve("shared", "mb"),
        },
        "open files, threads, and segments of shared memory": {
            "node files": curve(NODE, "files"),
            "inference files": curve(WORKER, "files"),
            "node threads": curve(NODE, "threads"),
            "inference threads": curve(WORKER, "threads"),
            "segments": curve("shared", "segments"),
        },
        "latency of the slowest camera, and seconds until all were back after a fault": {
            "latency": curve("cameras", "latency_s"),
            "undisturbed": of_faults("undisturbed_s"),
            "back after": of_faults("recovery_s"),
        },
        "frames of the cameras' ledgers": {
            name: curve("ledger", name) for name in ("received", "seen", "published", "skipped")
        },
        "load of the machine, all its work": {"load": curve("machine", "load")},
    }
    return np.concatenate([line_plot(each, title, marks=marks) for title, each in panels.items()])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=120.0, help="how long (120)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--rate", type=float, default=0.5, help="Hz of the virtual cameras (0.5)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package")
    parser.add_argument("--domain", type=int, default=77, help="ROS_DOMAIN_ID (77)")
    parser.add_argument("--out", type=Path, default=Path("out/soak"), help="folder of results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
