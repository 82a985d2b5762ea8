"""Source clips and target poses of a request, over real buffers and a tree that a test writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from anyview_ros.msg import ClipRequest
from anyview_ros.msg import VirtualCamera as CameraMessage
from numpy.typing import NDArray

from anyview_ros.clips.clip_sources import ClipGatherer, GatheredClip
from anyview_ros.clips.clip_windows import ClipShape, Window
from anyview_ros.clips.frame_buffer import BufferLimits, FrameBuffer
from anyview_ros.clips.intake.source_health import SILENT_NS
from anyview_ros.clips.keyframe_store import NO_MEMORY, MemoryLimits
from anyview_ros.clips.ledger import Ledger
from anyview_ros.clips.source_choice import Choice
from anyview_ros.clips.virtual.camera_request import camera_request
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Frame
from anyview_ros.geometry import quaternion_xyzw, rigid
from anyview_ros.imaging.lenses import RectifiedCamera
from anyview_ros.node.clips.clip_request import requested_clip
from anyview_ros.node.messages import time_message
from anyview_ros.node.transforms.fixed_frame import FixedFrame
from anyview_ros.node.transforms.tf import FrameTree
from anyview_ros.packages import load_package
from tests.node.rig import CAMERA, PERIOD_NS, base_from_cam, picture, world_from_base
from tests.packages import make_package


class Tree:
    """Poses by frame: a function of the stamp."""

    def __init__(self) -> None:
        self.poses: dict[str, Callable[[int], NDArray[np.float64]]] = {
            "base_link": world_from_base,
            **{
                f"{name}_optical_frame": lambda ns, name=name: (
                    world_from_base(ns) @ base_from_cam(name)
                )
                for name in ("front", "left")
            },
        }

    def on_arrival(self, listener: Callable[[], None]) -> None:
        self.listener = listener

    def lookup(self, target: str, source: str, stamp_ns: int) -> NDArray[np.float64]:
        if source not in self.poses:
            raise AnyviewError("tf_unknown_frame", f"frame '{source}' is unknown")
        return self.poses[source](stamp_ns)

    def frames(self) -> tuple[str, ...]:
        return tuple(self.poses)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """As the tests' package, for up to two sources."""
    folder: Path = tmp_path_factory.mktemp("models") / "two"
    return load_package(make_package(folder, max_sources=2)).contract


def stream(
    name: str,
    numbers: Sequence[float],
    problem: str = "",
    memory: MemoryLimits = NO_MEMORY,
    buffered_ns: int = 10**10,
) -> Any:
    """A camera stream whose buffer holds the frames of these numbers, 10 Hz."""
    ledger = Ledger()
    limits = BufferLimits(buffered_ns, 100, 10**9)
    buffer = FrameBuffer(f"/{name}/image_raw", limits, ledger, memory)
    drive(name, numbers, buffer, ledger)
    problems = [SimpleNamespace(code="x", text=problem)] if problem else []
    return SimpleNamespace(
        buffer=buffer,
        latest_info=RectifiedCamera(CAMERA, np.eye(4)) if numbers else None,
        source_frame_id=f"{name}_optical_frame",
        stored_ns=0,
        status=lambda: SimpleNamespace(topic=f"/{name}/image_raw", problems=problems),
        drive=lambda more: drive(name, more, buffer, ledger),
    )


def drive(name: str, numbers: Sequence[float], buffer: FrameBuffer, ledger: Ledger) -> None:
    for k in numbers:
        ledger.accept()
        stamp_ns = round(k * PERIOD_NS)
        pose = world_from_base(stamp_ns) @ base_from_cam(name)
        buffer.add(Frame(stamp_ns, picture(name, stamp_ns), CAMERA, pose))


def gather(
    contract: Contract,
    streams: dict[str, Any],
    request: ClipRequest,
    on_choice: Callable[[str, Choice], None] = lambda camera, choice: None,
) -> GatheredClip:
    fixed = FixedFrame(cast(FrameTree, Tree()), "odom", timeout_s=0.05)
    gatherer = ClipGatherer(lambda: streams, fixed, contract, contract.scene_scale)
    spec, asked = requested_clip(request, contract), camera_request(request.camera, contract)
    names = asked.sources
    if not names:
        choice = gatherer.choose(spec, asked, lambda: False)
        on_choice(asked.name, choice)
        names = choice.names
    return gatherer.gather(spec, asked, names, lambda: False)


def request(parent: str = "front_optical_frame", *sources: str) -> ClipRequest:
    """A camera that stands where the front camera stands."""
    return ClipRequest(camera=CameraMessage(name="a", parent_frame=parent, sources=list(sources)))


def test_the_best_source_with_a_full_clip_is_taken(contract: Contract) -> None:
    full, short = range(1, 15), range(10, 15)
    both = gather(
        contract, {"left": stream("left", full), "front": stream("front", full)}, request()
    )
    assert both.names == ("front",)
    other = gather(
        contract, {"left": stream("left", full), "front": stream("front", short)}, request()
    )
    assert other.names == ("left",)


def test_without_a_full_clip_the_best_sources_refusal_is_told(contract: Contract) -> None:
    streams = {"left": stream("left", range(13, 15)), "front": stream("front", range(10, 15))}
    with pytest.raises(AnyviewError, match=r"need 9 frames .* have 5 of '/front/image_raw'; wait"):
        gather(contract, streams, request())


def test_without_a_frame_the_problem_of_the_stream_is_told(contract: Contract) -> None:
    with pytest.raises(AnyviewError, match="of '/left/image_raw' is there: K is zero") as refused:
        gather(contract, {"left": stream("left", [], "K is zero")}, request())
    assert refused.value.code == "empty_buffer"


def test_without_a_camera_that_is_said(contract: Contract) -> None:
    with pytest.raises(AnyviewError, match="no Image topic with a camera_info") as refused:
        gather(contract, {}, request())
    assert refused.value.code == "no_sources"


def test_several_sources_share_a_grid_that_ends_where_all_have_frames(contract: Contract) -> None:
    streams = {"left": stream("left", range(1, 13)), "front": stream("front", range(1, 15))}
    gathered = gather(contract, streams, request("odom", "front", "left"))
    assert gathered.names == ("front", "left")
    expected = tuple(k * PERIOD_NS for k in range(4, 13))
    assert [clip.stamps_ns for clip in gathered.clips] == [expected, expected]
    assert (gathered.stamps_ns, gathered.newest_ns) == (expected, expected[-1])


def wide(*sources: str) -> ClipRequest:
    """A camera between front and left, which sees parts of both."""
    asked = request("odom", *sources)
    asked.camera.horizontal_fov = 2.6
    asked.camera.parent_frame = "front_optical_frame"
    turn = asked.camera.pose.orientation
    turn.y, turn.w = -np.sin(np.pi / 8), np.cos(np.pi / 8)
    return asked


def test_as_many_sources_are_chosen_as_see_something_new(contract: Contract) -> None:
    streams = {"left": stream("left", range(1, 13)), "front": stream("front", range(1, 15))}
    choices: dict[str, Choice] = {}
    gathered = gather(contract, streams, wide(), choices.__setitem__)
    assert set(gathered.names) == {"front", "left"}
    assert choices["a"].names == gathered.names
    first, second = gathered.names
    assert re.fullmatch(rf"'{first}' sees \d+ %, '{second}' adds \d+ %", choices["a"].reason)
    single = replace(contract, max_sources=1)
    assert gather(single, streams, wide()).names == (first,)


def test_a_source_without_a_clip_beside_the_first_is_left_out_and_said(contract: Contract) -> None:
    streams = {"left": stream("left", range(10, 13)), "front": stream("front", range(1, 15))}
    choices: dict[str, Choice] = {}
    assert gather(contract, streams, wide(), choices.__setitem__).names == ("front",)
    assert choices["a"].reason.endswith("'left' has no clip (too_few_frames)")


def test_a_camera_that_has_stopped_is_left_out_and_said(contract: Contract) -> None:
    """Its frames stay in its buffer: it would be the best source, or hold up the others' clips."""
    streams = {"left": stream("left", range(1, 13)), "front": stream("front", range(1, 15))}
    assert set(gather(contract, streams, wide()).names) == {"front", "left"}
    assert gather(contract, streams, request("left_optical_frame")).names == ("left",)
    streams["front"].stored_ns = SILENT_NS + 1
    for asked in (wide(), request("left_optical_frame")):
        choices: dict[str, Choice] = {}
        assert gather(contract, streams, asked, choices.__setitem__).names == ("front",)
        assert choices["a"].reason.endswith("'left' has no clip (source_silent)")
    then = request("left_optical_frame")
    then.end_time = time_message(12 * PERIOD_NS)
    assert gather(contract, streams, then).names == ("left",), "it has a clip of then"
    streams["left"].stored_ns = 1  # now it has stopped no longer than the other
    assert gather(contract, streams, request("left_optical_frame")).names == ("left",)


def test_a_source_of_a_time_whose_transforms_are_gone_is_left_out(contract: Contract) -> None:
    def expires(stamp_ns: int) -> NDArray[np.float64]:
        if stamp_ns < 20 * PERIOD_NS:
            raise AnyviewError("tf_expired", "too old")
        return world_from_base(stamp_ns)

    tree = Tree()
    tree.poses["base_link"] = expires
    old, new = stream("left", range(1, 15)), stream("front", range(20, 35))
    fixed = FixedFrame(cast(FrameTree, tree), "odom", timeout_s=0.05)

    def choose(streams: dict[str, Any]) -> Choice:
        gatherer = ClipGatherer(lambda: streams, fixed, contract, contract.scene_scale)
        asked = request("base_link")
        camera = camera_request(asked.camera, contract)
        return gatherer.choose(requested_clip(asked, contract), camera, lambda: False)

    choice = choose({"left": old, "front": new})
    assert choice.names == ("front",)
    assert choice.reason.endswith("'left' has no clip (tf_expired)")
    with pytest.raises(AnyviewError, match="too old"):
        choose({"left": old})


@pytest.mark.parametrize("phase", [0.1, 0.48, 0.5, 0.52, 0.9])
def test_cameras_that_are_not_triggered_together_make_clips_without_gaps(
    contract: Contract, phase: float
) -> None:
    """Half a period apart and unsteady, it is by chance which frame is nearer to a grid time."""
    rng = np.random.default_rng(0)
    late = [k + phase + rng.uniform(-0.05, 0.05) for k in range(1, 16)]
    streams = {"front": stream("front", range(1, 16)), "left": stream("left", late)}
    gathered = gather(contract, streams, request("odom", "front", "left"))
    first, second = (np.array(clip.stamps_ns) for clip in gathered.clips)
    assert np.all(first % PERIOD_NS == 0), "the first source's own stamps"
    assert np.all(np.abs(second - first) <= 0.65 * PERIOD_NS)
    assert np.all(np.diff(second) > 0)


REMEMBERED = MemoryLimits(20 * 10**9, 10**9, jump_m=2.0)


def left_behind(*sources: str) -> ClipRequest:
    """A camera that stands where the front camera was at 1 s, as seen at 6 s."""
    asked = request("odom", *sources)
    pose = world_from_base(10**9) @ base_from_cam("front")
    position, turn = asked.camera.pose.position, asked.camera.pose.orientation
    position.x, position.y, position.z = map(float, pose[:3, 3])
    turn.x, turn.y, turn.z, turn.w = quaternion_xyzw(pose)
    asked.end_time = time_message(60 * PERIOD_NS)
    return asked


def test_what_a_camera_saw_before_is_a_source_too(contract: Contract) -> None:
    front = stream("front", range(1, 70), memory=REMEMBERED)
    three = replace(contract, max_sources=3)
    gathered = gather(three, {"front": front}, left_behind())
    assert set(gathered.names) == {"front"}
    live, *held = gathered.clips
    assert 1 <= len(held) <= 2
    assert live.stamps_ns == gathered.stamps_ns == tuple(k * PERIOD_NS for k in range(52, 61))
    for clip in held:
        assert clip.is_held
        assert len(clip) == 9
        assert clip.stamps_ns[0] <= live.stamps_ns[0] - 5 * PERIOD_NS
        np.testing.assert_array_equal(clip.images[0], picture("front", clip.stamps_ns[0]))
    assert gathered.newest_ns == live.stamps_ns[-1]
    ages = [(live.stamps_ns[-1] - clip.stamps_ns[0]) / 1e9 for clip in held]
    assert gathered.memory == ", ".join(f"'front' {age:.1f} s before" for age in ages)


def test_live_sources_and_keyframes_share_what_the_model_takes(contract: Contract) -> None:
    streams = {name: stream(name, range(1, 70), memory=REMEMBERED) for name in ("front", "left")}
    assert gather(contract, streams, left_behind("front", "left")).names == ("front", "left")
    one = replace(contract, max_sources=1)
    assert len(gather(one, streams, left_behind()).names) == 1
    assert len(gather(contract, streams, left_behind()).names) == 2


def test_named_sources_limit_the_memory_to_them(contract: Contract) -> None:
    streams = {name: stream(name, range(1, 70), memory=REMEMBERED) for name in ("front", "left")}
    four = replace(contract, max_sources=4)
    asked = left_behind("left")
    asked.camera.horizontal_fov = 2.6
    assert set(gather(four, streams, asked).names) == {"left"}
    del asked.camera.sources[:]
    assert set(gather(four, streams, asked).names) == {"front", "left"}


def test_a_clip_made_late_is_made_of_the_same(contract: Contract) -> None:
    """As long as its frames are in the buffer, though the keyframes have left it."""
    four = replace(contract, max_sources=4)
    memory = replace(REMEMBERED, max_age_ns=4_500_000_000)
    front = stream("front", range(1, 61), memory=memory, buffered_ns=2 * 10**9)
    before = gather(four, {"front": front}, left_behind("front"))
    front.drive(range(61, 71))
    assert front.buffer.oldest_ns == 50 * PERIOD_NS
    after = gather(four, {"front": front}, left_behind("front"))
    assert len(before.clips) > 1
    assert [c.stamps_ns for c in after.clips] == [c.stamps_ns for c in before.clips]


def test_the_target_moves_with_its_parent(contract: Contract) -> None:
    asked = request("base_link")
    asked.camera.pose.position.z = 4.0
    gathered = gather(contract, {"front": stream("front", range(1, 10))}, asked)
    expected = [world_from_base(ns) @ rigid(np.eye(3), (0, 0, 4.0)) for ns in gathered.stamps_ns]
    np.testing.assert_allclose(gathered.target.world_from_cam, expected)
    assert gathered.target.camera == CAMERA


def test_a_parent_that_never_comes_is_waited_for_and_named(contract: Contract) -> None:
    with pytest.raises(AnyviewError, match="'nowhere' is unknown"):
        gather(contract, {"front": stream("front", range(1, 10))}, request("nowhere"))


def test_a_transform_that_comes_late_is_not_missed() -> None:
    tree = Tree()
    fixed = FixedFrame(cast(FrameTree, tree), "odom", timeout_s=20.0)
    asked: list[int] = []

    def look() -> NDArray[np.float64]:
        asked.append(1)
        if len(asked) == 2:
            tree.poses["late"] = lambda ns: np.eye(4)
        return fixed.world_from("late", 1)

    np.testing.assert_array_equal(fixed.wait_for(look), np.eye(4))
    assert len(asked) == 2


def test_a_named_source_that_has_stopped_can_be_left_out(contract: Contract) -> None:
    streams = {"front": stream("front", range(1, 20)), "left": stream("left", range(1, 15))}
    fixed = FixedFrame(cast(FrameTree, Tree()), "odom", timeout_s=0.05)
    gatherer = ClipGatherer(lambda: streams, fixed, contract, contract.scene_scale)
    asked = camera_request(request("", "front", "left").camera, contract)

    def names(end: float, leave_out_late: bool) -> tuple[str, ...]:
        spec = Window(end_ns=round(end * PERIOD_NS)).spec(ClipShape.of(contract))
        never: Callable[[], bool] = lambda: False  # noqa: E731
        return gatherer.gather(spec, asked, asked.sources, never, leave_out_late).names

    with pytest.raises(AnyviewError) as late:
        names(18, leave_out_late=False)
    assert late.value.code == "not_yet"
    assert names(18, leave_out_late=True) == ("front",)
    assert names(14, leave_out_late=True) == ("front", "left")


def test_a_clip_of_before_a_change_of_its_camera_has_the_lens_of_before(contract: Contract) -> None:
    """However late it is made: a camera without a lens of its own has that of its frames."""
    front = stream("front", range(1, 10))
    before, now = CAMERA.resized(2 * CAMERA.width, 2 * CAMERA.height), CAMERA.resized(640, 480)
    for frame in front.buffer.clip(0, 9, PERIOD_NS, 0).frames:
        object.__setattr__(frame, "as_sent", before)
    front.latest_info = RectifiedCamera(now, np.eye(4))
    assert gather(contract, {"front": front}, request("", "front")).target.camera == before
