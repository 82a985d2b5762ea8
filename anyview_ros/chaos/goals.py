"""Asks the node under test for clips, and notes whether it is answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionClient

from anyview_ros.action import SynthesizeClip
from anyview_ros.demo.session import Session
from anyview_ros.msg import ClipRequest, VirtualCamera

REFUSED = "refused"  # as a goal, with no result
UNNAMED = ("internal_error", REFUSED)


@dataclass
class Goal:
    """One clip that was asked for; `code` is None until it is answered, empty where it was made."""

    code: str | None = None
    message: str = ""


def ignore_stage(stage: str) -> None:
    """Take the stage that a goal is in and do nothing."""


class Goals:
    """The goals of one virtual camera. For the main thread.

    Args:
        session: whose thread sends and hears.
        node: full name of the node under test, with its first slash.
        camera: name of a virtual camera that was added, and does not stream.
    """

    def __init__(self, session: Session, node: str, camera: str) -> None:
        self._session, self._camera = session, camera
        self._action = ActionClient(session.node, SynthesizeClip, f"{node}/synthesize_clip")
        self._changed = threading.Condition()
        self._goals: list[Goal] = []

    def ask(
        self,
        on_stage: Callable[[str], None] = ignore_stage,
        camera: VirtualCamera | None = None,
    ) -> Goal:
        """Send a goal for the newest clip; `on_stage` is called on the session's thread.

        Args:
            camera: one that exists for this goal only; None: the one that was added.
        """
        goal = Goal()
        self._goals.append(goal)
        camera = camera or VirtualCamera(name=self._camera)
        request = SynthesizeClip.Goal(request=ClipRequest(camera=camera))

        def send() -> None:
            sent = self._action.send_goal_async(
                request, feedback_callback=lambda told: on_stage(told.feedback.stage)
            )
            sent.add_done_callback(lambda future: self._accepted(goal, future.result()))

        self._session.call_soon(send)
        return goal

    def forget(self) -> None:
        """Wait for none of them: the node that had them is dead."""
        self._goals.clear()

    def wait(self, goal: Goal, limit_s: float) -> None:
        """Wait until a goal is answered, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: goal.code is not None, limit_s)

    def open(self) -> int:
        """Return how many wait for their answer."""
        with self._changed:
            return sum(goal.code is None for goal in self._goals)

    def settle(self, limit_s: float) -> list[Goal]:
        """Wait until all are answered; return them, and forget them."""
        deadline = time.monotonic() + limit_s
        while self.open() and (left_s := deadline - time.monotonic()) > 0:
            self._session.check()
            with self._changed:
                self._changed.wait(min(0.5, left_s))
        goals, self._goals = self._goals, []
        return goals

    def _accepted(self, goal: Goal, handle: Any) -> None:
        if not handle.accepted:
            self._answer(goal, REFUSED, "the node takes no goals")
            return
        done = handle.get_result_async()
        done.add_done_callback(lambda future: self._done(goal, future.result().result.result))

    def _done(self, goal: Goal, result: Any) -> None:
        code = "" if result.success else result.code or REFUSED
        self._answer(goal, code, result.message)

    def _answer(self, goal: Goal, code: str, message: str) -> None:
        with self._changed:
            goal.code, goal.message = code, message
            self._changed.notify_all()
