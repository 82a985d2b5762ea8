"""The node's inputs while it is active, and what its other parts ask of them at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.clip_sources import ClipGatherer
from anyview_ros.node.inference.served_model import LOAD_WAIT_S, ServedModel
from anyview_ros.node.lifecycle import INACTIVE, ManagedNode
from anyview_ros.node.parameters import Settings
from anyview_ros.node.sources.camera_stream import CameraStream
from anyview_ros.node.sources.inputs import Inputs


class Listening:
    """Holds the inputs from activation to deactivation. For any thread.

    Args:
        node: whose state is told to those who come in vain.
        model: whose contract says what clips are needed.
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
        self._settled = threading.Event()
        self.inputs: Inputs | None = None

    def settle(self) -> None:
        """The node has become active, if it does so by itself: nobody waits for it any more."""
        self._settled.set()

    def unsettle(self) -> None:
        """It is about to listen anew: who needs inputs waits for `settle`."""
        self._settled.clear()

    def end(self) -> None:
        """Close the inputs, if there are any."""
        inputs, self.inputs = self.inputs, None
        if inputs is not None:
            inputs.close()

    def required(self) -> Inputs:
        """The inputs; waits while the node is about to have some.

        Raises:
            AnyviewError: `no_model`, `inactive`.
        """
        self._settled.wait(LOAD_WAIT_S)
        inputs = self.inputs
        if inputs is None:
            self._model.required()  # says why there is none
            raise AnyviewError("inactive", f"the node is {self._node.state}; {INACTIVE}")
        return inputs

    def streams(self) -> dict[str, CameraStream]:
        """The source cameras by name, as they are now."""
        inputs = self.inputs
        return inputs.streams() if inputs is not None else {}

    def source_names(self) -> tuple[str, ...]:
        """The names of the source cameras; errors as `required`."""
        return tuple(self.required().streams())

    def tree_frames(self) -> tuple[str, ...]:
        """The frames of the TF tree; errors as `required`."""
        return self.required().tree.frames()

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """(4, 4) pose of a frame in the fixed frame; never waits.

        Raises:
            AnyviewError: `no_sources`, and those of `FrameTree.lookup`.
        """
        inputs = self.inputs
        if inputs is None:
            raise AnyviewError("no_sources", "the node is not listening to TF; ask again")
        return inputs.fixed.world_from(frame, stamp_ns)

    def newest_ns(self) -> int:
        """Stamp of the newest source image, 0 when there is none."""
        return max((stream.buffer.newest_ns or 0 for stream in self.streams().values()), default=0)

    def scene_scale(self) -> float:
        """That of the parameter or the model; 1 while there is neither."""
        running = self._model.current
        return self._settings().scene_scale or (running.contract.scene_scale if running else 1.0)

    def gatherer(self) -> ClipGatherer:
        """Cuts clips from what there is now.

        Raises:
            AnyviewError: as `required`.
        """
        inputs, model = self.required(), self._model.required()
        return ClipGatherer(inputs.streams, inputs.fixed, model, self.scene_scale())
