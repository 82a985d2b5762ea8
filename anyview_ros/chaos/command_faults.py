"""Commands that are killed at any moment, and go on where they were."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from anyview_ros.chaos.fault import Outcome
from anyview_ros.chaos.lab import Lab

KILLS = 3
LIMIT_S = 1800.0  # of one run: a machine that others use, and a renderer that is compiled
RECORDED_S = 3.0
FIXED = "fixed_frame:="  # among the arguments of ROS
SEEDS = "900000:900002"  # of two worlds
# A run of seconds: 5 frames of 16x32 pixels, two blocks of width 32.
TRAINING = """
name = "chaos"
licence = "Apache-2.0"
scene_scale = 0.0625
plane_sweep = [0.0, 1.0]

[network]
channels = 12
patch = 2
width = 32
depth = 2
heads = 2

[scenes.street]
world = "street"
still = false
scene_scale = 0.0625
first_seed = 0
count = 6
frames = 5
frame_period = 0.1
size = [16, 32]
sources = 2
targets = 2

[[stages]]
until = 200
mixture = { street = 1.0 }

[training]
seed = 3
steps = 200
scenes_per_step = 2
targets_per_scene = 2
more_sources = [0.5]
known = 0.25
short = 0.0
first_pool = 3
pool_steps = 6
learning_rate = 4e-3
warmup_steps = 4
cooldown = 0.25
ema = 0.9
pure_noise = 0.5
codec_scenes = 3

[speeds]
exact = [80.0, 1.0, 0.0]
draft = [80.0, 0.0]
"""


@dataclass(frozen=True)
class CommandFault:
    """A command that is killed several times and goes on.

    Args:
        name, does: as of `Fault`.
        words: of the command, for its folder.
        resumed: words that are added where `has_begun` says that there is something to go on with.
        result: what has to be equal to that of an undisturbed run, by file.
        missing: why it cannot be done here; empty if it can.
    """

    name: str
    does: str
    words: Callable[[Lab, Path], Sequence[str]]
    result: Callable[[Path], Mapping[str, str]]
    resumed: Sequence[str] = ()
    has_begun: Callable[[Path], bool] = lambda folder: False
    missing: Callable[[], str] = lambda: ""


def kill_again_and_again(fault: CommandFault, lab: Lab) -> Outcome:
    """Run a command undisturbed, then killed, and compare what they make."""
    if missing := fault.missing():
        return Outcome(fault.name, fault.does, skipped=missing)
    folder = lab.plan.out / fault.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Outcome(fault.name, fault.does, broken=tuple(_broken(fault, lab, folder)))


def _broken(fault: CommandFault, lab: Lab, folder: Path) -> Iterator[str]:
    whole, killed = folder / "whole", folder / "killed"
    began_s = time.monotonic()
    if status := _run(fault, lab, whole, LIMIT_S):
        yield f"undisturbed it ends with status {status}; see {_log(whole)}"
        return
    took_s = time.monotonic() - began_s
    wanted, moments = fault.result(whole), random.Random(0)
    for _ in range(KILLS):
        if _run(fault, lab, killed, took_s * moments.uniform(0.2, 1.0)) == 0:
            break  # it was quicker than undisturbed
        if (made := fault.result(killed)) and made != wanted:
            yield f"killed, it left under its last name what is not whole: {', '.join(made)}"
    else:
        if status := _run(fault, lab, killed, LIMIT_S):
            yield f"it did not go on: status {status}; see {_log(killed)}"
            return
    if (made := fault.result(killed)) != wanted:
        differ = sorted(name for name in {*made, *wanted} if made.get(name) != wanted.get(name))
        yield f"what it made in the end differs from an undisturbed run: {', '.join(differ)}"


def _run(fault: CommandFault, lab: Lab, out: Path, limit_s: float) -> int | None:
    """Return the status of a command, None where it was killed at its limit."""
    resumed = fault.resumed if fault.has_begun(out) else ()
    words = [*fault.words(lab, out), *resumed]
    with _log(out).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "anyview_ros.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            return _ended(process, lab, limit_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ended(process: subprocess.Popen[bytes], lab: Lab, limit_s: float) -> int | None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        lab.session.check()
        with suppress(subprocess.TimeoutExpired):
            return process.wait(min(0.5, max(0.0, deadline - time.monotonic())))
    return None


def _log(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def digests(folder: Path, *patterns: str) -> dict[str, str]:
    """Return the sha256 of files that match, by their names."""
    files = (file for pattern in patterns for file in folder.glob(pattern) if file.is_file())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def _augment(lab: Lab, out: Path) -> list[str]:
    bag = lab.recorded_sources(RECORDED_S)
    camera, frame = next(iter(lab.relay.frame_ids.items()))
    cameras = out.with_name("cameras.yaml")
    view = f"{{name: raised, parent_frame: {frame}, pose: {{position: {{y: -0.5}}}}}}"
    cameras.write_text(f"cameras:\n  - {view}\n")
    words = ["augment", str(bag), str(out), "--cameras", str(cameras), "--sources", camera]
    given = [word.partition(":=")[2] for word in lab.plan.ros_args if word.startswith(FIXED)]
    fixed = ["--fixed-frame", given[-1]] if given else []
    return [*words, *fixed, "--model", str(lab.model), "--provider", "cpu"]


def _bench(lab: Lab, out: Path) -> list[str]:
    worlds = ["--worlds", "--kinds", "street", "--seeds", SEEDS, "--workers", "1"]
    model = ["--model", str(lab.model), "--provider", "cpu", "--no-perceptual"]
    return ["bench", *worlds, *model, "--out", str(out)]


def _train(lab: Lab, out: Path) -> list[str]:
    config = out.with_name("chaos.toml")
    config.write_text(TRAINING)
    cache = ["--cache", str(out.with_name("cache")), "--pictures-every", "0"]
    return ["train", str(config), "--out", str(out), "--minutes", "20", "--threads", "1", *cache]


def _trained(out: Path) -> dict[str, str]:
    """Return which files a run has that ended; their bytes follow from when it was killed."""
    half_made = [file.name for file in out.glob("**/*.part*")] if out.exists() else []
    ended = [file.name for file in out.glob("latest.safetensors")]
    return dict.fromkeys([*ended, *half_made], "")


def _no_torch() -> str:
    return "" if find_spec("torch") else "training needs torch, which is not installed here"


COMMAND_FAULTS = (
    CommandFault(
        "augment_killed",
        f"kill -9 of `anyview augment`, {KILLS} times at any moment; --resume goes on",
        _augment,
        lambda out: digests(out, "*.mcap", "metadata.yaml"),
        ("--resume",),
        lambda out: out.with_name(f"{out.name}.unfinished").exists(),
    ),
    CommandFault(
        "bench_killed",
        f"kill -9 of `anyview bench`, {KILLS} times at any moment; called again it goes on",
        _bench,
        lambda out: digests(out, "results.json"),
    ),
    CommandFault(
        "train_killed",
        f"kill -9 of `anyview train`, {KILLS} times at any moment; --resume goes on",
        _train,
        _trained,
        ("--resume",),
        lambda out: (out / "latest.safetensors").exists(),
        _no_torch,
    ),
)
