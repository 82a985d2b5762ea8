"""Fuzz what reads bytes of others, by coverage; needs atheris (`pip install atheris`).

    python -m tests.fuzz                                    names of all targets
    python -m tests.fuzz TARGET... --runs 1000000           a line of figures for each
    python -m tests.fuzz TARGET... --cpu-s 60               as many runs as a minute allows
    python -m tests.fuzz TARGET --replay FILE               what becomes of one input

A crash is any error but the documented one, more time of a processor than the target says, or more
memory. Its input is left in the folder of the target (--out): mend the reader, and put it into
tests/fuzz/regressions/TARGET, which tests/fuzz/test_fuzz.py replays. What was kept in that folder
is gone on from.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target, guarded
from tests.fuzz.worker import Fuzzing, memory
from tests.graph import CHECKOUT

REGRESSIONS = Path(__file__).parent / "regressions"


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of targets that crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[*TARGETS, []])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=0.0, help="at most, of a target")
    parser.add_argument("--cpu-s", type=float, default=0.0, help="at most, of a target")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "out" / "fuzz")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    if not asked.targets:
        print("\n".join(TARGETS))
        return 0
    if asked.replay:
        with memory() as folder:
            guarded(TARGETS[asked.targets[0]], Path(folder))(asked.replay.read_bytes())
        return 0
    out = asked.out.resolve()
    for name in asked.targets:
        prepare(TARGETS[name], out / name)
    limits = asked.runs, asked.minutes, asked.cpu_s
    fuzzing = Fuzzing(asked.targets, str(out), *limits, str(REGRESSIONS))
    command = [sys.executable, "-m", "tests.fuzz.worker", json.dumps(asdict(fuzzing))]
    return subprocess.run(command, cwd=CHECKOUT).returncode


def prepare(target: Target, out: Path) -> None:
    """Write the seeds and words of a target, and make its corpus."""
    for folder in ("corpus", "seeds"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    words = "".join(f'"{word}"\n' for word in ("\\x00", *target.words))
    (out / "words").write_text(words)
    with memory() as made:
        for name, content in target.seeds(Path(made)).items():
            (out / "seeds" / name).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
