"""What a clip's turn is not charged for, without ROS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.clip_maker import ClipMaker
from anyview_ros.node.clips.request_queue import Ticket


class FailingWorker:
    """One that is started for 3 s before each job, which fails."""

    excused_s = 7.0

    def __init__(self, code: str) -> None:
        self._code = code

    def synthesize(self, *_: Any, **options: Any) -> None:
        self.excused_s += 3.0
        raise AnyviewError(self._code, "")


@pytest.mark.parametrize(("code", "is_excused"), [("worker_hung", True), ("worker_died", False)])
def test_a_start_and_a_hang_are_noted_in_the_ticket(code: str, is_excused: bool) -> None:
    maker = ClipMaker(Mock(), Mock(), Mock(), Mock(), lambda: SimpleNamespace(scene_scale=1.0))
    model = SimpleNamespace(
        worker=FailingWorker(code), contract=SimpleNamespace(sweep_weights=None)
    )
    job: Any = Mock(model=model, stamps_ns=(1, 2))
    job.spec.options = SynthesisOptions()
    ticket = Ticket("chase", lambda: False, {"chase": 0})
    with pytest.raises(AnyviewError):
        maker.make(job, ticket)
    assert ticket.is_excused == is_excused
    assert ticket.excused_s == 3.0


def test_a_ticket_that_was_cancelled_asks_nothing_of_the_cameras_topics() -> None:
    """They are closed when the camera is removed."""
    maker = ClipMaker(Mock(), Mock(), Mock(), Mock(), Mock())
    ticket = Ticket("chase", lambda: False, {"chase": 0})
    ticket.abort(AnyviewError("camera_removed", ""))
    job: Any = Mock()
    with pytest.raises(AnyviewError) as refused:
        maker.make(job, ticket)
    assert refused.value.code == "camera_removed"
    assert not job.mock_calls


@pytest.mark.parametrize("is_ready", [True, False])
def test_a_process_that_loads_is_waited_for_before_a_clip_is_chosen(is_ready: bool) -> None:
    worker = Mock(is_ready=is_ready, excused_s=0.0)
    model: Any = Mock(return_value=Mock(worker=worker))
    maker = ClipMaker(Mock(), Mock(), model, Mock(), Mock())
    assert maker.start_process(Ticket("chase", lambda: False, {"chase": 0})) != is_ready
    assert worker.start.called != is_ready
