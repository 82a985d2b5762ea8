"""docs/operation.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from anyview_ros.clips import clip_sources
from anyview_ros.doctor import top
from anyview_ros.engine import seen_points
from anyview_ros.node import frustums
from anyview_ros.node.parameter import APPLIES
from anyview_ros.node.parameters import CAMERA_PARAMETERS
from anyview_ros.node.virtual.publisher import COMPRESSED

CHECKOUT = Path(__file__).parents[2]
DOC = (CHECKOUT / "docs" / "operation.md").read_text()
TOLD = " ".join(DOC.split())  # wherever lines are broken


def test_the_numbers_are_those_of_the_code() -> None:
    depths = seen_points.DEPTHS
    assert f"at depths {depths.min():g} to {depths.max():g} over `scene_scale`" in TOLD
    assert f"while they add {100 * seen_points.LEAST_GAIN:g} % of those points" in TOLD
    assert clip_sources.OWN_END == 0.75
    assert "three quarters of a period apart" in TOLD
    assert f"1/{1 / frustums.DEPTH:g} of" in TOLD


def test_the_names_are_those_of_the_code() -> None:
    assert f"`virtual/<name>/{COMPRESSED}`" in DOC
    assert f"`{frustums.TOPIC}`" in DOC
    assert "clock_offset_s" in {p.name for p in CAMERA_PARAMETERS}
    assert {"`now`", "`start`"} <= {f"`{word}`" for word in APPLIES}
    for file in re.findall(r"share/anyview_ros/((?:rviz|foxglove)/\S+\.\w+)", DOC):
        assert (CHECKOUT / file).is_file()
    for file in re.findall(r"`(\w+\.launch\.py)`", DOC):
        assert (CHECKOUT / "launch" / file).is_file()


def test_the_example_of_overrides_is_yaml_for_a_topic_of_ours() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    overrides = yaml.safe_load(example)["/**"]["ros__parameters"]["qos_overrides"]
    assert overrides == {
        "/virtual/left_shift/image_raw": {"publisher": {"reliability": "best_effort", "depth": 9}}
    }


def test_the_page_that_is_shown_has_the_columns_of_the_command() -> None:
    (page,) = re.findall(r"```text\n(.*?)```", DOC, re.DOTALL)
    heads = [line.split() for line in page.splitlines() if line.startswith(("  SOURCE", "  VIRT"))]
    assert heads == [list(top.SOURCES), list(top.VIRTUALS)]
