"""Line coverage of the engine, the node and the readers of data sets.

    python -m tests.coverage [PYTEST ARGUMENTS]

runs the tests of these rooms under coverage.py, with all processes that they start, and prints each
room's share and the lines that no test ran. With arguments it runs pytest with these, and adds to
what was measured before. What is killed (SIGKILL) tells nothing; what numba compiles is left out.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import NoDataError

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "build" / "coverage" / "data"
ROOMS = ("engine", "node", "datasets")
# Those that run most of the rooms; others do too, as those of `demo` and `augment`.
TESTS = ("engine", "clips", "imaging", "datasets", "node", "integration", "faults")
NO_ROOM = ("--ignore", "tests/faults/test_full_disk.py")  # nor for what coverage writes
NOT_LIVE = ("-m", "not graph and not long", *NO_ROOM)
LIVE = ("-m", "graph and not long")


def main(arguments: Sequence[str]) -> int:
    """Return the first status of pytest that is not 0."""
    run_tests = runpy.run_path(str(ROOT / "scripts" / "run_tests.py"))
    os.environ.update(run_tests["ENVIRONMENT"], ANYVIEW_LIVE_TESTS="1")
    os.environ["COVERAGE_FILE"] = str(DATA)
    if arguments:
        statuses = [measure(arguments)]
    else:
        shutil.rmtree(DATA.parent, ignore_errors=True)
        tests = [f"tests/{room}" for room in TESTS]
        statuses = [
            measure([*NOT_LIVE, *tests]),
            measure([*LIVE, *run_tests["live_modules"](tests)]),
        ]
    report()
    return next(filter(None, statuses), 0)


def measure(arguments: Sequence[str]) -> int:
    """Run pytest in one process, with the processes that tests start; return its status."""
    DATA.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-n", "0", *arguments]
    return subprocess.run(command, cwd=ROOT).returncode


def report() -> None:
    """Print what all calls measured."""
    measured = Coverage(config_file=str(ROOT / "pyproject.toml"))
    measured.load()  # of earlier calls
    measured.combine()
    for room in ROOMS:
        print(f"\n== anyview_ros/{room}")
        files = [f"*/anyview_ros/{room}/*"]
        try:
            measured.report(include=files, show_missing=True, skip_covered=True)
        except NoDataError:
            print("nothing of it ran")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
