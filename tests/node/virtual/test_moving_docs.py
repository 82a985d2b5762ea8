"""docs/moving-cameras.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

from anyview_ros.msg import VirtualCamera

from anyview_ros.clips import placements
from anyview_ros.clips.virtual import placement_messages
from anyview_ros.node.parameters import NODE_PARAMETERS
from anyview_ros.node.virtual import steering, steering_markers

DOC = (Path(__file__).parents[3] / "docs" / "moving-cameras.md").read_text()


def test_the_example_makes_a_trajectory() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    now = SimpleNamespace(nanoseconds=5_000_000_000)
    names = {
        "VirtualCamera": VirtualCamera,
        "node": SimpleNamespace(get_clock=lambda: SimpleNamespace(now=lambda: now)),
    }
    exec(example, names)
    placement = placement_messages.requested_placement(names["camera"])
    assert isinstance(placement, placements.Trajectory)
    assert (placement.stamps_ns[0], placement.stamps_ns[-1]) == (5_000_000_000, 25_000_000_000)
    assert placement.frames == ("base_link",)


def test_every_refusal_is_told() -> None:
    modules = (placements, steering)
    sources = "\n".join(Path(str(module.__file__)).read_text() for module in modules)
    codes = set(re.findall(r'AnyviewError\(\s*"(\w+)"', sources))
    assert codes - {"invalid_trajectory", "empty_buffer"} <= set(re.findall(r"`(\w+)`", DOC))


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{steering.MAX_STEP_M / 1000:g} km from the last pose" in DOC
    assert f"more than {steering.MAX_AHEAD_NS / 1e9:g} s after the newest image" in DOC
    assert f"{placements.MAX_POSES:,} at most".replace(",", " ") in DOC
    (limit,) = (p for p in NODE_PARAMETERS if p.name == "max_virtual_cameras")
    assert f"`{limit.name}` ({limit.default})" in DOC


def test_the_names_are_those_of_the_code() -> None:
    topics = set(re.findall(r"`(~/\w+/\w+)`", DOC))
    names = ("get_interactive_markers", "update", "feedback")
    assert topics == {f"{steering_markers.NAMESPACE}/{name}" for name in names}
