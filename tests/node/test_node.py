"""The live node over DDS: a rig and callers in this process, the node and its worker in theirs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import View
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.packages import load_package
from tests.graph import Graph
from tests.node.rig import (
    CAMERA,
    SENT,
    STAYS,
    Caller,
    Rig,
    asked,
    clip,
    live,
    raised_camera,
    values_of,
    wait_for,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

Street = tuple[Graph, Rig, Caller]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def street(model: Path) -> Iterator[Street]:
    """A node that has 12 frames of two cameras."""
    with live(40, model, cameras=("front", "left")) as (opened, rig, caller):
        rig.send(SENT)
        yield opened, rig, caller


def test_frames_have_the_stamps_of_their_sources_and_the_pipelines_bytes(
    street: Street, model: Path
) -> None:
    opened, _, caller = street
    assert caller.add(raised_camera("chase")).success
    heard = caller.listen_to(asked("chase"))
    result = caller.synthesize(asked("chase", seed=7))
    assert result.success, result.message
    opened.wait_until(lambda: all(len(kept) >= 9 for kept in heard.values()), "9 frames")
    images, infos, origins = heard["image_raw"], heard["camera_info"], heard["synthesis_info"]

    assert [stamp_ns(stamp) for stamp in result.stamps] == SENT[-9:]
    assert [stamp_ns(image.header.stamp) for image in images] == SENT[-9:]
    assert [info.header for info in infos] == [image.header for image in images]
    assert [origin.header for origin in origins] == [image.header for image in images]
    assert origins == result.infos
    assert images[0].header.frame_id == "chase_optical_frame"
    package = load_package(model)
    source = clip("front", SENT[-9:])
    raised = np.stack([frame.world_from_cam for frame in source.frames])
    raised[:, 0, 3] -= 1.0
    raised[:, 2, 3] += 2.5
    expected = Pipeline(package, "cpu").synthesize(
        [source], View(CAMERA, raised), SynthesisOptions(seed=7)
    )
    np.testing.assert_array_equal([rgb_from_image(i) for i in images], expected.frames)
    assert (origins[0].model_sha256, origins[0].seed) == (package.sha256, 7)
    assert origins[0].sources == ["front"]
    assert origins[0].provider == "CPUExecutionProvider"


@pytest.mark.alone
def test_frames_leave_no_faster_than_they_came(street: Street) -> None:
    opened, _, caller = street
    assert caller.add(raised_camera("paced")).success
    heard = caller.listen_to(asked("paced"))["image_raw"]
    arrivals: list[float] = []
    assert caller.synthesize(asked("paced")).success
    for count in range(1, 10):
        opened.wait_until(lambda count=count: len(heard) >= count, f"{count} frames")
        arrivals.append(time.monotonic())
    assert np.diff(arrivals).mean() > 0.095


def test_who_asks_faster_than_real_time_waits(street: Street) -> None:
    """Else clips would pile up before their publication, and with them memory and age."""
    _, _, caller = street
    assert caller.add(raised_camera("eager")).success
    caller.listen_to(asked("eager"))
    for _ in range(3):  # one leaves, one waits, and this one until there is room
        assert caller.synthesize(asked("eager")).success
    began = time.monotonic()
    assert caller.synthesize(asked("eager")).success
    assert time.monotonic() - began > 0.5, "the time that a clip takes to leave, nearly"


def test_cameras_are_added_listed_changed_and_removed(street: Street) -> None:
    opened, _, caller = street
    latched = opened.listen(TFMessage, "/tf_static", STAYS)

    def poses() -> dict[str, Any]:
        """Our latched frames by name; the rig's message holds base_link's."""
        ours = [m for m in latched if not any("front" in t.child_frame_id for t in m.transforms)]
        return {t.child_frame_id: t for t in ours[-1].transforms} if ours else {}

    camera = raised_camera("side")
    assert caller.add(camera).success
    opened.wait_until(lambda: "side_optical_frame" in poses(), "the frame")
    sent = poses()["side_optical_frame"]
    assert (sent.header.frame_id, sent.transform.translation.z) == ("base_link", 4.0)
    listed = caller.call("list_virtual_cameras")
    assert dict(zip([c.name for c in listed.cameras], listed.states, strict=True))["side"] == "idle"
    assert camera in listed.cameras

    camera.pose.position.z = 9.0
    assert caller.call("update_virtual_camera", camera=camera).success
    opened.wait_until(
        lambda: poses()["side_optical_frame"].transform.translation.z == 9.0, "the new pose"
    )
    assert caller.call("remove_virtual_camera", name="side").success
    opened.wait_until(lambda: "side_optical_frame" not in poses(), "the frame's end")
    wait_for(lambda: opened.node.count_publishers("/virtual/side/image_raw") == 0, "no topics")
    gone = caller.synthesize(asked("side"))
    assert gone.code == "unknown_camera"
    assert caller.call("remove_virtual_camera", name="side").code == "unknown_camera"
    camera.pose.position.z = 2.0
    assert caller.add(camera).success, "its own old frame does not count as another node's"
    opened.wait_until(
        lambda: poses().get("side_optical_frame", sent).transform.translation.z == 2.0, "it again"
    )


def test_a_camera_given_whole_lives_for_one_request(street: Street) -> None:
    opened, _, caller = street
    assert caller.add(raised_camera("lasting")).success
    lasting = caller.synthesize_when_ready(asked("lasting", return_frames=True))
    request = asked("passing", return_frames=True)
    request.camera = raised_camera("passing")
    passing = caller.synthesize(request)
    assert passing.success, passing.message
    assert [bytes(f.data) for f in passing.frames] == [bytes(f.data) for f in lasting.frames]
    heard = opened.listen(Image, "/virtual/passing/image_raw")
    # Who listens is heard of by and by; nothing tells when the node knows.
    wait_for(lambda: bool(caller.synthesize(request).success and heard), "frames on the topic")
    assert heard[-1].header.frame_id == "passing_optical_frame"
    assert "passing" not in [c.name for c in caller.call("list_virtual_cameras").cameras]
    wait_for(lambda: opened.node.count_publishers("/virtual/passing/image_raw") == 0, "no topics")


def test_the_source_that_sees_most_is_chosen(street: Street) -> None:
    _, _, caller = street
    camera = raised_camera("free")
    camera.sources = []
    assert caller.add(camera).success
    assert caller.synthesize_when_ready(asked("free")).infos[0].sources == ["front"]
    turn = camera.pose.orientation  # a quarter turn to the left
    turn.x, turn.y, turn.z, turn.w = -(0.5**0.5), 0.0, 0.0, 0.5**0.5
    assert caller.call("update_virtual_camera", camera=camera).success
    assert caller.synthesize_when_ready(asked("free")).infos[0].sources == ["left"]


def test_diagnostics_come_as_often_as_asked(street: Street) -> None:
    opened, _, _ = street
    heard = opened.listen(DiagnosticArray, "/diagnostics")
    opened.wait_until(lambda: len(heard) > 6, "reports")
    apart_ns = np.diff([stamp_ns(report.header.stamp) for report in heard])
    assert 0.05e9 < np.median(apart_ns) < 0.5e9, "a tenth of a second, of a busy machine"


def test_the_ledger_balances_in_diagnostics(street: Street) -> None:
    _, _, caller = street
    assert caller.synthesize_when_ready(asked("any")).code == "unknown_camera"
    values = values_of(caller.status("camera front"))
    counts = ("pending_tf", "buffered", "retired_used", "retired_unused")
    dropped = sum(int(v) for k, v in values.items() if k.startswith("dropped."))
    assert int(values["received"]) == sum(int(values[k]) for k in counts) + dropped
    assert int(values["received"]) > len(SENT)
    assert values["balanced"] == "True"
    assert caller.status("model").level == DiagnosticStatus.OK
