"""The command line itself: help, typos, defaults, completion, what it loads and what it refuses."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
import tomllib
from argparse import Namespace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from anyview_ros import cli, packages
from anyview_ros.cli import demo
from anyview_ros.cli.__main__ import main
from anyview_ros.cli.commands import COMMANDS, GROUPS, overview, parser_of
from anyview_ros.cli.node import node_arguments
from anyview_ros.cli.surroundings import OF_TRAINING, find_room, may_write, named
from anyview_ros.demo import subprocesses
from anyview_ros.demo.plan import DemoPlan
from anyview_ros.errors import AnyviewError
from anyview_ros.node.launch_arguments import NODE_ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "rclpy", "onnxruntime", "numba", "cv2")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "anyview_ros.cli", *arguments]
    whole = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=whole)


def test_every_module_of_a_command_is_listed() -> None:
    """Yield those that have arguments and run; the kinds of convert are beneath it."""
    folder = Path(cli.__path__[0])
    found = {f.stem for f in folder.glob("*.py") if "def run(" in f.read_text()}
    assert found - {"convert_bag", "convert_video", "__main__"} == set(COMMANDS)


def test_the_overview_is_a_story() -> None:
    lines = overview().splitlines()
    heads = [line for line in lines if line.endswith(":")]
    assert heads == [f"{group}:" for group in GROUPS]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(COMMANDS)
    assert all(len(line) <= 100 for line in lines)


def test_the_version_is_that_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert capsys.readouterr().out == f"anyview {version}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_is_asked_for(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out == overview() + "\n"


def test_parsers_load_nothing_heavy() -> None:
    """So that help comes at once, and completion where ROS is not installed."""
    code = (
        "import sys; from anyview_ros.cli.commands import whole_parser; whole_parser(); "
        f"print(*set({HEAVY}) & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() in ("", "cv2")  # cv2: of the images that a bag may hold


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("chek", "there is no command 'chek'; did you mean 'check'?"),
        ("zzz", "there is no command 'zzz'; 'anyview --help' lists them"),
        ("check --sedonds 5", "unknown argument '--sedonds'; did you mean '--seconds'?"),
        ("check --sec 5", "unknown argument '--sec'; did you mean '--seconds'?"),
        ("demo --hfov-deg=60", "unknown argument '--hfov-deg=60'; did you mean '--hfov'?"),
        ("convert video v --hfov 60 --out o --frame 9", "did you mean '--frames'?"),
        ("top once", "unknown argument 'once'"),
        ("convert vido", "invalid choice: 'vido' (choose from"),
    ],
)
def test_a_typo_gets_the_nearest_word(
    line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(line.split())
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capsys.readouterr()
    assert status == 2
    assert words in said.err
    assert len(said.err.splitlines()) <= 2
    assert said.out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_each_default_once(name: str) -> None:
    text = parser_of(name).format_help()
    for nothing in ("None", "()", "(default: )", "False", "SUPPRESS"):
        assert nothing not in text
    for paragraph in text.split("\n  --"):
        assert paragraph.count("default") <= 1, paragraph


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bench root --size 24x32", "--size is for --worlds, and a root is given"),
        ("bench root --seeds 1:9", "--seeds is for --worlds, and a root is given"),
        ("bench --real --seeds 1:9", "--seeds is for --worlds, and --real is given"),
        ("bench --real --kinds street", "--kinds is for --worlds, and --real is given"),
        ("bench --real --publish", "--publish is for --worlds, and --real is given"),
        ("tiers m --scene s --seeds 1:9", "--seeds is for worlds, and --scene is given"),
        ("tiers m --scene s --kinds street", "--kinds is for worlds, and --scene is given"),
        ("tiers m --scene s --splits narrow", "--splits is for worlds, and --scene is given"),
        (
            "augment b o --cameras c --gpu-share 0.5",
            "--gpu-share is for workers of Ray, and there are none (--workers)",
        ),
        (
            "augment b o --cameras c --workers 0 --gpu-share 0.5",
            "--gpu-share is for workers of Ray, and there are none (--workers)",
        ),
        (
            "chaos --topics /a/image_raw --domain 7",
            "--domain is for the car, and --topics are in the graph of ROS_DOMAIN_ID",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    line: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything else is looked at: a package to publish into is sealed first."""
    model = ["--model", str(tmp_path / "none")] if line.startswith("bench") else []
    assert main([*line.split(), *model]) == 1
    assert capsys.readouterr().err == f"error [wrong_option]: {words}\n"


def test_one_spelling_of_a_field_of_view() -> None:
    from anyview_ros.cli.commands import whole_parser
    from anyview_ros.cli.parser import actions_of

    options = {o for action in actions_of(whole_parser()) for o in action.option_strings}
    assert {o for o in options if "fov" in o} == {"--hfov"}


def arguments_of(line: str) -> list[str]:
    return node_arguments(parser_of("node").parse_args(shlex.split(line)))


def test_words_of_a_node_are_those_of_its_launch_file() -> None:
    said = arguments_of(
        "model:=/m cameras:=front,left use_sim_time:=yes namespace:=robot params_file:=my.yaml "
        "-p front.rectify:=off --ros-args -r a:=b"
    )
    assert said == [
        *("--ros-args", "-r", "__ns:=/robot", "--params-file", "my.yaml", "-p", 'model:="/m"'),
        *("-p", 'cameras:=["front", "left"]', "-p", "use_sim_time:=true"),
        *("-p", "front.rectify:=off", "-r", "a:=b"),
    ]
    assert arguments_of("") == ["--ros-args"]
    assert arguments_of("--params-file a.yaml") == ["--ros-args", "--params-file", "a.yaml"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("modell:=a", "unknown_argument", "did you mean 'model'?; other parameters have -p"),
        ("buffer_s:=5", "unknown_argument", "before them: -p buffer_s:=5"),
        ("autostart:=maybe", "invalid_launch_argument", "it must be true or false"),
    ],
)
def test_a_wrong_word_of_a_node_is_named(line: str, code: str, words: str) -> None:
    with pytest.raises(AnyviewError, match=words.replace("?", r"\?")) as refused:
        arguments_of(line)
    assert refused.value.code == code
    assert "model" in {each.name for each in NODE_ARGUMENTS}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("node --params-file none.yaml", "cannot read the params file: '--params-file none.yaml'"),
        ("node -p buffer_s:=[1", "cannot read the parameter override rule"),
        ("rig --ros-args --foo", "ROS does not know ['--foo']"),
        ("check --ros-args --params-file none.yaml", "cannot read the params file"),
    ],
)
def test_what_ros_cannot_read_is_one_line(line: str, words: str) -> None:
    done = run(*line.split())
    assert done.returncode == 1
    assert "error [invalid_ros_arguments]: ROS " in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("completion") / "anyview.bash"
    done = run("completion", "bash")
    assert done.returncode == 0, done.stderr
    file.write_text(done.stdout)
    return file


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("anyview de", {"demo"}),
        ("./anyview chec", {"check"}),
        ("anyview check --s", {"--seconds"}),
        ("anyview convert ", {"bag", "video"}),
        ("anyview convert video --hf", {"--hfov"}),
        ("anyview bench --provider c", {"cpu", "cuda"}),
    ],
)
def test_bash_completes(script: Path, line: str, offered: set[str]) -> None:
    words = " ".join(map(shlex.quote, line.split(" ")))
    code = (
        f"source {shlex.quote(str(script))}; COMP_WORDS=({words}); "
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _shtab_anyview; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"-h", "--help"} == offered


def test_zsh_has_a_script_too() -> None:
    done = run("completion", "zsh")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("#compdef anyview")
    assert all(f"    {name}:" in done.stdout for name in COMMANDS)


def test_the_default_model_is_one() -> None:
    assert packages.find_package(packages.DEFAULT_MODEL).is_dir()


def test_numba_has_room_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {}
    find_room(environment)
    assert environment == {}
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    find_room(environment)
    assert Path(environment["NUMBA_CACHE_DIR"]).name == f"anyview-numba-{os.getuid()}"
    chosen = {"NUMBA_CACHE_DIR": "/mine"}
    find_room(chosen)
    assert chosen == {"NUMBA_CACHE_DIR": "/mine"}


def test_a_folder_is_made_where_its_parent_may_be_written(tmp_path: Path) -> None:
    assert may_write(tmp_path / "a" / "b")
    assert not may_write(Path("/proc/a/b")) or os.access("/proc", os.W_OK)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "Permission denied"),
        (errno.EEXIST, "File exists"),
        (errno.ENOTDIR, "Not a directory"),
        (errno.ENOENT, "No such file or directory"),
        (errno.EISDIR, "Is a directory"),
    ],
)
def test_what_the_system_does_not_allow_is_one_line(
    number: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(args: Namespace) -> int:
        raise OSError(number, os.strerror(number), "out/demo")

    monkeypatch.setattr("anyview_ros.cli.demo.run", refused)
    assert main(["demo"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error [no_access]: 'out/demo': {words}; name files that ")
    assert said.count("\n") == 1


def test_an_error_does_not_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(args: Namespace) -> int:
        raise AnyviewError("no_cameras", "topic '/a\x1b[2J\x07\r'\n  and more")

    monkeypatch.setattr("anyview_ros.cli.demo.run", refused)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "error [no_cameras]: topic '/a?[2J??'\n  and more\n"


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("", 6.0), ("--seconds 0", 0.0), ("--view", 0.0), ("--view --seconds 9", 9.0)],
)
def test_seconds_of_a_demo_are_those_that_are_asked_for(
    words: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[DemoPlan] = []
    monkeypatch.setattr(subprocesses, "interrupt_once", lambda: None)
    monkeypatch.setattr(demo, "check_viser", lambda: None)
    for way in ("_recorded", "_viewed"):
        monkeypatch.setattr(demo, way, lambda plan: plans.append(plan) or 0)
    assert main(["demo", *words.split()]) == 0
    assert [plan.seconds for plan in plans] == [seconds]


def test_a_full_disk_is_named() -> None:
    assert named(OSError(errno.ENOSPC, "No space left on device", "file")).code == "disk_full"


def test_other_errors_of_the_system_are_not_hidden() -> None:
    for error in (OSError(errno.EACCES, "no file"), OSError(errno.EIO, "broken", "file")):
        with pytest.raises(OSError, match=r"no file|broken") as raised:
            named(error)
        assert raised.value is error


@pytest.mark.parametrize(
    ("library", "remedy"),
    [("torch", "pip install 'anyview_ros[train]'"), ("rosbags", "activate the environment")],
)
def test_a_missing_library_is_one_line(
    library: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def lacks(args: Namespace) -> int:
        raise ModuleNotFoundError(f"No module named '{library}.nn'", name=f"{library}.nn")

    monkeypatch.setattr("anyview_ros.cli.export.run", lacks)
    assert main(["export", "weights"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"error [library_missing]: {sys.executable} has no '{library}': {remedy}"
    )
    assert said.count("\n") == 1


def test_a_module_of_ours_that_is_missing_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(args: Namespace) -> int:
        raise ModuleNotFoundError("No module named 'anyview_ros.x'", name="anyview_ros.x")

    monkeypatch.setattr("anyview_ros.cli.export.run", lacks)
    with pytest.raises(ModuleNotFoundError):
        main(["export", "weights"])


def test_libraries_of_training_are_those_of_its_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    train = {name.partition("=")[0] for name in extras["optional-dependencies"]["train"]}
    assert {name.replace("_", "-") for name in OF_TRAINING} == train - {"stlpips-pytorch"}


def test_a_demo_without_onnxruntime_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err.startswith("error [no_onnxruntime]: ")


def test_the_requirement_of_completion_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "shtab" in project["dependencies"]
