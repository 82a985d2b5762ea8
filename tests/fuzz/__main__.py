"""Fuzz what reads bytes of others, by coverage; needs atheris (`pip install atheris`).

    python -m tests.fuzz                                    names of all targets
    python -m tests.fuzz TARGET... --runs 1000000           a line of figures for each
    python -m tests.fuzz TARGET --replay FILE               what becomes of one input

A crash is any error but the documented one, more time of a processor than the target says, or more
memory. Its input is left in the folder of the target (--out): mend the reader, and put it into
tests/fuzz/regressions/TARGET, which tests/fuzz/test_fuzz.py replays.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target, guarded
from tests.graph import CHECKOUT

MEMORY = Path("/dev/shm")
REGRESSIONS = Path(__file__).parent / "regressions"
HANG_S = 600  # of a clock, on a machine that does other things too
RSS_MB = 3072


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of targets that crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[*TARGETS, []])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=0.0, help="at most, of a target")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "out" / "fuzz")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    if not asked.targets:
        print("\n".join(TARGETS))
    if asked.replay:
        with memory() as folder:
            guarded(TARGETS[asked.targets[0]], Path(folder))(asked.replay.read_bytes())
        return 0
    return sum(fuzz(name, asked.out / name, asked.runs, asked.minutes) for name in asked.targets)


def fuzz(name: str, out: Path, runs: int, minutes: float) -> bool:
    """Fuzz a target in a process of its own; print its figures; return whether it crashed."""
    target, began = TARGETS[name], time.monotonic()
    (out / "corpus").mkdir(parents=True, exist_ok=True)
    write_seeds(target, out / "seeds")
    words = out / "words"
    words.write_text("".join(f'"{word}"\n' for word in ("\\x00", *target.words)))
    corpora = [out / "corpus", out / "seeds", *(p for p in [REGRESSIONS / name] if p.is_dir())]
    options = [
        *map(str, corpora),
        *(f"-runs={runs}", f"-max_total_time={round(60 * minutes)}", f"-timeout={HANG_S}"),
        *(f"-max_len={target.max_bytes}", f"-rss_limit_mb={RSS_MB}", "-print_final_stats=1"),
        *(f"-artifact_prefix={out}/", f"-dict={words}", "-len_control=10"),
    ]
    with memory() as folder, (out / "log").open("w") as log:
        command = [sys.executable, "-m", "tests.fuzz.worker", name, folder, str(out / "seeds")]
        child = subprocess.Popen([*command, *options], stdout=log, stderr=log, cwd=CHECKOUT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    said = (out / "log").read_text(errors="replace")
    figures = (
        f"{last(said, 'executed_units:')} runs",
        f"{used.ru_utime + used.ru_stime:.0f} CPU s",
        f"{time.monotonic() - began:.0f} s",
        f"{last(said, 'cov:')} edges",
        f"{last(said, 'corp:')} inputs kept",
        f"{used.ru_maxrss >> 10} MB",
        f"CRASH, see {out / 'log'}" if child.returncode else "no crash",
    )
    print(f"{name}: {', '.join(figures)}", flush=True)
    return bool(child.returncode)


def write_seeds(target: Target, folder: Path) -> None:
    """Make the seeds of a target, as files."""
    folder.mkdir(exist_ok=True)
    with memory() as made:
        for name, content in target.seeds(Path(made)).items():
            (folder / name).write_bytes(content)


def memory() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory, where there is such a place."""
    place = MEMORY if MEMORY.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="anyview-fuzz-", dir=place)


def last(said: str, figure: str) -> str:
    """The last of a figure that libFuzzer told."""
    return (re.findall(rf"{figure} +(\d+)", said) or ["no"])[-1]


if __name__ == "__main__":
    sys.exit(main())
