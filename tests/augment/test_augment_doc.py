"""docs/augment.md: its cameras and its command work, and its tables are those of the code."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from pathlib import Path

from anyview_ros.augment.cameras_file import CameraEntry, read_cameras_file
from anyview_ros.augment.sampler_entry import SamplerEntry
from anyview_ros.cli import augment
from anyview_ros.cli.__main__ import main
from anyview_ros.cli.commands import parser_of
from anyview_ros.packages import load_package
from tests.augment.bags import read
from tests.datasets.rig_bag import RigRecording
from tests.packages import make_package

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "augment.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> set[str]:
    """Names in the first column of the table below a line."""
    table = TEXT.split(heading, 1)[1].split("\n\n", 1)[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_cameras_and_the_command(tmp_path: Path, monkeypatch: object) -> None:
    RigRecording().write(tmp_path / "drive")
    model = make_package(tmp_path / "tiny", max_sources=2)
    cameras, _ = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "cameras.yaml").write_text(cameras)
    command, many, stores = re.findall(r"```sh\n\./anyview (augment .*?)\n```", TEXT)
    assert parser_of("augment").parse_args(many.split()[1:]).workers == 2
    assert parser_of("augment").parse_args(stores.split()[1:]).out.name == "drive"
    words = [str(tmp_path / word) if "drive" in word else word for word in command.split()]
    words[words.index("cameras.yaml")] = str(tmp_path / "cameras.yaml")
    assert main([*words, "--model", str(model)]) == 0
    for name in ("raised", "passing"):
        assert len(read(tmp_path / "drive-augmented", f"/virtual/{name}/image_raw")) == 20


def test_the_samplers_and_the_preview(tmp_path: Path) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    _, samplers = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "cameras.yaml").write_text(samplers)
    read_names = [s.name for s in read_cameras_file(tmp_path / "cameras.yaml", contract).samplers]
    assert read_names == ["near", "sideways"]
    (command,) = re.findall(r"```sh\n\./anyview cameras (preview .*?)\n```", TEXT)
    assert parser_of("cameras").parse_args(command.split()).cameras == Path("cameras.yaml")
    there = {field.name for field in fields(SamplerEntry)}
    assert first_cells("| key of a sampler |") == there


def test_the_fields_are_those_of_the_file() -> None:
    there = {field.name for field in fields(CameraEntry) if field.init}
    assert first_cells("| field |") == there


def test_the_options_are_those_of_the_command() -> None:
    parser = argparse.ArgumentParser()
    augment.add_arguments(parser)
    there = {a.option_strings[0] for a in parser._actions if a.option_strings} - {"-h"}
    assert first_cells("| option |") | first_cells("| option for many |") == there
