"""Several sources of one virtual camera, chosen by the live node."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from anyview_ros.msg import SynthesisInfo, VirtualCamera

from anyview_ros.imaging.message_fields import stamp_ns
from tests.graph import Graph
from tests.node.rig import PERIOD_NS, SENT, Caller, Rig, asked, live, values_of, wait_for
from tests.node.test_lifecycle import Manager
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 207


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_package(tmp_path / "two", max_sources=2)


def between(name: str, *sources: str) -> VirtualCamera:
    """A wide camera turned from ahead towards the left, where the other camera looks."""
    camera = VirtualCamera(
        name=name, parent_frame="front_optical_frame", horizontal_fov=1.8, sources=list(sources)
    )
    camera.pose.orientation.y, camera.pose.orientation.w = -0.3826834, 0.9238795
    return camera


def sources_of(caller: Caller, name: str) -> tuple[list[str], str]:
    """What made the last clip, and why, as diagnostics say it."""
    status = caller.status(
        f"virtual camera {name}", lambda s: values_of(s)["sources_reason"] != "not chosen yet"
    )
    values = values_of(status)
    return values["sources"].split(", "), values["sources_reason"]


def test_the_node_chooses_as_many_as_the_model_takes_and_says_why(
    model: Path, tmp_path: Path
) -> None:
    with live(DOMAIN, model, cameras=("front", "left")) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(between("wide")).success
        assert caller.add(between("named", "left")).success
        result = caller.synthesize_when_ready(asked("wide"))
        info = result.infos[-1]
        assert set(info.sources) == {"front", "left"}
        assert [stamp_ns(stamp) for stamp in info.source_stamps] == [SENT[-1], SENT[-1]]
        names, reason = sources_of(caller, "wide")
        assert names == info.sources
        assert reason.startswith(f"'{names[0]}' sees ")
        assert f"'{names[1]}' adds " in reason
        assert sources_of(caller, "named") == (["left"], "named by the caller")

        _another_model(opened, rig, caller, make_package(tmp_path / "one"))
        reason = "has no clip"
        while "has no clip" in reason:  # frames of one camera may come before those of the other
            result = caller.synthesize_when_ready(asked("wide"))
            reason = sources_of(caller, "wide")[1]
        assert result.infos[-1].sources == [names[0]]
        assert f"'{names[1]}' would add" in reason


def test_a_live_camera_goes_on_with_another_source_where_its_own_has_stopped(model: Path) -> None:
    with live(DOMAIN, model, cameras=("front", "left")) as (opened, rig, caller):
        camera = VirtualCamera(name="chase", parent_frame="front_optical_frame", rate=10.0)
        assert caller.add(camera).success
        heard = opened.listen(SynthesisInfo, "/virtual/chase/synthesis_info")
        stamps = count(SENT[0], PERIOD_NS)

        def sends(holds: Callable[[], bool]) -> Callable[[], bool]:
            def sent() -> bool:
                rig.send([next(stamps)])
                return holds()

            return sent

        wait_for(sends(lambda: bool(heard) and heard[-1].sources == ["front"]), "the best source")
        front = rig.images.pop("front")
        wait_for(sends(lambda: heard[-1].sources == ["left"]), "the other one")
        _, reason = sources_of(caller, "chase")
        assert reason.endswith("'front' has no clip (source_silent)")
        rig.images["front"] = front
        wait_for(sends(lambda: heard[-1].sources == ["front"]), "the best source again")


def _another_model(opened: Graph, rig: Rig, caller: Caller, model: Path) -> None:
    """In a node that stays, with its virtual cameras."""
    manager = Manager(opened)
    assert manager.make("deactivate")
    assert manager.make("cleanup")
    assert manager.set("model", str(model)).successful
    assert manager.make("configure")
    assert manager.make("activate")
    rig.wait_for_node(caller)
    rig.send(SENT)


def test_a_camera_of_more_sources_than_another_model_takes_is_refused_by_name(
    model: Path, tmp_path: Path
) -> None:
    with live(DOMAIN, model, cameras=("front", "left")) as (opened, rig, caller):
        assert caller.add(between("both", "front", "left")).success
        _another_model(opened, rig, caller, make_package(tmp_path / "one"))
        result = caller.synthesize_when_ready(asked("both"))
        assert (result.code, result.message) == (
            "invalid_sources",
            "model 'one' takes 1..1 sources, got 2",
        )
