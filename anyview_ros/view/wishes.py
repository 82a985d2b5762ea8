"""What the page asks for. Of wishes that wait, only the newest is fulfilled."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from anyview_ros.clips.placements import FramePose


@dataclass(frozen=True, eq=False)
class Wish:
    """A virtual camera to look through.

    Args:
        instant: of the recording.
        pose: of the optical frame.
        hfov: horizontal field of view in radians.
        dragging: whether the camera is still in the hand.
    """

    instant: int
    pose: FramePose
    hfov: float
    dragging: bool = False


class Wishes:
    """A mailbox of one wish, from the page's threads to the one that fulfils wishes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: Wish | None = None

    def put(self, wish: Wish) -> None:
        """Wish for something, in place of what was wished for and not begun."""
        with self._changed:
            self._newest = wish
            self._changed.notify()

    def take(self) -> Wish:
        """Return the newest wish, as soon as there is one."""
        with self._changed:
            while self._newest is None:
                self._changed.wait()
            wish, self._newest = self._newest, None
            return wish

    @property
    def waiting(self) -> bool:
        """Whether there is a wish that nobody took."""
        with self._changed:
            return self._newest is not None
