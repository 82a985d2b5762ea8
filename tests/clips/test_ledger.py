"""Nothing is lost without a reason: the accounts balance after any sequence of steps."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.clips.ledger import Ledger

STEPS = {
    "drop_arrival": ("invalid_image",),
    "accept": (),
    "give_up": ("tf_waiting",),
    "store": (),
    "retire_used": (True,),
    "retire_unused": (False,),
}


def possible(ledger: Ledger, step: str) -> bool:
    snapshot = ledger.snapshot()
    if step in ("give_up", "store"):
        return snapshot.pending_tf > 0
    return snapshot.buffered > 0 if step.startswith("retire") else True


@given(st.lists(st.sampled_from(list(STEPS)), max_size=60))
def test_received_is_the_sum_of_the_rest(steps: list[str]) -> None:
    ledger = Ledger()
    taken = [step for step in steps if possible(ledger, step) and _take(ledger, step)]
    snapshot = ledger.snapshot()
    assert snapshot.balanced
    assert snapshot.received == taken.count("accept") + taken.count("drop_arrival")
    assert snapshot.retired_used == taken.count("retire_used")
    assert snapshot.retired_unused == taken.count("retire_unused")
    assert snapshot.dropped.get("tf_waiting", 0) == taken.count("give_up")
    assert snapshot.dropped.get("invalid_image", 0) == taken.count("drop_arrival")


def _take(ledger: Ledger, step: str) -> bool:
    name = "retire" if step.startswith("retire") else step
    getattr(ledger, name)(*STEPS[step])
    return True


def test_an_unbalanced_account_is_seen() -> None:
    ledger = Ledger()
    ledger.accept()
    assert not dataclasses.replace(ledger.snapshot(), received=2).balanced


@pytest.mark.parametrize("step", ["give_up", "store", "retire_used"])
def test_a_frame_that_is_not_there_cannot_move(step: str) -> None:
    with pytest.raises(AssertionError):
        _take(Ledger(), step)


def test_a_snapshot_does_not_change() -> None:
    ledger = Ledger()
    ledger.drop_arrival("zero_stamp")
    before = ledger.snapshot()
    ledger.drop_arrival("zero_stamp")
    assert before.dropped == {"zero_stamp": 1}


def test_every_snapshot_balances_while_another_thread_moves_frames() -> None:
    ledger = Ledger()
    done = threading.Event()

    def move() -> None:
        for k in range(5000):
            ledger.accept()
            ledger.store()
            ledger.retire(used=k % 2 == 0)
            ledger.drop_arrival("off_grid")
        done.set()

    thread = threading.Thread(target=move)
    thread.start()
    while not done.is_set():
        assert ledger.snapshot().balanced
    thread.join()
    assert ledger.snapshot().received == 10000
