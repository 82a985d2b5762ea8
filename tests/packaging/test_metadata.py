"""Facts with two homes agree: package.xml, CMakeLists.txt, pyproject.toml and the sources."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest
from catkin_pkg.package import parse_package

import anyview_ros

ROOT = Path(__file__).resolve().parents[2]
CMAKE = (ROOT / "CMakeLists.txt").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_package_xml_is_valid_and_says_what_colcon_needs() -> None:
    package = parse_package(str(ROOT / "package.xml"))
    package.validate()
    assert package.get_build_type() == "ament_cmake"
    assert [group.name for group in package.member_of_groups] == ["rosidl_interface_packages"]


def test_version_is_one() -> None:
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert version == anyview_ros.__version__
    assert re.search(rf"^{re.escape(version)} ", (ROOT / "CHANGELOG.rst").read_text(), re.M)


def test_cmake_generates_every_interface() -> None:
    files = [f for kind in ("msg", "srv", "action") for f in (ROOT / kind).iterdir()]
    listed = re.findall(r"^  ((?:msg|srv|action)/\S+)", CMAKE, re.M)
    assert sorted(listed) == sorted(f"{file.parent.name}/{file.name}" for file in files)


def test_cmake_depends_on_what_package_xml_says() -> None:
    package = parse_package(str(ROOT / "package.xml"))
    declared = {depend.name for depend in [*package.build_depends, *package.buildtool_depends]}
    assert set(re.findall(r"find_package\((\w+)", CMAKE)) == declared


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
