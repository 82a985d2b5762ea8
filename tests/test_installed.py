"""What comes with the package is found in a checkout, and in each prefix it is installed to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import anyview_ros
from anyview_ros import installed
from anyview_ros.packages import search_path

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip or colcon installed the package, with nothing sourced."""
    package = tmp_path / "lib" / "python3.11" / "site-packages" / "anyview_ros"
    monkeypatch.setattr(installed, "PACKAGE", package)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return tmp_path


def test_of_a_checkout_its_own_files_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/overlay:/underlay:")
    places = installed.shared("models")
    assert places[0] == ROOT / "models"
    assert places[1:3] == (
        Path("/overlay/share/anyview_ros/models"),
        Path("/underlay/share/anyview_ros/models"),
    )


def test_of_a_prefix_its_own_files_come_first_and_once(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/overlay:{prefix}")
    own = prefix / "share" / "anyview_ros" / "models"
    assert installed.shared("models") == (
        own,
        Path("/overlay/share/anyview_ros/models"),
        Path(sys.prefix, "share", "anyview_ros", "models"),
    )
    assert not any("site-packages" in str(folder) for folder in search_path())


def test_the_version_is_that_of_the_package_xml_beside_it(prefix: Path) -> None:
    share = prefix / "share" / "anyview_ros"
    share.mkdir(parents=True)
    (share / "package.xml").write_text("<package><version>7.8.9</version></package>")
    assert anyview_ros.__version__ == installed.version() == "7.8.9"


def test_modules_alone_have_no_version(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(prefix))
    assert installed.version() == "unknown"


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        _ = anyview_ros.version  # type: ignore[attr-defined]
