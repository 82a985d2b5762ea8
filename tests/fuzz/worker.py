"""Fuzzes targets under atheris, each in a child of its own: started by `tests.fuzz`."""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

MEMORY = Path("/dev/shm")
HANG_S = 600  # of a clock, on a machine that does other things too
RSS_MB = 3072
PACKAGES = ["anyview_ros", "rosbags", "PIL"]


@dataclass(frozen=True)
class Fuzzing:
    """Hold what is asked for.

    Args:
        names: of targets.
        out: folder; that of a target holds its seeds, corpus, log and crashes.
        runs: of each target, at most.
        minutes: of a clock, at most, of each target; 0 for any number.
        cpu_s: of a processor, as minutes.
        regressions: folder of inputs that crashed a target once.
    """

    names: list[str]
    out: str
    runs: int
    minutes: float
    cpu_s: float
    regressions: str


def main(asked: Fuzzing) -> int:
    """Fuzz one target after another; print a line of figures for each; return how many crashed."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=PACKAGES):
        importlib.import_module("tests.fuzz.table")
        importlib.import_module("tests.fuzz.faster")
    return sum(_fuzz(atheris, name, asked) for name in asked.names)


def _fuzz(atheris: Any, name: str, asked: Fuzzing) -> bool:
    """Fuzz a target in a child, which shares what is instrumented here."""
    out, began = Path(asked.out) / name, time.monotonic()
    with memory() as folder:
        if not (child := os.fork()):
            _run(atheris, name, Path(folder), asked)
        _, status, used = os.wait4(child, 0)
    said = (out / "log").read_text(errors="replace")
    figures = (
        f"{_last(said, 'executed_units:')} runs",
        f"{used.ru_utime + used.ru_stime:.0f} CPU s",
        f"{time.monotonic() - began:.0f} s",
        f"{_last(said, 'cov:')} edges",
        f"{_last(said, 'corp:')} inputs kept",
        f"{used.ru_maxrss >> 10} MB",
        f"CRASH, see {out / 'log'}" if status else "no crash",
    )
    print(f"{name}: {', '.join(figures)}", flush=True)
    return bool(status)


def _run(atheris: Any, name: str, folder: Path, asked: Fuzzing) -> None:
    """Run libFuzzer, which ends the process."""
    from tests.fuzz.faster import hasten
    from tests.fuzz.json_mutator import mutate_json
    from tests.fuzz.table import TARGETS
    from tests.fuzz.target import guarded

    def mutated(content: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = mutate_json(content, rng) if rng.random() < 0.7 else None
        if changed is None or len(changed) > most:
            return bytes(atheris.Mutate(content, most))
        return changed

    out, target = Path(asked.out) / name, TARGETS[name]
    with (out / "log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    read = guarded(target, folder)
    with atheris.instrument_imports(include=PACKAGES):
        for seed in (out / "seeds").iterdir():  # what is imported late is instrumented too
            read(seed.read_bytes())
    hasten(folder)
    corpora = [out / "corpus", out / "seeds"]
    corpora += [p for p in [Path(asked.regressions) / name] if p.is_dir()]
    options = [
        *map(str, corpora),
        *(f"-runs={asked.runs}", f"-max_total_time={round(60 * asked.minutes)}"),
        *(f"-timeout={HANG_S}", f"-max_len={target.max_bytes}", f"-rss_limit_mb={RSS_MB}"),
        *(f"-artifact_prefix={out}/", f"-dict={out / 'words'}", "-len_control=10"),
        "-print_final_stats=1",
    ]
    own = {"custom_mutator": mutated} if target.is_json else {}
    atheris.Setup([sys.argv[0], *options], read, **own)
    _end_after(asked.cpu_s)
    atheris.Fuzz()


def _end_after(cpu_s: float) -> None:
    """Let libFuzzer end by itself, with its figures, after a time of a processor."""

    def end(number: int, frame: FrameType | None) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)

    signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)


def memory() -> tempfile.TemporaryDirectory[str]:
    """Make a folder in memory, where there is such a place."""
    place = MEMORY if MEMORY.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="anyview-fuzz-", dir=place)


def _last(said: str, figure: str) -> str:
    """Return the last of a figure that libFuzzer told."""
    found: list[str] = re.findall(rf"{figure} +(\d+)", said)
    return found[-1] if found else "no"


if __name__ == "__main__":
    sys.exit(main(Fuzzing(**json.loads(sys.argv[1]))))
