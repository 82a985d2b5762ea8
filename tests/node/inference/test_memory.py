"""Keyframes on a live node: what they are, and that a late clip is the same clip."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from anyview_ros.msg import VirtualCamera

from anyview_ros.geometry import quaternion_xyzw
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from tests.node.live_streams import LOSSLESS, Street, numbered, stamps_of
from tests.node.rig import (
    SENT,
    base_from_cam,
    live,
    values_of,
    world_from_base,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 215
BEGIN = -4  # more than a second before SENT ends: the clock jumps back, and nothing is remembered
COUNT, HELD_BACK = 60, 25  # frames, and those that come while the model stands


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "three", max_sources=3)


def left_behind(name: str, **fields: object) -> VirtualCamera:
    """A camera that stays where the front camera was at 1 s."""
    camera = VirtualCamera(name=name, sources=["front"])
    pose = world_from_base(SENT[0]) @ base_from_cam("front")
    position, turn = camera.pose.position, camera.pose.orientation
    position.x, position.y, position.z = map(float, pose[:3, 3])
    turn.x, turn.y, turn.z, turn.w = quaternion_xyzw(pose)
    for field, value in fields.items():
        setattr(camera, field, value)
    return camera


def drive(model: Path, late: bool) -> tuple[dict[int, bytes], dict[int, list[int]]]:
    """Frames of a lossless camera and their sources' stamps, by stamp.

    Args:
        late: whether the model stands while the last frames come, which then wait for it.
    """
    # No flush between the two parts, on a machine however busy: it would cut other clips.
    with live(DOMAIN, model, "buffer_s:=4.0", "memory_s:=3.0", "flush_s:=4.0") as (
        opened,
        rig,
        caller,
    ):
        rig.send(SENT)
        street = Street(opened, rig, caller)
        heard = street.listen(left_behind("behind"))
        street.change(left_behind("behind", mode=LOSSLESS, rate=10.0))
        stamps = numbered(*range(BEGIN, BEGIN + COUNT))
        street.play(stamps[:-HELD_BACK])
        street.published("behind", COUNT - HELD_BACK - 8)
        worker = int(values_of(caller.status("model"))["worker_pid"])
        if late:
            os.kill(worker, signal.SIGSTOP)
        street.play(stamps[-HELD_BACK:])
        if late:
            newest = f"{stamps[-1] / 1e9:.3f} s"
            caller.status("camera front", lambda s: values_of(s)["newest_stamp"] == newest)
            os.kill(worker, signal.SIGCONT)
        values = street.published("behind", COUNT)
        assert values["balanced"] == "True"
        assert "s before" in values["keyframes"]
        for messages in heard.values():
            opened.wait_until(lambda m=messages: len(m) >= COUNT, "all frames")  # type: ignore[misc]
        assert stamps_of(heard["image_raw"]) == stamps
        infos = heard["synthesis_info"]
        assert all(set(info.sources) == {"front"} for info in infos)
        frames = (rgb_from_image(message).tobytes() for message in heard["image_raw"])
        seen = ([stamp_ns(stamp) for stamp in info.source_stamps] for info in infos)
        front = values_of(caller.status("camera front"))
        assert front["balanced"] == "True"
        assert int(front["buffered"]) > 41, "and keyframes"
        return dict(zip(stamps, frames, strict=True)), dict(zip(stamps, seen, strict=True))


def test_a_late_lossless_clip_has_the_same_keyframes_and_bytes(model: Path) -> None:
    frames, sources = drive(model, late=False)
    late_frames, late_sources = drive(model, late=True)
    assert late_sources == sources
    assert late_frames == frames
    gone_ns = max(sources) - 4_000_000_000
    waited = [seen for stamp, seen in sources.items() if stamp > max(sources) - 2_000_000_000]
    assert any(len(seen) > 1 and seen[1] < gone_ns for seen in waited), "it had left the buffer"
