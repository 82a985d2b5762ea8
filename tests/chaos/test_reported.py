"""What diagnostics name, and ledgers that do not add up."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from anyview_ros.chaos.reported import GONE_S, NODE_GONE, Reported

NODE = "chaos/anyview"
LEDGER = {"received": 5, "pending_tf": 1, "buffered": 2, "retired_used": 1, "retired_unused": 0}


def status(subject: str, values: Mapping[str, object], node: str = NODE) -> Any:
    pairs = [SimpleNamespace(key=key, value=str(value)) for key, value in values.items()]
    return SimpleNamespace(name=f"{node}: {subject}", hardware_id=node, values=pairs)


def camera(**values: object) -> Any:
    named = {key.replace("__", "."): value for key, value in values.items()}
    return status("camera front", {**LEDGER, "dropped.tf_waiting": 1, "balanced": True, **named})


def test_codes_and_problems_are_named_as_long_as_they_are_told() -> None:
    reported = Reported(NODE)
    assert list(reported.add([camera(problem__tf_waiting="late")], 1.0)) == []
    assert reported.named == reported.now == {"tf_waiting"}
    reported.forget()
    list(reported.add([camera(), status("model", {"code": "worker_silent"})], 2.0))
    assert reported.named == reported.now == {"worker_silent"}


def test_counts_name_what_they_count_when_they_rise() -> None:
    reported = Reported(NODE)
    list(reported.add([camera(), status("model", {"worker_deaths": 2})], 1.0))
    assert reported.named == set()
    more = camera(received=7, dropped__tf_waiting=2, dropped__invalid_image=1)
    list(reported.add([more, status("model", {"worker_deaths": 3})], 2.0))
    assert reported.named == {"tf_waiting", "invalid_image", "worker_died"}
    reported.forget()
    list(reported.add([more, status("model", {"worker_deaths": 0})], 3.0))  # another model
    assert reported.named == set()


def test_ledgers_are_added_up_here_too() -> None:
    reported = Reported(NODE)
    (said,) = reported.add([camera(received=6)], 1.0)
    assert said == "the ledger of camera front has 6 frames, and 5 in its parts"
    (told,) = reported.add([camera(balanced=False)], 2.0)
    assert "says that it does not add up" in told
    stream = {"seen": 9, "published": 5, "waiting": 1, "skipped.superseded": 2, "balanced": True}
    (said,) = reported.add([status("virtual camera echo", stream)], 3.0)
    assert said == "the ledger of virtual camera echo has 9 frames, and 8 in its parts"


def test_another_node_is_not_meant() -> None:
    reported = Reported(NODE)
    list(reported.add([status("model", {"code": "worker_silent"}, "anyview")], 1.0))
    assert (reported.named, reported.messages) == (set(), 0)


def test_a_node_that_says_nothing_is_gone() -> None:
    reported = Reported(NODE)
    list(reported.add([camera()], 1.0))
    reported.look(1.0 + GONE_S / 2)
    assert reported.named == set()
    reported.look(1.1 + GONE_S)
    assert reported.named == {NODE_GONE}
    reported.forget()
    list(reported.add([camera()], 2.2 + GONE_S))
    assert reported.named == {NODE_GONE}


def test_load_is_read() -> None:
    reported = Reported(NODE)
    assert (reported.memory_mb(), reported.pid("worker")) == (None, None)
    load = {"node_pid": 7, "worker_pid": "none", "node_memory_mb": 100, "worker_memory_mb": 20}
    list(reported.add([status("load", load)], 1.0))
    assert (reported.memory_mb(), reported.pid("node"), reported.pid("worker")) == (120, 7, None)
