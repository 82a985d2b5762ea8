"""Poses in the fixed frame: at once, awaited while that can help, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.node.transforms import fixed_frame
from anyview_ros.node.transforms.fixed_frame import FixedFrame
from anyview_ros.node.transforms.tf import FrameTree


class Tree:
    """Knows `odom` and the frames that were told."""

    def __init__(self) -> None:
        self.known = ["odom"]
        self.asked: list[tuple[str, str, int]] = []
        self.error = "tf_waiting"

    def on_arrival(self, listener: Callable[[], None]) -> None:
        self.arrive = listener

    def frames(self) -> tuple[str, ...]:
        return tuple(self.known)

    def lookup(self, target: str, source: str, stamp_ns: int) -> NDArray[np.float64]:
        self.asked.append((target, source, stamp_ns))
        if source not in self.known:
            raise AnyviewError(self.error, f"{len(self.asked)} times asked")
        return np.full((4, 4), 7.0)


def fixed(tree: Tree, timeout_s: float) -> FixedFrame:
    return FixedFrame(cast(FrameTree, tree), "odom", timeout_s)


@pytest.mark.parametrize("name", ["", "odom"])
def test_the_fixed_frame_stands_in_its_own_origin(name: str) -> None:
    tree = Tree()
    np.testing.assert_array_equal(fixed(tree, 0.0).world_from(name, 5), np.eye(4))
    assert tree.asked == []


def test_other_frames_are_looked_up_in_it() -> None:
    tree = Tree()
    tree.known.append("base")
    assert fixed(tree, 0.0).world_from("base", 5)[0, 0] == 7.0
    assert tree.asked == [("odom", "base", 5)]


def test_a_pose_that_does_not_come_is_awaited_as_long_as_was_said() -> None:
    tree = Tree()
    frame = fixed(tree, 0.2)
    began = time.monotonic()
    with pytest.raises(AnyviewError, match="times asked"):
        frame.wait_for(lambda: frame.world_from("base", 5))
    assert time.monotonic() - began >= 0.2
    assert len(tree.asked) > 1


def test_an_arrival_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_frame, "CANCEL_POLL_S", 250.0)
    tree, began = Tree(), threading.Event()
    frame = fixed(tree, 200.0)

    def resolve() -> NDArray[np.float64]:
        began.set()
        return frame.world_from("base", 5)

    def come() -> None:
        began.wait()
        tree.known.append("base")
        tree.arrive()

    thread = threading.Thread(target=come)
    thread.start()
    assert frame.wait_for(resolve)[0, 0] == 7.0
    thread.join()


def test_what_waiting_cannot_mend_is_raised_at_once() -> None:
    tree = Tree()
    tree.error = "tf_invalid_frame"
    frame = fixed(tree, 200.0)
    with pytest.raises(AnyviewError, match="1 times asked"):
        frame.wait_for(lambda: frame.world_from("base", 5))


def test_who_cancels_waits_no_longer() -> None:
    frame = fixed(Tree(), 200.0)
    with pytest.raises(AnyviewError, match="1 times asked"):
        frame.wait_for(lambda: frame.world_from("base", 5), cancelled=lambda: True)


def test_a_frame_is_required_to_be_known() -> None:
    tree = Tree()
    tree.known.append("base")
    for name in ("", "odom", "base"):
        fixed(tree, 200.0).require(name)
    tree.known.clear()
    fixed(tree, 200.0).require("odom")  # of nobody's transforms yet
    with pytest.raises(AnyviewError, match="'arm' is unknown; there are: none") as refused:
        fixed(tree, 0.0).require("arm")
    assert refused.value.code == "tf_unknown_frame"
