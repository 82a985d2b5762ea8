"""`./anyview` before .venv: what it says when something is missing, and how it recovers."""

from __future__ import annotations

import errno
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 30


def load(root: Path) -> Any:
    """scripts/launcher.py, working on another checkout."""
    spec = spec_from_file_location("launcher", ROOT / "scripts" / "launcher.py")
    assert spec is not None
    assert spec.loader is not None
    launcher = module_from_spec(spec)
    sys.modules["launcher"] = launcher  # dataclasses look their module up
    spec.loader.exec_module(launcher)
    for name in ("VENV", "STATE", "INCOMPLETE", "LOG"):
        path = getattr(launcher, name).relative_to(launcher.ROOT)
        setattr(launcher, name, root / path)
    launcher.ROOT = root
    return launcher


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delitem(sys.modules, "launcher", raising=False)
    return load(tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the launcher and what --help reads; `bin` is to be the whole PATH."""
    root = tmp_path / "check out"  # the space is on purpose
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "anyview", root)
    shutil.copy(ROOT / "scripts" / "launcher.py", root / "scripts")
    for names in ("msg", "srv", "action", "cmake", "requirements", "bin"):
        (root / names).mkdir()
    for name in ("CMakeLists.txt", "setup.py"):
        (root / name).touch()
    shutil.copy(ROOT / "package.xml", root)
    shutil.copytree(ROOT / "anyview_ros" / "cli", root / "anyview_ros" / "cli")
    for file in (ROOT / "anyview_ros").glob("*.py"):
        shutil.copy(file, root / "anyview_ros")
    for name in ("anyview", "sim_rig", "synth"):
        (root / "scripts" / name).touch()
    for name in (
        "ros-jazzy",
        "ros-kilted",
        "run",
        "onnxruntime",
        "onnxruntime-gpu",
        "ray",
        "stores",
        "tables",
        "test",
        "train",
        "view",
    ):
        (root / "requirements" / f"{name}.txt").touch()
    for tool in ("dirname", "readlink"):
        (root / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return root


def tool(root: Path, name: str, text: str) -> None:
    (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
    (root / "bin" / name).chmod(0o755)


def call(root: Path, **environment: str) -> str:
    """What ./anyview says, when it has to fail with one line."""
    done = subprocess.run(
        [root / "anyview", "demo"],
        env={"PATH": str(root / "bin"), **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("anyview: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def bare_python() -> str:
    return os.path.realpath(sys.executable)


# What is missing


def test_no_python(checkout: Path) -> None:
    assert "needs Python 3.11, 3.12 or 3.13, found none" in call(checkout)


def test_python_too_old_is_named(checkout: Path) -> None:
    tool(checkout, "python3", "echo 3.9")
    tool(checkout, "python3.12", "exit 127  # a pyenv shim without that version")
    said = call(checkout)
    assert "found python3 (3.9)" in said
    assert "PYTHON=/path/to/python" in said


def test_named_python_is_the_only_one_tried(checkout: Path) -> None:
    (checkout / "bin" / "python3").symlink_to(bare_python())
    tool(checkout, "my python", "echo 3.14")
    assert "my python (3.14)" in call(checkout, PYTHON=str(checkout / "bin" / "my python"))


def test_no_compiler(checkout: Path) -> None:
    tool(checkout, "python3", f'exec {bare_python()} "$@"')
    assert "no C and C++ compiler: apt install build-essential" in call(checkout)


def test_venv_of_somebody_else_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    tool(checkout, "python3", f'exec {bare_python()} "$@"')
    for name in ("cc", "c++"):
        tool(checkout, name, "")
    assert "was not made by ./anyview: move it away" in call(checkout)
    assert (checkout / ".venv" / "bin").is_dir()


def test_other_middleware_is_refused(checkout: Path) -> None:
    tool(checkout, "python3", f'exec {bare_python()} "$@"')
    said = call(checkout, RMW_IMPLEMENTATION="rmw_cyclonedds_cpp")
    assert "RMW_IMPLEMENTATION is rmw_cyclonedds_cpp" in said


def test_distribution_without_wheels_is_refused(checkout: Path) -> None:
    tool(checkout, "python3", f'exec {bare_python()} "$@"')
    assert "ANYVIEW_ROS must be jazzy or kilted, got 'humble'" in call(
        checkout, ANYVIEW_ROS="humble"
    )


def test_onnxruntime_is_for_cpu_or_gpu(checkout: Path) -> None:
    tool(checkout, "python3", f'exec {bare_python()} "$@"')
    assert "ANYVIEW_ORT must be cpu or gpu, got 'tpu'" in call(checkout, ANYVIEW_ORT="tpu")


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        (lambda m: ("platform.machine", lambda: "aarch64"), "this is linux on aarch64: build with"),
        (lambda m: ("find_spec", lambda name: None), "has no venv: apt install python3"),
        (lambda m: ("sysconfig.get_path", lambda name: "/nowhere"), "no headers of Python 3"),
    ],
)
def test_missing_part_of_the_system(
    launcher: Any,
    monkeypatch: pytest.MonkeyPatch,
    patch: Callable[[Any], tuple[str, Callable[..., Any]]],
    said: str,
) -> None:
    name, replacement = patch(launcher)
    owner, _, attribute = name.rpartition(".")
    monkeypatch.setattr(getattr(launcher, owner) if owner else launcher, attribute, replacement)
    with pytest.raises(launcher.LauncherError, match=said):
        launcher.check_machine()


def test_this_machine_has_everything(launcher: Any) -> None:
    launcher.check_machine()


# The environment


def test_other_ros_does_not_leak_in(launcher: Any, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "librcl.so").touch()
    caller = {
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1",
        "AMENT_PREFIX_PATH": "/opt/ros/jazzy",
        "LD_LIBRARY_PATH": f"{tmp_path / 'lib'}:/usr/local/cuda/lib64",
        "PYTHONPATH": "/opt/ros/jazzy/lib/python3.12/site-packages",
        "ROS_DOMAIN_ID": "7",
        "PATH": "/usr/bin",
    }
    clean = launcher.clean_environment(caller)
    assert clean["AMENT_PREFIX_PATH"] == str(tmp_path / ".venv")
    assert clean["LD_LIBRARY_PATH"] == "/usr/local/cuda/lib64"
    assert clean["ROS_DOMAIN_ID"] == "7"
    assert clean["PATH"] == f"{tmp_path / '.venv' / 'bin'}:/usr/bin"
    assert not {"_ROS_WHEELS_BOOTSTRAP_COMPLETE", "PYTHONPATH"} & set(clean)


def test_dds_profile_is_ours_unless_the_caller_has_one(launcher: Any, tmp_path: Path) -> None:
    """Fast DDS 2 reads one name, Fast DDS 3 the other."""
    fast_dds_2, fast_dds_3 = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
    ours = launcher.clean_environment({})
    assert ours[fast_dds_2] == ours[fast_dds_3] == str(tmp_path / "config" / "fastdds.xml")
    theirs = launcher.clean_environment({fast_dds_3: "/etc/mine.xml"})
    assert theirs[fast_dds_2] == theirs[fast_dds_3] == "/etc/mine.xml"


# The stages


def stage(launcher: Any, name: str, code: str, stamp: str = "1") -> Any:
    return launcher.Stage(name, name, stamp, ((sys.executable, "-c", code),))


def first(launcher: Any) -> Any:
    """Stands for the stage that makes .venv."""
    python = launcher.VENV / "bin" / "python"
    code = (
        "import pathlib; p = pathlib.Path({0!r}); p.parent.mkdir(parents=True, exist_ok=True); "
        "p.touch(); open(str(p) + '.made', 'a').write('x')"
    )
    return stage(launcher, "python", code.format(str(python)))


def times_made(launcher: Any) -> int:
    return len((launcher.VENV / "bin" / "python.made").read_text())


def prepare(launcher: Any, *wanted: Any) -> None:
    with launcher.locked() as lock:
        launcher.prepare(wanted, os.environ, lock)


def test_stage_runs_once_for_each_stamp(launcher: Any, tmp_path: Path) -> None:
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x')"
    for stamp in ("1", "1", "2", "2"):
        prepare(launcher, first(launcher), stage(launcher, "run", code, stamp))
    assert count.read_text() == "xx"
    assert times_made(launcher) == 1


def test_failed_stage_names_reason_and_log_and_is_tried_again(launcher: Any) -> None:
    code = "import sys; sys.exit('ERROR: No matching distribution found for rclpy')"
    broken = stage(launcher, "run", code)
    with pytest.raises(launcher.LauncherError, match=r"No matching distribution.*setup\.log"):
        prepare(launcher, first(launcher), broken)
    assert not launcher.ready([first(launcher), broken])
    prepare(launcher, first(launcher), stage(launcher, "run", "pass"))
    assert times_made(launcher) == 1  # it ended by itself: what was done stays done


def test_killed_stage_makes_the_next_call_start_over(launcher: Any) -> None:
    killed = stage(launcher, "run", "import os; os.kill(os.getpid(), 9)")
    prepare(launcher, first(launcher))
    with pytest.raises(launcher.LauncherError):
        prepare(launcher, first(launcher), killed)
    prepare(launcher, first(launcher), stage(launcher, "run", "pass"))
    assert (launcher.VENV / "bin" / "python.made").read_text() == "x"  # of the new .venv


def test_missing_python_in_venv_makes_it_anew(launcher: Any) -> None:
    wanted = [first(launcher), stage(launcher, "run", "pass")]
    prepare(launcher, *wanted)
    (launcher.VENV / "bin" / "python").unlink()
    assert not launcher.ready(wanted)
    prepare(launcher, *wanted)
    assert launcher.ready(wanted)


def test_no_network_is_said_so(launcher: Any) -> None:
    text = "$ pip\nRetrying ... after connection broken by 'NewConnectionError('\nERROR: No match"
    assert launcher.reason(text) == "no network: pip cannot reach its package index"


@pytest.mark.parametrize(
    ("command", "wanted"),
    [("", False), ("demo", False), ("convert", False), ("import", True), ("distill", True)],
)
def test_torch_comes_with_the_commands_that_need_it(
    launcher: Any, command: str, wanted: bool
) -> None:
    names = {stage.name for stage in launcher.stages(command)}
    assert ("torch" in names) is wanted


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 0, "start here:"),
        (["--help"], 0, "start here:"),
        (["-h"], 0, "start here:"),
        (["--version"], 0, "anyview "),
        (["chek", "--seconds", "1"], 2, "there is no command 'chek'; did you mean 'check'?"),
    ],
)
def test_what_there_is_needs_nothing_to_be_prepared(
    arguments: list[str], status: int, said: str, checkout: Path
) -> None:
    (checkout / "bin" / "python3").symlink_to(bare_python())
    done = subprocess.run(
        [checkout / "anyview", *arguments],
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert not (checkout / ".venv").exists()


def test_help_of_a_command_needs_no_torch(launcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(launcher, "stages", lambda command, _: asked.append(command) or [])
    monkeypatch.setattr(launcher, "ready", lambda wanted: True)
    monkeypatch.setattr(launcher.os, "execve", lambda *call: asked.append(call[1][1:]))
    for arguments in (["train", "--help"], ["test", "-h"], ["train", "c.toml"], ["test", "-x"]):
        launcher.main(arguments)
    cli = ["-P", "-m", "anyview_ros.cli"]
    tests = [str(launcher.ROOT / "scripts" / "run_tests.py"), "-x"]
    assert asked == [
        *("", [*cli, "train", "--help"], "", [*cli, "test", "-h"]),
        *("train", [*cli, "train", "c.toml"], "test", tests),
    ]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "belongs to somebody else; clone it into a folder of your own"),
        (errno.EROFS, "belongs to somebody else; clone it into a folder of your own"),
        (errno.ENOSPC, "No space left on device"),
    ],
)
def test_what_the_system_does_not_allow_is_a_line(launcher: Any, number: int, words: str) -> None:
    said = launcher.not_allowed(OSError(number, os.strerror(number), "/x/.venv"))
    assert said.startswith("/x/.venv: ")
    assert said.endswith(words)


def test_stamps_follow_what_they_are_made_from(
    launcher: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher.ROOT = checkout
    monkeypatch.delenv("ANYVIEW_ORT", raising=False)

    def stamps() -> dict[str, str]:
        return {s.name: s.stamp for s in launcher.stages("demo")}

    before = stamps()
    assert set(before) == {"python", "run", "onnxruntime", "package"}  # a demo needs no torch
    assert stamps() == before
    for name, changed in (
        ("requirements/run.txt", {"run"}),
        ("requirements/ros-jazzy.txt", {"run", "package"}),
        ("msg/New.msg", {"package"}),
        ("CMakeLists.txt", {"package"}),
        ("scripts/launcher.py", set()),
    ):
        (checkout / name).write_text(f"{name} changed")
        after = stamps()
        assert {key for key in after if after[key] != before[key]} == changed, name
        before = after


@pytest.fixture
def kilted(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delitem(sys.modules, "launcher", raising=False)
    monkeypatch.delenv("ANYVIEW_ORT", raising=False)
    monkeypatch.setenv("ANYVIEW_ROS", "kilted")
    return load(checkout)


def test_the_second_distribution_has_an_environment_and_stamps_of_its_own(
    kilted: Any, checkout: Path
) -> None:
    assert kilted.VENV.relative_to(checkout) == Path(".venv-kilted")
    assert kilted.clean_environment({})["AMENT_PREFIX_PATH"] == str(checkout / ".venv-kilted")

    def stamps() -> dict[str, str]:
        return {stage.name: stage.stamp for stage in kilted.stages("demo")}

    before = stamps()
    (checkout / "requirements" / "ros-jazzy.txt").write_text("changed")
    assert stamps() == before
    (checkout / "requirements" / "ros-kilted.txt").write_text("changed")
    assert {name for name in before if stamps()[name] != before[name]} == {"run", "package"}


def test_the_second_distribution_is_tested_without_torch(kilted: Any) -> None:
    assert [stage.name for stage in kilted.stages("test")][-5:] == [
        "test",
        "view",
        "tables",
        "stores",
        "train",
    ]
    assert kilted.stages("train")[-1].name == "torch"


def test_only_what_looks_at_the_page_pays_for_it(launcher: Any) -> None:
    paying = [c for c in ("demo", "test", "train", "view") if "view" in names_of(launcher, c)]
    assert paying == ["test", "view"]
    assert "torch" not in names_of(launcher, "view")


def test_only_data_sets_of_tables_pay_for_pyarrow(launcher: Any, checkout: Path) -> None:
    def tables(*arguments: str) -> bool:
        return "tables" in [stage.name for stage in launcher.stages("augment", arguments)]

    assert tables("augment", "drive", "out", "--export", "lerobot=set")
    assert tables("augment", "drive", "out", "--export=argoverse2=set")
    assert not tables("augment", "drive", "out", "--export", "kitti=set")
    assert not tables("augment", "drive", "out")
    (checkout / "pushes" / "meta").mkdir(parents=True)
    (checkout / "pushes" / "meta" / "info.json").touch()
    assert tables("augment", str(checkout / "pushes"), "out")


def test_only_many_recordings_pay_for_ray_and_only_stores_for_fsspec(launcher: Any) -> None:
    def stages(*more: str) -> set[str]:
        names = [s.name for s in launcher.stages("augment", ("augment", "drives", "out", *more))]
        return {"ray", "stores"} & set(names)

    assert stages("--workers", "2") == {"ray"}
    assert stages("--workers=2") == {"ray"}
    assert stages("--ray-address", "auto") == {"ray"}
    assert stages("--workers", "0") == set()
    assert stages("--export", "kitti=s3://bucket/set") == {"stores"}
    assert stages("--workers", "4", "gs://bucket/out") == {"ray", "stores"}
    assert stages("-p", "front.camera_info_url:=file:///front.yaml") == set()
    assert "ray" not in names_of(launcher, "demo")


def names_of(launcher: Any, command: str) -> list[str]:
    return [stage.name for stage in launcher.stages(command)]


def test_both_distributions_by_one_command(launcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], str]] = []

    def run(call: list[str], env: dict[str, str]) -> SimpleNamespace:
        calls.append((call[call.index("test") :], env["ANYVIEW_ROS"]))
        return SimpleNamespace(returncode={"jazzy": 0, "kilted": 3}[env["ANYVIEW_ROS"]])

    monkeypatch.setattr(launcher.subprocess, "run", run)
    with pytest.raises(SystemExit) as ended:
        launcher.main(["test", "--both"])
    assert ended.value.code == 3
    assert calls == [(["test"], "jazzy"), (["test"], "kilted")]
    calls.clear()
    with pytest.raises(SystemExit):
        launcher.main(["test", "--both", "--long", "tests/node"])
    long = ["test", "--long", "tests/node"]
    assert calls == [(long, "jazzy"), (long, "kilted")]


def test_the_two_builds_of_onnxruntime_replace_each_other(
    launcher: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher.ROOT = checkout
    monkeypatch.setenv("ANYVIEW_ORT", "gpu")
    gpu = launcher.onnxruntime()
    remove, install = gpu.commands
    assert remove[-2:] == ("onnxruntime", "onnxruntime-gpu")
    assert "uninstall" in remove
    assert install[-1].endswith("onnxruntime-gpu.txt")
    monkeypatch.delenv("ANYVIEW_ORT")
    assert launcher.onnxruntime().stamp.startswith("cpu ")
    launcher.STATE.mkdir(parents=True)
    (launcher.STATE / "onnxruntime").write_text(gpu.stamp)
    assert launcher.onnxruntime() == gpu  # kept until cpu is asked for


# What is said meanwhile

COMPILES = """
import sys, time
for step in range(1, 5):
    print(f"  [{step}/4] Building C object {step}.o", flush=True)
    time.sleep(0.3)
"""


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("$ pip install\nsome words\n", ""),
        ("$ pip\n[9/9] Linking\n$ pip\nCollecting a\nCollecting b\n", ", 2 packages"),
        ("$ pip\nCollecting a\n", ", 1 package"),
        ("$ pip\nCollecting a\nInstalling collected packages: a\n", ", installing"),
        ("$ pip\n-- Configuring done\n", ""),
        ("$ pip\n  [1/172] Generating\n  [34/172] Building C object x.o\n", ", step 34 of 172"),
    ],
)
def test_progress_is_read_from_the_log(launcher: Any, log: str, said: str) -> None:
    assert launcher.progress(log) == said


def test_a_stage_says_a_line_now_and_then_where_nobody_watches(
    launcher: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "PERIOD_S", 1)
    prepare(launcher, first(launcher), stage(launcher, "package", COMPILES))
    lines = capfd.readouterr().err.splitlines()
    assert any(re.fullmatch(r"anyview: package: \d+ s, step [234] of 4 \.\.\.", x) for x in lines)
    assert not any("\r" in line for line in lines)


def test_a_stage_moves_a_line_on_a_terminal(
    launcher: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher.sys.stderr, "isatty", lambda: True)
    prepare(launcher, first(launcher), stage(launcher, "package", COMPILES))
    said = capfd.readouterr().err
    assert re.search(r"\ranyview: package: 1 s, step [234] of 4", said)
    assert re.search(r"\r\x1b\[Kanyview: package: \d s\n$", said)  # and leaves the time alone


def test_the_compile_is_not_kept_from_the_log(launcher: Any, checkout: Path) -> None:
    launcher.ROOT = checkout
    (compiled,) = [each for each in launcher.stages("demo") if each.name == "package"]
    assert "--verbose" in compiled.commands[0]


# Two calls, and signals

# Tells its process id through a named pipe, then waits for a signal.
SLEEPER = "import os, signal; open({!r}, 'w').write(str(os.getpid())); signal.pause()"
CALLER = """
import signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.packaging.test_launcher import first, load, prepare, stage
launcher = load(Path({root!r}))
signal.signal(signal.SIGTERM, launcher.interrupted)
try:
    prepare(launcher, first(launcher), stage(launcher, "run", {code!r}))
except KeyboardInterrupt:
    sys.exit(130)
"""


def caller(root: Path, code: str) -> subprocess.Popen[str]:
    """A process that prepares `root` with one stage that runs `code`."""
    text = CALLER.format(tests=str(ROOT), root=str(root), code=code)
    return subprocess.Popen(
        [sys.executable, "-c", text], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_everything_and_the_next_call_starts_over(
    launcher: Any, tmp_path: Path, sign: signal.Signals
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = caller(tmp_path, SLEEPER.format(str(pipe)))
    child = int(pipe.read_text())  # waits until the stage runs
    process.send_signal(sign)
    assert process.wait(DEADLINE) == 130
    assert not running(child)
    assert launcher.INCOMPLETE.exists()
    prepare(launcher, first(launcher), stage(launcher, "run", "pass"))
    assert not launcher.INCOMPLETE.exists()


def test_a_removal_that_is_interrupted_leaves_a_venv_that_is_known_as_ours(
    launcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(launcher, first(launcher), stage(launcher, "run", "pass"))
    (launcher.VENV / "lib").mkdir(exist_ok=True)

    def interrupted(path: Path, **options: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            launcher.clear()
    assert launcher.INCOMPLETE.exists()
    launcher.clear()
    assert list(launcher.VENV.iterdir()) == [launcher.STATE]
    assert list(launcher.STATE.iterdir()) == [launcher.INCOMPLETE]


def test_second_call_waits_for_the_first(launcher: Any, tmp_path: Path) -> None:
    prepare(launcher, first(launcher))
    with launcher.locked():
        process = caller(tmp_path, "pass")
        assert process.stderr is not None
        assert process.stderr.readline() == (
            "anyview: another call is preparing .venv, waiting for it\n"
        )
        assert not (launcher.STATE / "run").exists()
    assert process.wait(DEADLINE) == 0
    assert (launcher.STATE / "run").exists()


def test_command_replaces_the_launcher(
    launcher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By exec: the caller's signals and the exit status are those of the command itself."""
    seen = SimpleNamespace()
    monkeypatch.setattr(launcher, "ready", lambda wanted: True)
    monkeypatch.setattr(launcher, "stages", lambda command, _: [])
    monkeypatch.setattr(launcher.os, "execve", lambda *call: seen.__dict__.update(call=call))
    launcher.main(["demo", "--seconds", "1"])
    python, arguments, environment = seen.call
    assert python == arguments[0] == str(tmp_path / ".venv" / "bin" / "python")
    assert arguments[1:] == ["-P", "-m", "anyview_ros.cli", "demo", "--seconds", "1"]
    assert environment["VIRTUAL_ENV"] == str(tmp_path / ".venv")
    launcher.main(["test", "-k", "tf"])
    assert seen.call[1][1:] == [str(tmp_path / "scripts" / "run_tests.py"), "-k", "tf"]


@pytest.mark.parametrize("name", ["anyview", "synth", "sim_rig"])
def test_a_process_of_a_pool_does_not_run_an_installed_script_again(name: str) -> None:
    """`spawn` imports the main file of its parent, by this name."""
    runpy.run_path(str(ROOT / "scripts" / name), run_name="__mp_main__")
