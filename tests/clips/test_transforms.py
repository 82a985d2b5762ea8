"""One contract for tf2's buffer and its stand-in: the same tests run on both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anyview_ros.clips.transform_buffer import TransformBuffer
from anyview_ros.errors import AnyviewError
from anyview_ros.node.messages import time_message
from anyview_ros.node.transforms.tf import Tf2Transforms, Transforms, tf2_core

MS = 1_000_000
CACHE_NS = 10_000 * MS

Make = Callable[[], Transforms]


@pytest.fixture(
    params=[
        "stand-in",
        pytest.param(
            "tf2",
            marks=pytest.mark.skipif(tf2_core() is None, reason="tf2_py is not installed"),
        ),
    ]
)
def make(request: pytest.FixtureRequest) -> Make:
    return lambda: (TransformBuffer if request.param == "stand-in" else Tf2Transforms)(CACHE_NS)


@pytest.fixture
def transforms(make: Make) -> Transforms:
    return make()


def link(
    parent: str, child: str, at_ms: int, x: float = 0.0, yaw: float = 0.0, y: float = 0.0
) -> TransformStamped:
    """The child stands at (x, y, 0) in its parent, turned left by `yaw`."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = time_message(at_ms * MS)
    message.transform.translation.x, message.transform.translation.y = float(x), float(y)
    message.transform.rotation.z, message.transform.rotation.w = np.sin(yaw / 2), np.cos(yaw / 2)
    return message


def flat(x: float, yaw: float, y: float = 0.0) -> NDArray[np.float64]:
    """The same as a matrix."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, 0], [0, 0, 0, 1]])


def code(transforms: Transforms, target: str, source: str, at_ms: int) -> str:
    with pytest.raises(AnyviewError) as error:
        transforms.lookup(target, source, at_ms * MS)
    return error.value.code


def test_a_lookup_is_target_from_source(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000, x=3.0, yaw=0.5), static=False)
    odom_from_base = transforms.lookup("odom", "base", 1000 * MS)
    np.testing.assert_allclose(odom_from_base, flat(3.0, 0.5), atol=1e-12)
    base_from_odom = transforms.lookup("base", "odom", 1000 * MS)
    np.testing.assert_allclose(base_from_odom @ odom_from_base, np.eye(4), atol=1e-12)


def test_between_two_stamps_it_interpolates(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000, x=1.0, yaw=0.2), static=False)
    transforms.insert(link("odom", "base", 2000, x=3.0, yaw=1.0), static=False)
    between = transforms.lookup("odom", "base", 1250 * MS)
    np.testing.assert_allclose(between, flat(1.5, 0.4), atol=1e-9)


def test_rotations_take_the_shorter_way(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000, yaw=3.0), static=False)
    transforms.insert(link("odom", "base", 2000, yaw=-3.0), static=False)
    between = transforms.lookup("odom", "base", 1500 * MS)
    np.testing.assert_allclose(between, flat(0.0, np.pi), atol=1e-9)


def test_late_transforms_find_their_place(transforms: Transforms) -> None:
    for at_ms in (1000, 3000, 2000):
        transforms.insert(link("odom", "base", at_ms, x=at_ms**2 / 1e6), static=False)
    x = transforms.lookup("odom", "base", 1500 * MS)[0, 3]
    assert x == pytest.approx((1.0 + 4.0) / 2)


def test_nothing_is_extrapolated(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000), static=False)
    assert code(transforms, "odom", "base", 1001) == "tf_waiting"
    assert code(transforms, "odom", "base", 999) == "tf_expired"
    transforms.insert(link("odom", "base", 2000), static=False)
    assert code(transforms, "odom", "base", 2001) == "tf_waiting"
    assert code(transforms, "base", "odom", 2001) == "tf_waiting"
    assert code(transforms, "odom", "base", 999) == "tf_expired"


def test_the_texts_name_the_times(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000), static=False)
    transforms.insert(link("odom", "base", 2000), static=False)
    with pytest.raises(AnyviewError, match=r"'base'.* at 2\.500 s.*2\.000"):
        transforms.lookup("odom", "base", 2500 * MS)
    with pytest.raises(AnyviewError, match=r"'base'.* at 0\.500 s.*1\.000"):
        transforms.lookup("odom", "base", 500 * MS)


def test_waiting_ends_when_the_transform_comes(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000, x=1.0), static=False)
    assert code(transforms, "odom", "base", 1100) == "tf_waiting"
    transforms.insert(link("odom", "base", 1200, x=3.0), static=False)
    assert transforms.lookup("odom", "base", 1100 * MS)[0, 3] == pytest.approx(2.0)


def test_static_transforms_hold_at_any_time(transforms: Transforms) -> None:
    transforms.insert(link("base", "camera", 5000, x=1.5, yaw=0.3), static=True)
    for at_ms in (1, 5000, 10**7):
        found = transforms.lookup("base", "camera", at_ms * MS)
        np.testing.assert_allclose(found, flat(1.5, 0.3), atol=1e-12)
    transforms.insert(link("base", "camera", 1, x=2.5), static=True)
    assert transforms.lookup("base", "camera", 7 * MS)[0, 3] == pytest.approx(2.5)


def test_a_frame_can_turn_from_static_to_dynamic_and_back(transforms: Transforms) -> None:
    transforms.insert(link("base", "camera", 1000, x=1.0), static=True)
    transforms.insert(link("base", "camera", 2000, x=2.0), static=False)
    assert transforms.lookup("base", "camera", 2000 * MS)[0, 3] == pytest.approx(2.0)
    assert code(transforms, "base", "camera", 1000) == "tf_expired"
    transforms.insert(link("base", "camera", 1000, x=3.0), static=True)
    assert transforms.lookup("base", "camera", 9000 * MS)[0, 3] == pytest.approx(3.0)


def test_transforms_expire_behind_the_newest(transforms: Transforms) -> None:
    for at_ms in range(0, 20_001, 500):
        transforms.insert(link("odom", "base", 1000 + at_ms, x=at_ms / 1000), static=False)
    newest_ms = 21_000
    assert transforms.lookup("odom", "base", (newest_ms - 9000) * MS)[0, 3] == pytest.approx(11)
    assert code(transforms, "odom", "base", newest_ms - 11_000) == "tf_expired"


def test_data_older_than_the_cache_changes_nothing(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 20_000), static=False)
    transforms.insert(link("odom", "base", 20_100), static=False)
    try:
        transforms.insert(link("odom", "base", 9000), static=False)
    except AnyviewError as error:  # tf2 says it on its log instead
        assert error.code == "tf_old_data"  # noqa: PT017
    assert code(transforms, "odom", "base", 15_000) == "tf_expired"


def test_a_jump_clears_dynamic_transforms_only(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 9000, x=1.0), static=False)
    transforms.insert(link("base", "camera", 9000, x=2.0), static=True)
    transforms.clear()
    assert transforms.lookup("base", "camera", 5 * MS)[0, 3] == pytest.approx(2.0)
    assert code(transforms, "odom", "camera", 9000) == "tf_waiting"
    assert set(transforms.frames()) == {"odom", "base", "camera"}
    transforms.insert(link("odom", "base", 5, x=3.0), static=False)
    assert transforms.lookup("odom", "camera", 5 * MS)[0, 3] == pytest.approx(5.0)


def test_unknown_frames_are_named_with_those_there_are(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000), static=False)
    with pytest.raises(AnyviewError, match=r"no frame 'map' in TF.* are: base, odom") as error:
        transforms.lookup("map", "base", 1000 * MS)
    assert error.value.code == "tf_unknown_frame"
    assert code(transforms, "base", "map", 1000) == "tf_unknown_frame"


def test_nothing_known_yet_is_said() -> None:
    with pytest.raises(AnyviewError, match="frames there are: none yet"):
        TransformBuffer(CACHE_NS).lookup("odom", "base", 1)


def test_trees_that_are_not_connected_are_named(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000), static=False)
    transforms.insert(link("rig", "camera", 1000), static=True)
    text = "no chain of transforms connects 'camera' to 'odom', frames there are: base, camera, "
    with pytest.raises(AnyviewError, match=text) as error:
        transforms.lookup("odom", "camera", 1000 * MS)
    assert error.value.code == "tf_disconnected"


def test_a_link_that_lacks_is_waited_for_not_called_disconnected(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000), static=False)
    transforms.insert(link("base", "arm", 2000), static=False)
    assert code(transforms, "odom", "arm", 2000) == "tf_waiting"
    assert code(transforms, "arm", "odom", 2000) == "tf_waiting"


def test_a_common_ancestor_below_a_lacking_link_is_enough(transforms: Transforms) -> None:
    transforms.insert(link("odom", "base", 1000), static=False)
    transforms.insert(link("base", "left", 0, y=0.5), static=True)
    transforms.insert(link("base", "right", 0, y=-0.5), static=True)
    found = transforms.lookup("left", "right", 5000 * MS)
    np.testing.assert_allclose(found, flat(0.0, 0.0, y=-1.0), atol=1e-12)


def test_a_frame_may_change_its_parent(transforms: Transforms) -> None:
    transforms.insert(link("odom", "map", 0, x=100.0), static=True)
    transforms.insert(link("odom", "box", 1000, x=1.0), static=False)
    transforms.insert(link("map", "box", 2000, x=2.0), static=False)
    transforms.insert(link("map", "box", 3000, x=4.0), static=False)
    x = [transforms.lookup("odom", "box", at_ms * MS)[0, 3] for at_ms in (1000, 1500, 2000, 2500)]
    assert x == pytest.approx([1.0, 1.0, 102.0, 103.0])


def test_a_frame_is_itself(transforms: Transforms) -> None:
    np.testing.assert_array_equal(transforms.lookup("odom", "odom", 1), np.eye(4))


@pytest.mark.parametrize("name", ["", "/base"])
def test_names_that_tf2_refuses(transforms: Transforms, name: str) -> None:
    transforms.insert(link("odom", "base", 1000), static=False)
    with pytest.raises(AnyviewError, match="must not be empty or start with '/'") as error:
        transforms.lookup("odom", name, 1000 * MS)
    assert error.value.code == "tf_invalid_frame"
    assert code(transforms, name, "odom", 1000) == "tf_invalid_frame"


def test_slashes_of_ros_1_are_stripped_on_arrival(transforms: Transforms) -> None:
    transforms.insert(link("/odom", "/base", 1000, x=1.0), static=False)
    assert transforms.lookup("odom", "base", 1000 * MS)[0, 3] == 1.0
    assert transforms.frames() == ("base", "odom")


def test_a_loop_is_named(transforms: Transforms) -> None:
    transforms.insert(link("a", "b", 1000), static=False)
    transforms.insert(link("b", "a", 1000), static=False)
    transforms.insert(link("odom", "c", 1000), static=False)
    assert code(transforms, "odom", "a", 1000) == "tf_loop"


def broken(at_ms: int = 1000, **change: float) -> TransformStamped:
    message = link("odom", "base", at_ms)
    for name, value in change.items():
        setattr(getattr(message.transform, name.split("_")[0]), name[-1], value)
    return message


@pytest.mark.parametrize(
    "message",
    [
        link("odom", "odom", 1000),
        link("", "base", 1000),
        link("odom", "", 1000),
        broken(rotation_w=0.0),
        broken(rotation_x=float("nan")),
        broken(translation_y=float("nan")),
    ],
)
def test_impossible_transforms_are_not_stored(
    transforms: Transforms, message: TransformStamped
) -> None:
    transforms.insert(link("odom", "other", 1000), static=False)
    try:
        transforms.insert(message, static=False)
    except AnyviewError as error:  # tf2 says it on its log instead
        assert error.code == "tf_invalid"  # noqa: PT017
    with pytest.raises(AnyviewError):
        transforms.lookup("odom", "base", 1000 * MS)
    assert "" not in transforms.frames()


def test_rotations_are_normalised(transforms: Transforms) -> None:
    transforms.insert(broken(rotation_w=1.3), static=False)
    np.testing.assert_allclose(transforms.lookup("odom", "base", 1000 * MS), np.eye(4), atol=1e-12)


def test_a_rotation_of_any_length_is_one() -> None:
    buffer = TransformBuffer(CACHE_NS)
    for at_ms, length in ((1000, 1e-9), (2000, 1.0), (3000, 1e9)):
        buffer.insert(broken(at_ms, rotation_z=length, rotation_w=length), static=False)
        found = buffer.lookup("odom", "base", at_ms * MS)
        np.testing.assert_allclose(found, flat(0.0, np.pi / 2), atol=1e-12)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    parents=st.lists(st.integers(0, 5), min_size=2, max_size=6),
    motion=st.lists(
        st.tuples(st.floats(-5, 5), st.floats(-0.5, 0.5), st.booleans()), min_size=6, max_size=6
    ),
    ends=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    at_ms=st.integers(1000, 2000),
)
def test_random_trees_equal_the_product_of_their_links(
    make: Make,
    parents: list[int],
    motion: list[tuple[float, float, bool]],
    ends: tuple[int, int],
    at_ms: int,
) -> None:
    """Frame n + 1 hangs below one of the frames before it; each turns and moves evenly."""
    transforms = make()
    root_from = {0: np.eye(4)}
    share = (at_ms - 1000) / 1000
    for child, (wish, (speed, turn, static)) in enumerate(
        zip(parents, motion, strict=False), start=1
    ):
        parent = wish % child
        late = 1.0 if not static else 0.0
        for passed in (0.0, 1.0):
            placed = link(
                f"f{parent}",
                f"f{child}",
                round(1000 + 1000 * passed),
                x=child + late * speed * passed,
                yaw=late * turn * passed,
            )
            transforms.insert(placed, static=static)
        now = flat(child + late * speed * share, late * turn * share)
        root_from[child] = root_from[parent] @ now
    target, source = (end % len(root_from) for end in ends)
    found = transforms.lookup(f"f{target}", f"f{source}", at_ms * MS)
    np.testing.assert_allclose(root_from[target] @ found, root_from[source], atol=1e-7)


@pytest.mark.parametrize("others_ms", [(), (900,), (900, 1100)])
def test_a_repeated_transform_takes_no_more_memory(others_ms: tuple[int, ...]) -> None:
    buffer = TransformBuffer(CACHE_NS)
    for at_ms in others_ms:
        buffer.insert(link("odom", "base", at_ms), static=False)
    for k in range(1000):
        buffer.insert(link("odom", "base", 1000, x=k), static=False)
    assert buffer.lookup("odom", "base", 1000 * MS)[0, 3] == 999
    assert len(buffer._dynamic["base"].stamps) == 1 + len(others_ms)


def test_the_cache_ends_at_its_age_to_the_nanosecond() -> None:
    buffer = TransformBuffer(CACHE_NS)
    for at_ms in (1000, 1001, 11_000):
        buffer.insert(link("odom", "base", at_ms), static=False)
    buffer.lookup("odom", "base", 1000 * MS)
    buffer.insert(link("odom", "base", 1000), static=False)  # as old as it may be
    late = link("odom", "base", 999)
    late.header.stamp.nanosec += 999_999
    with pytest.raises(AnyviewError, match=r"1\.000 s, more than 10\.0 s behind") as refused:
        buffer.insert(late, static=False)
    assert refused.value.code == "tf_old_data"
    last = link("odom", "base", 11_000)
    last.header.stamp.nanosec = 1
    buffer.insert(last, static=False)
    assert code(buffer, "odom", "base", 1000) == "tf_expired"
    buffer.lookup("odom", "base", 1001 * MS)


def test_one_frame_is_forgotten_and_may_begin_anew() -> None:
    buffer = TransformBuffer(CACHE_NS)
    for child in ("base", "arm"):
        buffer.insert(link("odom", child, 60_000), static=False)
    buffer.insert(link("base", "camera", 0), static=True)
    for frame in ("base", "camera", "odom", "nobody"):
        buffer.forget(frame)
    assert code(buffer, "odom", "base", 60_000) == "tf_waiting"
    buffer.insert(link("odom", "base", 1000, x=1.0), static=False)
    assert buffer.lookup("odom", "camera", 1000 * MS)[0, 3] == 1.0
    buffer.lookup("odom", "arm", 60_000 * MS)
    assert buffer.frames() == ("arm", "base", "camera", "odom")
