"""Which instants make scenes: the rule of the grid, and every reason to leave one out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anyview_ros.datasets import scene_plan
from anyview_ros.datasets.scene_plan import Plan, Reason, Shot, plan_scenes, reach_ns
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.imaging.lenses import Lens

MS = 1_000_000
PERIOD_NS = 100 * MS
CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)
IDENTITY = tuple(map(tuple, np.eye(3).tolist()))
LENS = Lens("", (), CAMERA, CAMERA, IDENTITY, tuple(map(tuple, np.eye(4).tolist())))


@dataclass
class Recorded:
    """A timeline; `wrong` are errors by stamp, `lenses` those that are not the usual one."""

    stamps_ns: Sequence[int]
    wrong: dict[int, AnyviewError] = field(default_factory=dict)
    lenses: dict[int, Lens] = field(default_factory=dict)

    def shot(self, stamp_ns: int) -> Shot:
        if stamp_ns in self.wrong:
            raise self.wrong[stamp_ns]
        pose = rigid(np.eye(3), (stamp_ns / 1e9, 0, 0))
        return Shot(stamp_ns, self.lenses.get(stamp_ns, LENS), pose)


def times(*milliseconds: int) -> list[int]:
    return [1_000 * MS + t * MS for t in milliseconds]


def chosen(plan: Plan, camera: str = "front") -> list[list[int]]:
    """Milliseconds of the frames of each scene."""
    return [[(i[camera].stamp_ns // MS) - 1_000 for i in scene] for scene in plan.scenes]


def plan_of(num_frames: int = 3, **cameras: Recorded) -> Plan:
    return plan_scenes(cameras, num_frames, PERIOD_NS)


def test_cameras_of_different_phase_and_rate_share_a_grid() -> None:
    front = Recorded(times(*range(0, 1000, 100)))
    left = Recorded(times(*range(-15, 1000, 33)))
    plan = plan_of(front=front, left=left)
    assert chosen(plan) == [[0, 100, 200], [300, 400, 500], [600, 700, 800]]
    for scene in plan.scenes:
        for instant in scene:
            assert abs(instant["left"].stamp_ns - instant["front"].stamp_ns) <= 17 * MS
    assert plan.short == 1
    assert plan.instants == 10


def test_a_gap_begins_a_new_run() -> None:
    plan = plan_of(front=Recorded(times(0, 100, 300, 400, 500, 600, 900)))
    assert chosen(plan) == [[300, 400, 500]]
    assert plan.left_out == {Reason("clip_gap", "front"): 3}
    assert plan.short == 2 + 1 + 1
    assert plan.reasons()[0].startswith("3 instants: clip_gap (front), e.g. no frame within half")
    assert plan.reasons()[1] == "4 instants: in runs too short for 3 frames"


def test_a_frame_is_never_used_twice() -> None:
    plan = plan_of(front=Recorded(times(0, 149, 300, 400)))
    assert plan.left_out == {Reason("clip_duplicate", "front"): 1}
    assert chosen(plan) == []


def test_slow_cameras_make_gaps() -> None:
    plan = plan_of(front=Recorded(times(*range(0, 2000, 200))))
    assert plan.scenes == []
    assert plan.left_out[Reason("clip_gap", "front")] == 9


def test_errors_of_a_camera_are_counted_with_the_first_as_an_example() -> None:
    errors = {t: AnyviewError("tf_waiting", f"at {t}") for t in times(0, 100)} | {
        times(600)[0]: AnyviewError("no_camera_info", "none")
    }
    plan = plan_of(
        front=Recorded(times(*range(0, 1000, 100))),
        left=Recorded(times(*range(0, 1000, 100)), wrong=errors),
    )
    assert chosen(plan) == [[200, 300, 400], [700, 800, 900]]
    assert plan.left_out == {Reason("tf_waiting", "left"): 2, Reason("no_camera_info", "left"): 1}
    assert str(plan.examples[Reason("tf_waiting", "left")]) == f"at {times(0)[0]}"


def test_a_scene_is_of_one_calibration() -> None:
    other = replace(LENS, coefficients=(0.1,))
    stamps = times(*range(0, 800, 100))
    plan = plan_of(front=Recorded(stamps, lenses=dict.fromkeys(stamps[4:], other)))
    assert chosen(plan) == [[0, 100, 200], [400, 500, 600]]
    assert plan.left_out == {}
    assert plan.short == 2


def test_cameras_that_were_never_on_at_one_time() -> None:
    with pytest.raises(AnyviewError, match=r"'front': '1\.000 to 1\.100 s'.*'left': '1\.900") as e:
        plan_of(front=Recorded(times(0, 100)), left=Recorded(times(900, 1000)))
    assert e.value.code == "no_common_time"


increasing = st.lists(st.integers(0, 2_000), min_size=1, unique=True).map(sorted)


@given(increasing, increasing)
def test_what_is_planned_keeps_the_rules(front: list[int], left: list[int]) -> None:
    cameras = {"front": Recorded(times(*front)), "left": Recorded(times(*left))}
    reach = reach_ns(PERIOD_NS) // MS
    end = min(front[-1], left[-1]) + reach
    assume(any(max(front[0], left[0]) - reach <= t <= end for t in front))
    plan = plan_scenes(cameras, 3, PERIOD_NS)
    used = len(plan.scenes) * 3 + plan.left_out.total() + plan.short
    assert used == plan.instants  # every instant is accounted for
    for name in cameras:
        stamps = [i[name].stamp_ns for scene in plan.scenes for i in scene]
        assert sorted(set(stamps)) == stamps  # in order, none twice
    for scene in plan.scenes:
        # Both are within reach of the same instant, and instants are a period apart.
        assert all(abs(i["front"].stamp_ns - i["left"].stamp_ns) <= 102 * MS for i in scene)
        for name in cameras:
            lasted = scene[-1][name].stamp_ns - scene[0][name].stamp_ns
            assert abs(lasted - 2 * PERIOD_NS) <= 102 * MS


@given(
    st.lists(st.integers(0, 300), min_size=1, unique=True).map(sorted),
    st.lists(st.integers(0, 300), min_size=1, unique=True).map(sorted),
)
def test_gaps_are_passed_as_if_step_by_step(front: list[int], left: list[int]) -> None:
    cameras = {
        name: Recorded(times(*(37 * t for t in at))) for name, at in (("a", front), ("b", left))
    }
    try:
        passed = plan_scenes(cameras, 2, PERIOD_NS)
    except AnyviewError as error:
        assume(error.code != "no_common_time")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene_plan, "_gap_end", lambda camera, at_ns, period_ns: at_ns)
        stepped = plan_scenes(cameras, 2, PERIOD_NS)
    assert (passed.instants, passed.short) == (stepped.instants, stepped.short)
    assert passed.left_out.total() == stepped.left_out.total()  # a gap of two is the first's
    assert chosen(passed, "a") == chosen(stepped, "a")


@pytest.mark.timeout(20)
def test_years_without_a_frame_are_no_work() -> None:
    years_ms = 47 * 365 * 86_400_000
    plan = plan_of(
        front=Recorded(times(*range(0, 900, 100), *range(years_ms, years_ms + 900, 100)))
    )
    assert len(plan.scenes) == 6
    assert plan.left_out[Reason("clip_gap", "front")] == plan.instants - 18
