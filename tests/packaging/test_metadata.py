"""Facts with two homes agree: package.xml, CMakeLists.txt, pyproject.toml and the sources."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from catkin_pkg.changelog import Changelog, populate_changelog_from_rst
from catkin_pkg.package import parse_package

import anyview_ros
from tests.packaging.pins import LISTS, ROOT
from tests.packaging.test_requirements import asked, imported

PACKAGE = Path(anyview_ros.__path__[0])
CHANGELOG = ROOT / "CHANGELOG.rst"
ROS_PACKAGES = {
    *("ament_index_python", "launch", "launch_ros", "rclpy", "tf2_ros", "cv_bridge"),
    *("action_msgs", "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "lifecycle_msgs"),
    *("rcl_interfaces", "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs", "tf2_msgs"),
    "visualization_msgs",
}
CMAKE = (ROOT / "CMakeLists.txt").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_package_xml_is_valid_and_says_what_colcon_needs() -> None:
    package = parse_package(str(ROOT / "package.xml"))
    package.validate()
    assert package.get_build_type() == "ament_cmake"
    assert [group.name for group in package.member_of_groups] == ["rosidl_interface_packages"]


def test_version_has_one_home() -> None:
    """package.xml; what else needs it reads it there."""
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert version == anyview_ros.__version__
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    for file in (ROOT / "pyproject.toml", ROOT / "setup.py", *PACKAGE.rglob("*.py")):
        assert f'"{version}"' not in file.read_text(), file


def test_changelog_is_one_that_bloom_reads() -> None:
    """Until the first release `Forthcoming`, then versions with their dates: REP 132."""
    text = CHANGELOG.read_text()
    titles = re.findall(r"^(\S.*)\n-+$", text, re.M)
    assert titles
    assert all(re.fullmatch(r"Forthcoming|\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", t) for t in titles)
    released = Changelog("anyview_ros")
    populate_changelog_from_rst(released, text)
    dated = [title.split()[0] for title in titles if title != "Forthcoming"]
    assert [version for version, _, _ in released.foreach_version()] == dated


def test_every_ros_package_that_is_imported_is_a_dependency() -> None:
    """And the other way round, but for what is needed without an import."""
    package = parse_package(str(ROOT / "package.xml"))
    used = imported_by_us() & ROS_PACKAGES
    declared = {depend.name for depend in [*package.build_export_depends, *package.exec_depends]}
    assert {name for name in declared if not name.startswith("python3-")} == used | {
        "action_msgs",  # of the generated action
        "rosidl_default_runtime",  # of the generated types
        "tf2_py",  # by importlib, see node/transforms/tf.py
    }


def test_python_packages_of_apt_are_those_that_are_imported() -> None:
    package = parse_package(str(ROOT / "package.xml"))
    declared = {d.name for d in package.exec_depends if d.name.startswith("python3-")}
    modules = {"numpy": "numpy", "opencv": "cv2", "pil": "PIL", "tqdm": "tqdm", "yaml": "yaml"}
    modules["cryptography"] = "cryptography"
    assert declared == {f"python3-{name}" for name in modules}
    assert set(modules.values()) <= imported_by_us()


@cache
def imported_by_us() -> set[str]:
    return imported(file for folder in (ROOT / "launch", PACKAGE) for file in folder.rglob("*.py"))


def test_colcon_tests_what_ros_has_a_part_in() -> None:
    rooms = re.search(r"foreach\(room ([^)]+)\)", CMAKE).group(1).split()
    assert {f"tests/{room}" for room in rooms} == set(run_tests()["ROS_TESTS"])
    assert (
        run_tests()["ENVIRONMENT"].items()
        <= dict(pair.split("=") for pair in re.findall(r"\w+=\w+", CMAKE)).items()
    )


def run_tests() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "run_tests.py"))


def test_pip_asks_for_what_the_pinned_lists_ask_for() -> None:
    asked_of_pip = {re.split("[<>=]", name)[0] for name in PYPROJECT["project"]["dependencies"]}
    to_run, _, _ = (LISTS / "ros-jazzy.in").read_text().partition("# What generating")
    of_ros = {line for line in to_run.splitlines() if line.startswith("ros-")}
    assert asked_of_pip == asked("run") | of_ros
    extras = PYPROJECT["project"]["optional-dependencies"]
    for extra in ("view", "tables", "stores", "ray"):
        assert set(extras[extra]) == set(lines_of(extra)), extra


def lines_of(name: str) -> list[str]:
    """What an .in file asks for, with its versions."""
    lines = [line.partition("#")[0].strip() for line in (LISTS / f"{name}.in").open()]
    return [line for line in lines if line]


def test_a_source_distribution_holds_what_the_repository_holds(tmp_path: Path) -> None:
    """Without CMakeLists.txt, package.xml or models no wheel can be made of it."""
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (sources,) = tmp_path.glob("*/SOURCES.txt")
    held = {line.removeprefix("./") for line in sources.read_text().splitlines()}
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    assert tracked - held == {".gitignore"}


def test_every_folder_is_installed_or_known_not_to_be() -> None:
    """A folder that the package reads and CMake does not install is missing in a wheel."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {name.partition("/")[0] for name in listed.stdout.split("\0") if "/" in name}
    shared = set(re.search(r"install\(DIRECTORY ((?:\w+ )+)DESTINATION share", CMAKE)[1].split())
    interfaces = {"msg", "srv", "action"}
    only_here = {".ci", "benchmarks", "cmake", "docs", "requirements", "scripts", "tests"}
    assert folders == shared | interfaces | only_here | {"anyview_ros"}


def test_cmake_generates_every_interface() -> None:
    files = [f for kind in ("msg", "srv", "action") for f in (ROOT / kind).iterdir()]
    listed = re.findall(r"^  ((?:msg|srv|action)/\S+)", CMAKE, re.M)
    assert sorted(listed) == sorted(f"{file.parent.name}/{file.name}" for file in files)


def test_cmake_depends_on_what_package_xml_says() -> None:
    package = parse_package(str(ROOT / "package.xml"))
    declared = {depend.name for depend in [*package.build_depends, *package.buildtool_depends]}
    building, _, testing = CMAKE.partition("if(BUILD_TESTING)")
    assert set(re.findall(r"find_package\((\w+)", building)) == declared
    tested = {depend.name for depend in package.test_depends}
    assert set(re.findall(r"find_package\((\w+)", testing)) <= tested


@pytest.mark.parametrize("name", ["anyview", "sim_rig", "synth"])
def test_executable_calls_a_function_that_exists(name: str) -> None:
    script = ROOT / "scripts" / name
    assert script.stat().st_mode & 0o111
    module, function = re.search(r"from (\S+) import (\w+)", script.read_text()).groups()
    assert callable(getattr(import_module(module), function))
    assert f"scripts/{name}" in CMAKE


def test_installed_folders_exist() -> None:
    for folder in ("config", "launch", "models"):
        assert any((ROOT / folder).iterdir()), folder


def test_build_requirements_are_among_the_pinned_ones() -> None:
    pinned = (ROOT / "requirements" / "ros-jazzy.in").read_text().split()
    pinned += (ROOT / "requirements" / "run.in").read_text().split()
    wanted = [re.split("[<>=]", name)[0] for name in PYPROJECT["build-system"]["requires"]]
    names = {re.split("[<>=]", name)[0] for name in pinned}
    assert set(wanted) <= names


def test_onnxruntime_is_chosen_by_extra() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert extras["cpu"] == ["onnxruntime>=1.29"]
    assert extras["gpu"] == ["onnxruntime-gpu[cuda,cudnn]>=1.29"]
    assert not any("onnxruntime" in name for name in PYPROJECT["project"]["dependencies"])
