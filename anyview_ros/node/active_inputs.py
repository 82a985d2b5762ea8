"""The inputs of the node while it is active, for its other parts at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.clip_sources import ClipGatherer
from anyview_ros.errors import AnyviewError
from anyview_ros.node.inference.served_model import LOAD_WAIT_S, RunningModel, ServedModel
from anyview_ros.node.lifecycle import INACTIVE, ManagedNode
from anyview_ros.node.parameters import Settings
from anyview_ros.node.sources.camera_stream import CameraStream
from anyview_ros.node.sources.inputs import Inputs


class ActiveInputs:
    """Holds the inputs from activation to deactivation. For any thread.

    Args:
        node: its state is named in errors.
        model: its contract says what clips are needed.
        settings: the node's parameters, as they are now.
    """

    def __init__(
        self,
        node: ManagedNode,
        model: ServedModel,
        settings: Callable[[], Settings],
    ) -> None:
        self._node = node
        self._model = model
        self._settings = settings
        self._ready = threading.Event()
        self.current: Inputs | None = None

    def mark_ready(self) -> None:
        """Release callers that wait in `required`: the inputs are there, or will not come."""
        self._ready.set()

    def mark_pending(self) -> None:
        """Let callers of `required` wait until `mark_ready`."""
        self._ready.clear()

    def close(self) -> None:
        """Close the inputs, if there are any."""
        inputs, self.current = self.current, None
        if inputs is not None:
            inputs.close()

    def required(self) -> Inputs:
        """Return the inputs; wait for LOAD_WAIT_S at most while they are pending.

        Raises:
            AnyviewError: `no_model`, `inactive`.
        """
        if not self._ready.wait(LOAD_WAIT_S):
            raise AnyviewError("no_model", "a model is still loading; ask again later")
        inputs = self.current
        if inputs is None:
            self._model.required()  # raises if there is no model
            raise AnyviewError("inactive", f"the node is {self._node.state}; {INACTIVE}")
        return inputs

    def streams(self) -> dict[str, CameraStream]:
        """Return the source cameras by name; none while the node is not active."""
        inputs = self.current
        return inputs.streams() if inputs is not None else {}

    def source_names(self) -> tuple[str, ...]:
        """Return the names of the source cameras; errors as `required`."""
        return tuple(self.required().streams())

    def tree_frames(self) -> tuple[str, ...]:
        """Return the frames of the TF tree; errors as `required`."""
        return self.required().tree.frames()

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) pose of a frame in the fixed frame; never wait.

        Raises:
            AnyviewError: `no_sources`, and those of `FrameTree.lookup`.
        """
        inputs = self.current
        if inputs is None:
            raise AnyviewError("no_sources", "the node is not listening to TF; ask again")
        return inputs.fixed.world_from(frame, stamp_ns)

    def newest_ns(self) -> int:
        """Return the stamp of the newest source image, 0 if there is none."""
        return max((stream.buffer.newest_ns or 0 for stream in self.streams().values()), default=0)

    def scene_scale(self) -> float:
        """Return the parameter's scale, or the model's; 1 while there is neither."""
        running = self._model.current
        return self._settings().scene_scale or (running.contract.scene_scale if running else 1.0)

    def gatherer(self, model: RunningModel) -> ClipGatherer:
        """Return what cuts clips for a model from the inputs as they are now.

        Raises:
            AnyviewError: as `required`.
        """
        inputs = self.required()
        return ClipGatherer(
            streams=inputs.streams,
            fixed=inputs.fixed,
            contract=model.contract,
            scene_scale=self.scene_scale(),
        )
