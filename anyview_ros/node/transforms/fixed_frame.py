"""Poses in the fixed frame, waited for where the transforms are still on their way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.node.transforms.tf import FrameTree

CANCEL_POLL_S = 0.05

Found = TypeVar("Found")


class FixedFrame:
    """The frame tree seen from the frame that does not move. For any thread but the executor's.

    Args:
        tree: answers at once.
        name: of the fixed frame.
        timeout_s: how long a transform is waited for, on a steady clock: a paused simulation
            must not hang a request.
    """

    def __init__(self, tree: FrameTree, name: str, timeout_s: float) -> None:
        self._tree = tree
        self._timeout_s = timeout_s
        self._arrived = threading.Condition()
        self.name = name
        tree.on_arrival(self._notify)

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) pose of a frame, which is empty for the fixed frame; never wait.

        Raises:
            AnyviewError: as `FrameTree.lookup`.
        """
        if frame in ("", self.name):
            return np.eye(4)
        return self._tree.lookup(self.name, frame, stamp_ns)

    def wait_for(
        self, resolve: Callable[[], Found], cancelled: Callable[[], bool] = lambda: False
    ) -> Found:
        """Return what `resolve` does, as soon as the transforms that it needs are there.

        Raises:
            AnyviewError: that of `resolve` after the timeout, or at once when waiting cannot help.
        """
        deadline = time.monotonic() + self._timeout_s
        with self._arrived:
            while True:
                try:
                    return resolve()
                except AnyviewError as error:
                    late = time.monotonic() >= deadline
                    if error.retry != "arrival" or late or cancelled():
                        raise
                self._arrived.wait(CANCEL_POLL_S)

    def require(self, frame: str) -> None:
        """Wait until a frame is known; empty is the fixed frame.

        Raises:
            AnyviewError: `tf_unknown_frame`, naming the frames there are.
        """
        self.wait_for(lambda: self._refuse_unknown(frame))

    def _refuse_unknown(self, frame: str) -> None:
        frames = self._tree.frames()
        if frame not in ("", self.name, *frames):
            raise AnyviewError(
                "tf_unknown_frame",
                f"frame '{frame}' is unknown; there are: {', '.join(frames) or 'none'}",
            )

    def _notify(self) -> None:
        with self._arrived:
            self._arrived.notify_all()
