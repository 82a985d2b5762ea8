"""docs/cameras.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from anyview_ros.clips.intake import image_preparation
from anyview_ros.frames import MAX_SIDE
from anyview_ros.imaging import camera_info, compression, encodings, lenses
from anyview_ros.node import messages, parameters
from tests.node.pixels import ALL

DOC = (Path(__file__).parents[3] / "docs" / "cameras.md").read_text()


def section(title: str) -> str:
    return DOC.split(f"\n## {title}")[1].split("\n## ")[0]


def test_every_encoding_is_told() -> None:
    told = re.findall(r"`([a-z0-9_]+)`", section("Encodings").split("\n\n")[1])
    assert set(told) - {"is_bigendian", "data"} == set(ALL)
    proven = re.findall(r"^\| ([a-z0-9_, ]+) \| \d", section("Proof"), re.MULTILINE)
    assert sorted(", ".join(proven).split(", ")) == sorted(ALL)


def test_every_lens_is_told_with_its_coefficients() -> None:
    text = " ".join(section("Lenses").split())
    for model, counts in lenses.COEFFICIENTS.items():
        names = ", ".join(map(str, counts[:-1])) + " or " if counts[:-1] else ""
        assert re.search(rf"`{model}` \({names}{counts[-1]}\b", text)


def test_the_values_of_rectify_are_those_of_the_parameter() -> None:
    values = re.findall(r"^\| `(\w+)` \|", section("Lenses"), re.MULTILINE)
    (parameter,) = (p for p in parameters.CAMERA_PARAMETERS if p.name == "rectify")
    assert sorted(values) == sorted(parameter.choices)


def test_the_limits_are_those_of_the_code() -> None:
    text = section("Limits")
    assert f"1..{MAX_SIDE}" in text
    assert f"{compression.MAX_PIXELS // 1_000_000} million pixels" in text
    assert f"{compression.MAX_SCANS} scans" in text
    assert f"{camera_info.MIN_FOCAL:g} to {camera_info.MAX_FOCAL:g} times" in text
    assert f"{camera_info.MAX_CENTRE:g} sides" in text
    assert f"{camera_info.MIN_COVERAGE:.0%}".replace("%", " %") in text
    assert "above 1e6" in text
    assert camera_info.MAX_COEFFICIENT == 1e6
    assert "above 5 % of black" in DOC.replace("\n", " ")
    assert image_preparation.ENOUGH_COVERAGE == 0.95


def test_every_refusal_is_told() -> None:
    modules = (camera_info, compression, encodings, messages)
    sources = [Path(module.__file__).read_text() for module in modules]
    codes = set(re.findall(r'AnyviewError\(\s*"(\w+)"', "\n".join(sources)))
    told = set(re.findall(r"`(\w+)`", section("Limits")))
    assert codes - {"invalid_parameter", "invalid_camera"} <= told


def test_the_pictures_are_there() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", DOC):
        assert (Path(__file__).parents[3] / "docs" / path).stat().st_size < 300_000
