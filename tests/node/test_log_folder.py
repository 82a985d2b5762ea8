"""Where the logs of ROS go: where they always go, or where the page says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anyview_ros.node.log_folder import NAMED, provide_log_folder

PAGE = Path(__file__).parents[2] / "docs" / "install.md"


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sets is taken back, what the code sets too."""
    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if k not in NAMED})


def test_they_go_to_the_folder_of_ros(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ["HOME"] = str(tmp_path)
    provide_log_folder()
    assert "ROS_LOG_DIR" not in os.environ
    assert (tmp_path / ".ros" / "log").is_dir()
    assert capsys.readouterr().err == ""
    assert "| `~/.ros/log` |" in PAGE.read_text(encoding="utf-8")


def test_they_go_elsewhere_where_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.write_text("a file, so that no folder can be made in it")
    os.environ["HOME"] = str(home)
    provide_log_folder()
    folder = os.environ["ROS_LOG_DIR"]
    assert Path(folder).name == f"anyview-log-{os.getuid()}"
    assert f"`{folder.replace(str(os.getuid()), '<uid>')}`" in PAGE.read_text(encoding="utf-8")
    assert capsys.readouterr().err.startswith(f"logs of ROS go to {folder}: ")


@pytest.mark.parametrize("name", NAMED)
def test_a_folder_that_the_user_names_is_left_to_the_user(name: str) -> None:
    os.environ.update({"HOME": "/proc/none", name: "/mine"})
    provide_log_folder()
    assert {k: v for k, v in os.environ.items() if k in NAMED} == {name: "/mine"}
