"""What is installed is pinned, complete and free of contradictions."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.packaging.pins import LISTS, PIN, PINNED, ROOT, names, pins

# and one distribution of ROS
TOGETHER = ("run", "onnxruntime", "test", "train", "view", "tables", "stores", "ray")
DISTRIBUTIONS = ("ros-jazzy", "ros-kilted")
# import name -> distribution, where the generated packages of the wheels hide it
ROS = {"anyview_ros", "tf2_msgs"}


def asked(name: str) -> set[str]:
    """What an .in file asks for, without versions, extras and comments."""
    lines = [line.partition("#")[0].strip() for line in (LISTS / f"{name}.in").open()]
    return {re.split(r"[\[<>=]", line)[0] for line in lines if line}


def imported(files: Iterable[Path]) -> set[str]:
    """Top-level packages imported by files, without the standard library."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"__future__"}


@pytest.mark.parametrize("name", PINNED)
def test_list_is_compiled_from_its_source(name: str) -> None:
    assert asked(name) <= names(name), "run requirements/compile.sh"


@pytest.mark.parametrize("name", PINNED)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    for entry in re.split(r"\n(?=\S)", (LISTS / f"{name}.txt").read_text().strip()):
        if not entry.startswith("#"):
            assert PIN.match(entry), entry
            assert "--hash=sha256:" in entry, entry


def test_torch_alone_is_without_hashes() -> None:
    """As the pages say; other lists have a source, and are looked at above."""
    assert {file.stem for file in LISTS.glob("*.txt")} - set(PINNED) == {"torch"}
    assert "--hash" not in (LISTS / "torch.txt").read_text()
    for page in ("SECURITY.md", "QUALITY_DECLARATION.md"):
        told = " ".join((ROOT / page).read_text().split())
        assert re.search(r"pinned by hash[^.|]*, but (for )?torch and what it needs", told), page


@pytest.mark.parametrize("file", sorted(LISTS.iterdir()), ids=lambda file: file.name)
def test_no_list_says_where_to_download(file: Path) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", file.read_text())


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_lists_that_are_installed_together_agree(distribution: str) -> None:
    versions: dict[tuple[str, str], str] = {}
    for name in (distribution, *TOGETHER):
        for key, version in pins(name).items():
            assert versions.setdefault(key, version) == version, f"{key} in {name}.txt"


def test_the_two_builds_of_onnxruntime_are_alternatives() -> None:
    for name in (*PINNED, "torch"):
        assert len({"onnxruntime", "onnxruntime-gpu"} & names(name)) <= 1
    for name in ("onnxruntime", "onnxruntime-gpu"):
        version = next(v for (n, _), v in pins(name).items() if n == name)
        assert tuple(map(int, version.split("."))) >= (1, 29), "external data may leave its folder"


def test_distributions_do_not_mix() -> None:
    for distribution in DISTRIBUTIONS:
        word = distribution.removeprefix("ros-")
        wheels = {name for name in names(distribution) if re.match("ros-(jazzy|kilted)-", name)}
        assert wheels, distribution
        assert {name.split("-")[1] for name in wheels} == {word}


def test_only_tests_training_and_export_need_torch() -> None:
    assert "torch" not in names("run", "ros-jazzy", "onnxruntime")
    assert names("torch") == {"torch"}


def test_every_import_is_required() -> None:
    """What the modules and tests import comes from a list that is installed for them."""
    provides = packages_distributions()
    package = ROOT / "anyview_ros"
    offline = [*(package / "model").rglob("*.py"), *(package / "training").rglob("*.py")]
    for room in ("evaluation", "verify"):
        offline += (package / room).rglob("*.py")
    page = [*(package / "view").rglob("*.py")]
    tables = [package / "augment" / "exports" / "arrow_tables.py"]
    stores = [package / "augment" / "stores.py"]
    ray = [package / "augment" / "ray_workers.py"]
    runtime = set(package.rglob("*.py"))
    runtime -= {*offline, *page, *tables, *stores, *ray, *(package / "cli").rglob("*.py")}
    for files, lists in (
        (runtime, ("run", "ros-jazzy", "onnxruntime")),
        (offline, ("run", "ros-jazzy", "onnxruntime", "train", "torch")),
        (page, ("run", "ros-jazzy", "onnxruntime", "view")),
        (tables, ("tables",)),
        (stores, ("stores",)),
        (ray, ("ray",)),
    ):
        for module in imported(files) - ROS - {"tf2_ros"}:
            homes = {name.lower().replace("_", "-") for name in provides.get(module, [module])}
            assert homes & {alias for name in names(*lists) for alias in aliases(name)}, module


def aliases(name: str) -> set[str]:
    """The wheel ros-sensor-msgs also registers itself as sensor-msgs."""
    return {name, name.removeprefix("ros-")}
