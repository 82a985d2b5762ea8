"""`./anyview test [PYTEST ARGUMENTS]`: style, types and all tests; with arguments only pytest.

The tests run side by side. Those over a live ROS graph, marked `graph`, have limits of time, but
wait most of it: they run after the others, a few modules beside each other, each on ROS domains of
its own. Those that measure short times or look at the whole machine are marked `alone`, and run
last, one by one. Those marked `long` take minutes, and run one by one, alone, by
`./anyview test --long`. Over another ROS 2 distribution than the default one: the tests in which
ROS has a part.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)
ROS_TESTS = (
    "tests/clips",
    "tests/datasets",
    "tests/demo",
    "tests/doctor",
    "tests/node",
    "tests/integration",
    "tests/packaging/test_interfaces.py",
    "tests/packaging/test_dds_profile.py",
)
# Tests stay on this machine, and rclpy checks the type of every field (Kilted does not by default).
ENVIRONMENT = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_PYTHON_CHECK_FIELDS": "1"}
CORES = len(os.sched_getaffinity(0))
WORKERS = min(CORES, 4)  # each takes 1.5 GB
# Side by side, torch and numba share the cores.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), str(CORES // WORKERS))
SIDE_BY_SIDE = ("-m", "not graph and not long", "-n", str(WORKERS), "--dist", "worksteal")
# A node and its test take a third of a core (a module's tests share its node: loadfile).
LIVE_WORKERS = min(CORES + 1, 4)
LIVE = ("-m", "graph and not alone and not long", "-n", str(LIVE_WORKERS), "--dist", "loadfile")
ALONE = ("-m", "graph and alone and not long")
LONG = ("-m", "long", "-n", "0")
MARKED = "mark.graph"  # in the text of a module
COMPILES_ALL = "tests/test_readme.py"  # a world is rendered, and surfaces are chosen
INTERRUPTED = 2  # of pytest


def main(arguments: Sequence[str]) -> int:
    """The first status that is not 0."""
    os.chdir(ROOT)
    os.environ.update(ENVIRONMENT)
    if "--long" in arguments:
        others = [word for word in arguments if word != "--long"]
        return run("pytest", *LONG, *others, ANYVIEW_LIVE_TESTS="1")
    if arguments:
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
    if os.environ.get("ANYVIEW_ROS", "jazzy") != "jazzy":
        return run_tests(ROS_TESTS)
    compiler = compile_kernels()
    try:
        for check in CHECKS:
            if status := run(*check):
                return status
        compiler.wait()
    finally:
        compiler.kill()
    return run_tests(())


def compile_kernels() -> subprocess.Popen[bytes]:
    """Begin to compile what numba keeps beside its sources; the checks leave a core idle.

    Else each test process does so that comes before the first one is done. It is a test that does
    it here, too: if it fails, it fails again among the others, and is told there.
    """
    command = [sys.executable, "-m", "pytest", "-q", COMPILES_ALL]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_tests(paths: Sequence[str]) -> int:
    """Those over a live graph run even if others failed; interrupted, none goes on."""
    began = time.monotonic()
    others = run("pytest", *SIDE_BY_SIDE, *paths, **THREADS)
    if others == INTERRUPTED:
        return others
    modules = live_modules(paths)
    live = run("pytest", *LIVE, *modules, ANYVIEW_LIVE_TESTS="1")
    if live == INTERRUPTED:
        return live
    live = run("pytest", *ALONE, *modules) or live
    said = ["failed" if status else "passed" for status in (others, live)]
    took = time.monotonic() - began
    print(f"== tests over a live ROS graph: {said[1]}; all others: {said[0]}; {took:.0f} s")
    return others or live


def live_modules(paths: Sequence[str]) -> list[str]:
    """Modules in or below `paths`, by default of all tests, that have tests over a live graph.

    Only these are imported to run such tests: importing all of them takes longer than many a test.
    """
    files = {file for path in paths or ["tests"] for file in modules_of(Path(path))}
    return sorted(str(file) for file in files if MARKED in file.read_text(encoding="utf-8"))


def modules_of(path: Path) -> Iterable[Path]:
    return path.rglob("test_*.py") if path.is_dir() else [path]


def run(*command: str, **environment: str) -> int:
    """The status of a Python module's command."""
    print(f"== {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", *command], env=os.environ | environment).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is pytest's: it ends what it started
    sys.exit(main(sys.argv[1:]))
