"""The rest of `./anyview`: make .venv where it is not ready, then become the command in it.

Runs on the bare Python that `./anyview` found, so it uses the standard library alone. Everything
it makes lies in .venv (.venv-kilted over the other distribution) and build/. Its folder `anyview`
holds a stamp for each stage that is done and the log of the last preparation. A preparation that
was interrupted leaves a marker there, and the next call starts over.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
# ROS 2 distributions there are wheels of, each in an environment of its own: they must not mix.
VENVS = {"jazzy": ".venv", "kilted": ".venv-kilted"}
DISTRO = os.environ.get("ANYVIEW_ROS") or "jazzy"
VENV = ROOT / VENVS.get(DISTRO, ".venv")  # of an unknown one nothing is made, see `main`
STATE = VENV / "anyview"  # also what tells a .venv of ours from the user's own
INCOMPLETE = STATE / "incomplete"
LOG = STATE / "setup.log"

TRAINING = ("train", "ablate", "distill", "export")
OVERVIEW = ("", "-h", "--help", "--version")
NEEDS_TORCH = ("test", *TRAINING, "bench", "tiers", "import", "verify")
TABLES = ("lerobot", "argoverse2")  # formats of `augment --export`
PIP = (str(VENV / "bin" / "python"), "-m", "pip", "--no-input", "--disable-pip-version-check")
ONNXRUNTIMES = {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}
# What a sourced ROS or another virtual environment leaves behind; two worlds must not mix.
FOREIGN = (
    "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
    "COLCON_PREFIX_PATH",
    "PIP_PREFIX",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
    "ROS_DISTRO",
)
# The first name is read by Fast DDS 2 (ROS 2 Jazzy), the second by Fast DDS 3 (Kilted).
PROFILE = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
FAILED = ("ERROR: ", "CMake Error", ": error:", "fatal error", "No space left on device")
NINJA_STEP = re.compile(r"^ *\[(\d+)/(\d+)\] ", re.MULTILINE)  # which pip indents
TO_THE_END = "\033[K"  # clears the line of a terminal, from where the cursor is
PERIOD_S = 15  # between two lines of a stage where nobody watches
NO_NETWORK = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError")


class LauncherError(Exception):
    """What is missing and the remedy, in one line."""


@dataclass(frozen=True)
class Stage:
    """One step of the preparation, done when the file with its name in STATE holds `stamp`."""

    name: str
    title: str
    stamp: str
    commands: tuple[tuple[str, ...], ...]

    @property
    def done(self) -> bool:
        file = STATE / self.name
        return file.is_file() and file.read_text() == self.stamp


def main(arguments: Sequence[str]) -> None:
    if DISTRO not in VENVS:
        raise LauncherError(f"ANYVIEW_ROS must be {' or '.join(VENVS)}, got '{DISTRO}'")
    if list(arguments[:1]) == ["test"] and "--both" in arguments:
        sys.exit(test_both([word for word in arguments if word != "--both"]))
    command = arguments[0] if arguments else ""
    if command in OVERVIEW:
        overview(arguments)
    environment = clean_environment(os.environ)
    check_middleware(environment)
    is_help = bool({"-h", "--help"} & set(arguments))
    # Help needs no torch; the demo's page is that of `view`.
    wanted = stages("" if is_help else "view" if "--view" in arguments else command, arguments)
    if not ready(wanted):
        if not is_command(command):
            overview(arguments)  # which says what there is instead, before minutes are spent
        check_machine()
        with locked() as lock:
            prepare(wanted, environment, lock)
    run = ["-P", "-m", "anyview_ros.cli", *arguments]
    if command == "test" and not is_help:
        run = [str(ROOT / "scripts" / "run_tests.py"), *arguments[1:]]
    python = str(VENV / "bin" / "python")
    os.execve(python, [python, *run], environment)


def is_command(word: str) -> bool:
    sys.path.insert(0, str(ROOT))
    from anyview_ros.cli.commands import COMMANDS

    return word in COMMANDS


def overview(arguments: Sequence[str]) -> NoReturn:
    """Print what there is: that needs nothing to be prepared."""
    sys.path.insert(0, str(ROOT))
    from anyview_ros.cli.__main__ import main

    sys.exit(main(arguments))


def test_both(words: Sequence[str]) -> int:
    """`./anyview test ...` over each distribution, one after the other; the first status not 0."""
    call = [sys.executable, "-IS", __file__, *words]
    statuses = [
        subprocess.run(call, env={**os.environ, "ANYVIEW_ROS": distro}).returncode
        for distro in VENVS
    ]
    return next(filter(None, statuses), 0)


def clean_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without another ROS in it, and with ours."""
    environment = {name: value for name, value in caller.items() if name not in FOREIGN}
    environment["PATH"] = os.pathsep.join([str(VENV / "bin"), caller.get("PATH", os.defpath)])
    environment["VIRTUAL_ENV"] = environment["AMENT_PREFIX_PATH"] = str(VENV)
    libraries = caller.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    own = [folder for folder in libraries if folder and not any(Path(folder).glob("librcl.so*"))]
    environment["LD_LIBRARY_PATH"] = os.pathsep.join(own)
    # A 1080p image does not fit into the shared-memory segment that Fast DDS has by default.
    profile = next(filter(None, map(caller.get, PROFILE)), str(ROOT / "config" / "fastdds.xml"))
    return environment | dict.fromkeys(PROFILE, profile)


def check_middleware(environment: Mapping[str, str]) -> None:
    asked = environment.get("RMW_IMPLEMENTATION") or "rmw_fastrtps_cpp"
    if asked != "rmw_fastrtps_cpp":
        raise LauncherError(
            f"RMW_IMPLEMENTATION is {asked}, {VENV.name} has rmw_fastrtps_cpp only: unset it "
            "here, or build with colcon on your sourced ROS 2 (docs/install.md)"
        )


def check_machine() -> None:
    """Everything that has to come from the operating system, before minutes are spent."""
    version = python_version()
    if platform.machine() != "x86_64" or sys.platform != "linux":
        raise LauncherError(
            f"the ROS 2 wheels are for Linux on x86_64, this is {sys.platform} on "
            f"{platform.machine()}: build with colcon on a sourced ROS 2 (docs/install.md)"
        )
    if not (find_spec("venv") and find_spec("ensurepip")):
        raise LauncherError(f"Python {version} has no venv: apt install python{version}-venv")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        raise LauncherError(f"no headers of Python {version}: apt install python{version}-dev")
    for variable, names in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        if not any(map(shutil.which, [os.environ.get(variable, ""), *names])):
            raise LauncherError("no C and C++ compiler: apt install build-essential")
    if VENV.exists() and not STATE.is_dir():
        raise LauncherError(f"{VENV} was not made by ./anyview: move it away and call again")


def stages(command: str, arguments: Sequence[str] = ()) -> list[Stage]:
    """Everything that `command` needs, in order."""
    make_venv = (os.path.realpath(sys.executable), "-m", "venv", str(VENV))
    # --verbose: else pip keeps what the build says to itself, and `progress` cannot tell of it.
    options = ("--verbose", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    editable = (*PIP, "install", *options)
    build = ["msg", "srv", "action", "cmake", "CMakeLists.txt", "package.xml", "setup.py"]
    build += ["scripts/anyview", "scripts/sim_rig", "scripts/synth"]
    build += [f"requirements/ros-{DISTRO}.txt"]
    wanted = [
        Stage("python", "Python environment", f"{python_version()} {ROOT}", (make_venv,)),
        required("run", "ROS 2 and other requirements", f"ros-{DISTRO}", "run"),
        onnxruntime(),
        Stage("package", "interfaces, compiled", digest(build), (editable,)),
    ]
    if command == "test":
        wanted.append(required("test", "test tools", "test"))
    if command in ("test", "view"):
        wanted.append(required("view", "the page of anyview view", "view"))
    if command == "test" or (command == "augment" and wants_tables(arguments)):
        wanted.append(required("tables", "pyarrow, for data sets of tables", "tables"))
    if command == "test" or (command == "augment" and wants_store(arguments)):
        wanted.append(required("stores", "fsspec, for paths of object stores", "stores"))
    if command == "augment" and wants_ray(arguments):
        wanted.append(required("ray", "Ray, for many recordings", "ray"))
    if command in NEEDS_TORCH:
        wanted.append(required("train", "what torch needs", "train"))
    # Nothing of torch depends on the distribution: its tests run over the default one only.
    if command in NEEDS_TORCH and (command != "test" or DISTRO == "jazzy"):
        # A stage of its own: pip wants hashes for all requirements of a command or for none.
        wanted.append(required("torch", "torch", "torch"))
    return wanted


def wants_tables(arguments: Sequence[str]) -> bool:
    """Whether a data set that consists of tables is to be written, or read."""
    written = any(f"{name}=" in argument for argument in arguments for name in TABLES)
    return written or any(Path(argument, "meta", "info.json").is_file() for argument in arguments)


def wants_store(arguments: Sequence[str]) -> bool:
    """Whether a path is one of fsspec's; calibration files may be `file://` without it."""
    return any("://" in argument and ":=" not in argument for argument in arguments)


def wants_ray(arguments: Sequence[str]) -> bool:
    """Whether workers are asked for; `--workers 0` is none."""
    words = " ".join(arguments).replace("=", " ").split()
    counts = [after for word, after in pairwise([*words, ""]) if word == "--workers"]
    return "--ray-address" in words or any(count != "0" for count in counts)


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def required(name: str, title: str, *lists: str) -> Stage:
    files = [f"requirements/{file}.txt" for file in lists]
    options = [option for file in files for option in ("-r", str(ROOT / file))]
    return Stage(name, title, digest(files), ((*PIP, "install", *options),))


def onnxruntime() -> Stage:
    """As ANYVIEW_ORT asks, else the build that is there, else the one for CPU."""
    stamp = STATE / "onnxruntime"
    asked = os.environ.get("ANYVIEW_ORT") or (stamp.read_text() if stamp.is_file() else "cpu")
    build = asked.partition(" ")[0]
    if build not in ONNXRUNTIMES:
        raise LauncherError(f"ANYVIEW_ORT must be cpu or gpu, got '{asked}'")
    install = required("onnxruntime", ONNXRUNTIMES[build], ONNXRUNTIMES[build])
    # Both install the same folder, so the other one has to go first.
    remove = (*PIP, "uninstall", "--yes", *ONNXRUNTIMES.values())
    return Stage(
        install.name, install.title, f"{build} {install.stamp}", (remove, *install.commands)
    )


def digest(names: Sequence[str]) -> str:
    """sha256 of the names and contents of files, and of all files in folders, below ROOT."""
    total = hashlib.sha256()
    for name in names:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                total.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def ready(wanted: Sequence[Stage]) -> bool:
    python = VENV / "bin" / "python"
    return python.exists() and not INCOMPLETE.exists() and all(stage.done for stage in wanted)


@contextmanager
def locked() -> Iterator[int]:
    """Hold the checkout's folder: only one call prepares it. Yields the descriptor."""
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another call is preparing {VENV.name}, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def prepare(wanted: Sequence[Stage], environment: Mapping[str, str], lock: int) -> None:
    """Run the stages that are not done; from the beginning if an earlier run was interrupted."""
    if ready(wanted):
        return  # the call that held the lock did it
    if INCOMPLETE.exists() or not (VENV / "bin" / "python").exists() or not wanted[0].done:
        clear()
        say(f"preparing {VENV}: a few minutes the first time, log in {LOG}")
    STATE.mkdir(parents=True, exist_ok=True)
    INCOMPLETE.touch()
    LOG.unlink(missing_ok=True)
    for stage in wanted:
        if not stage.done:
            run_stage(stage, environment, lock)
            (STATE / stage.name).write_text(stage.stamp)
    INCOMPLETE.unlink()


def clear() -> None:
    """Remove all of VENV but STATE, which says that it is ours also if this is interrupted."""
    STATE.mkdir(parents=True, exist_ok=True)
    INCOMPLETE.touch()
    for entry in (*VENV.iterdir(), *STATE.iterdir()):
        if entry.is_dir() and not entry.is_symlink() and entry != STATE:
            shutil.rmtree(entry, ignore_errors=True)
        elif entry not in (STATE, INCOMPLETE):
            entry.unlink()


def run_stage(stage: Stage, environment: Mapping[str, str], lock: int) -> None:
    """Run the commands of a stage into the log, with its title and seconds on the terminal.

    Raises:
        LauncherError: one fails; with what it said about it.
    """
    start = time.monotonic()
    for command in stage.commands:
        with LOG.open("a") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            child = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),  # if this process is killed, the next call waits for pip's end
                start_new_session=True,  # so that compilers end together with pip
            )
        status = watch(child, stage.title, start)
        if status > 0:
            INCOMPLETE.unlink()  # it ended by itself: what is done stays done
        if status != 0:
            raise LauncherError(f"{stage.title}: {reason(LOG.read_text())}; log: {LOG}")
    say(f"{stage.title}: {time.monotonic() - start:.0f} s")


def watch(child: subprocess.Popen[bytes], title: str, start: float) -> int:
    """Wait for the child, and tell how far it is; return its status.

    On a terminal one line moves each second; elsewhere a line comes every PERIOD_S.
    """
    watched = sys.stderr.isatty()
    said = start
    try:
        while True:
            now = time.monotonic()
            text = f"{title}: {now - start:.0f} s{progress(LOG.read_text(errors='replace'))}"
            if watched:
                say(f"{text}{TO_THE_END}", end="\r")
            elif now - said >= PERIOD_S:
                say(f"{text} ...")
                said = now
            with suppress(subprocess.TimeoutExpired):
                return child.wait(timeout=1)
    finally:
        if watched:
            print(end=f"\r{TO_THE_END}", file=sys.stderr, flush=True)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()


def progress(log: str) -> str:
    """Return how far the last command is, from its output; empty where it does not say."""
    last = log.rpartition("\n$ ")[2]
    if steps := NINJA_STEP.findall(last):
        done, total = steps[-1]
        return f", step {done} of {total}"
    if "Installing collected packages" in last:
        return ", installing"
    found = last.count("\nCollecting ")
    return f", {found} package{'s' if found > 1 else ''}" if found else ""


def reason(log: str) -> str:
    """Why the last command failed, from its output."""
    if any(sign in log for sign in NO_NETWORK):
        return "no network: pip cannot reach its package index"
    lines = [line.strip() for line in log.rpartition("\n$ ")[2].splitlines() if line.strip()]
    at = next((i for i, line in enumerate(lines) if any(map(line.count, FAILED))), -1)
    return " ".join(lines[at:][:2])


def not_allowed(error: OSError) -> str:
    """Say in a line what this user may not do here, or what the disk cannot."""
    where, why = error.filename or VENV, error.strerror or error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{where}: {why}: this checkout, or the Python that its {VENV.name} was made with, "
            "belongs to somebody else; clone it into a folder of your own"
        )
    return f"{where}: {why}"


def say(text: str, end: str = "\n") -> None:
    print(f"anyview: {text}", end=end, file=sys.stderr, flush=True)


def interrupted(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    try:
        main(sys.argv[1:])
    except LauncherError as error:
        sys.exit(f"anyview: {error}")
    except OSError as error:
        sys.exit(f"anyview: {not_allowed(error)}")
    except KeyboardInterrupt:
        say("interrupted; the next call starts over")
        sys.exit(130)
