"""Continuous cameras through DDS: live, lossless, many at once, and what goes wrong meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from anyview_ros.msg import VirtualCamera
from geometry_msgs.msg import PoseStamped

from anyview_ros.node.messages import time_message
from tests.node.live_streams import (
    LOSSLESS,
    Stamps,
    Street,
    continuous,
    stamps_of,
)
from tests.node.rig import (
    PERIOD_NS,
    SENT,
    asked,
    live,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def running(model: Path) -> Iterator[Street]:
    settings = ["tf_timeout_s:=0.3", "flush_s:=0.4", "buffer_s:=20.0"]
    with live(180, model, *settings) as (opened, rig, caller):
        rig.send(SENT)
        yield Street(opened, rig, caller)


@pytest.fixture(scope="module")
def stamps() -> Stamps:
    return Stamps()


@pytest.fixture
def street(running: Street) -> Iterator[Street]:
    yield running
    for camera in running.caller.call("list_virtual_cameras").cameras:
        assert running.caller.call("remove_virtual_camera", name=camera.name).success


def test_a_lossless_camera_answers_every_frame_once_and_flushes_the_rest(
    street: Street, stamps: Stamps
) -> None:
    heard = street.listen(continuous("all", LOSSLESS))
    sent = stamps.take(30)  # a clip of 9, two that continue it by 8, and 5 that are left
    street.play(sent)
    values = street.published("all", 30)
    assert values["balanced"] == "True"
    assert (values["seen"], values["published"], values["waiting"]) == ("30", "30", "0")
    street.opened.wait_until(
        lambda: all(len(messages) >= 30 for messages in heard.values()), "all frames"
    )
    for messages in heard.values():
        assert stamps_of(messages) == sent
    assert values["clips"] == "4"


def test_a_gap_ends_a_lossless_clip_and_no_frame_is_lost(street: Street, stamps: Stamps) -> None:
    heard = street.listen(continuous("gap", LOSSLESS))
    before = stamps.take(12)
    stamps.skip(7)
    after = stamps.take(14)
    street.play([*before, *after])
    values = street.published("gap", 26)
    assert (values["balanced"], values["published"]) == ("True", "26")
    street.opened.wait_until(lambda: len(heard["image_raw"]) >= 26, "all frames")
    assert stamps_of(heard["image_raw"]) == [*before, *after]


def test_a_live_camera_publishes_no_stamp_twice(street: Street, stamps: Stamps) -> None:
    heard = street.listen(continuous("now"))
    sent = stamps.take(33)
    street.play(sent, apart_s=0.1)
    values = street.status("now", lambda v: int(v.get("published", 0)) > 20 and v["waiting"] < "9")
    assert values["balanced"] == "True"
    assert values["rate_asked_hz"] == "10"
    assert float(values["rate_hz"]) > 5
    assert 0 < float(values["latency_s"]) <= float(values["max_latency_s"])
    count = int(values["published"])
    street.opened.wait_until(lambda: len(heard["image_raw"]) >= count, "what was published")
    for messages in heard.values():
        assert stamps_of(messages)[:count] == sorted(set(stamps_of(messages)[:count]))
        assert set(stamps_of(messages)) <= set(sent)


def test_latency_is_told_by_its_parts(street: Street, stamps: Stamps) -> None:
    street.listen(continuous("parts", LOSSLESS))
    street.play(stamps.take(9))  # one clip: its medians are its own
    values = street.status("parts", lambda values: float(values.get("overhead_s", 0)) > 0)
    keys = ("latency_s", "wait_s", "model_s", "overhead_s")
    latency, wait, model, overhead = (float(values[key]) for key in keys)
    rounded = 0.002
    assert wait + model - rounded <= latency <= wait + model + overhead + rounded


def test_a_rate_below_the_frames_thins_them(street: Street, stamps: Stamps) -> None:
    heard = street.listen(continuous("thin", LOSSLESS, rate=2.5))
    sent = stamps.take(41)
    street.play(sent)
    values = street.answered("thin", 41)
    assert values["skipped.thinned"] == str(41 - int(values["published"]))
    street.opened.wait_until(
        lambda: len(heard["image_raw"]) >= int(values["published"]), "what was published"
    )
    found = stamps_of(heard["image_raw"])
    assert {b - a for a, b in pairwise(found)} == {4 * PERIOD_NS}
    assert len(found) in (10, 11)


def test_a_clip_by_request_is_not_published_beside_the_stream(
    street: Street, stamps: Stamps
) -> None:
    heard = street.listen(continuous("both", LOSSLESS))
    sent = stamps.take(9)
    street.play(sent)
    street.published("both", 9)
    refused = street.caller.synthesize(asked("both"))
    assert refused.code == "camera_streams"
    request = asked("both", return_frames=True)
    request.end_time = time_message(sent[-1])
    answer = street.caller.synthesize_when_ready(request)
    assert answer.success, answer.message
    street.play(more := stamps.take(8))
    street.published("both", 17)
    street.opened.wait_until(lambda: len(heard["image_raw"]) >= 17, "all frames")
    assert stamps_of(heard["image_raw"]) == [*sent, *more]
    [state] = street.caller.call("list_virtual_cameras").states
    assert state == "streaming"


def test_several_cameras_answer_the_same_frames(street: Street, stamps: Stamps) -> None:
    heard = {name: street.listen(continuous(name, LOSSLESS)) for name in ("one", "two", "three")}
    assert street.caller.call("remove_virtual_camera", name="two").success
    sent = stamps.take(25)
    street.play(sent)
    for name in ("one", "three"):
        street.published(name, 25)
        images = heard[name]["image_raw"]
        street.opened.wait_until(lambda images=images: len(images) >= 25, "all frames")
        assert stamps_of(images) == sent
    assert heard["two"]["image_raw"] == []
    assert [bytes(m.data) for m in heard["one"]["image_raw"]] == [
        bytes(m.data) for m in heard["three"]["image_raw"]
    ]


def test_what_one_camera_lacks_is_named_and_stalls_no_other(street: Street, stamps: Stamps) -> None:
    """A trajectory that ends, and a frame that vanished: until the camera is updated."""
    ends = continuous("ends", LOSSLESS)
    ends.pose = VirtualCamera().pose
    sent = stamps.take(20)
    ends.trajectory = [_at(sent[0], 0.0), _at(sent[4], 1.0)]
    heard = street.listen(continuous("well", LOSSLESS))
    street.listen(continuous("ends", LOSSLESS))
    street.change(ends)
    street.play(sent)
    street.published("well", 20)
    assert stamps_of(heard["image_raw"])[:9] == sent[:9]
    values = street.answered("ends", 20)
    assert values["code"] == "outside_trajectory"
    assert (values["skipped.outside_trajectory"], values["balanced"]) == ("20", "True")
    street.change(continuous("ends", LOSSLESS))
    street.play(stamps.take(9))
    assert "code" not in street.published("ends", 9)


def _at(stamp: int, x: float) -> PoseStamped:
    pose = PoseStamped()
    pose.header.stamp = time_message(stamp)
    pose.pose.position.x = x
    return pose


def test_a_clock_that_jumps_back_begins_anew(street: Street, stamps: Stamps) -> None:
    """The last test of this street: its frames are of another time afterwards."""
    heard = street.listen(continuous("looped", LOSSLESS))
    sent = stamps.take(13)
    street.play(sent)
    street.published("looped", 13)
    street.play(sent)  # again, as a looped bag does
    values = street.published("looped", 26)
    assert values["balanced"] == "True"
    street.opened.wait_until(lambda: len(heard["image_raw"]) >= 26, "both rounds")
    assert stamps_of(heard["image_raw"]) == [*sent, *sent]
    first, second = heard["image_raw"][:13], heard["image_raw"][13:]
    assert [bytes(m.data) for m in first] == [bytes(m.data) for m in second]
