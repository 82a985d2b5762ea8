"""A package's denoiser whose latents stay on the device from the first step to the last."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Prediction
from anyview_ros.engine.flow import flow_time
from anyview_ros.engine.onnx.runtime import Graph, OnDevice
from anyview_ros.errors import AnyviewError

Array = NDArray[np.float32]
WEIGHTS = "weights"  # output of graphs whose contract has `sweep_weights`


class BoundDenoiser:
    """x0 from the state and its noise level, all of them buffers; see `sampler.denoiser_of`.

    Some networks take one level, (1,), others one for each latent frame, (1, T'): known frames
    have 0.

    Args:
        graph: `denoise`.
        device: of the graph's provider.
        model: named in errors.
        prediction: of the graph, `x0` or `velocity`.
        shapes: of `noisy` and of all that is given once a clip, by name.
    """

    def __init__(
        self,
        graph: Graph,
        device: OnDevice,
        model: str,
        prediction: Prediction,
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.shapes = dict(shapes)
        self.calls = 0
        self._device, self._model, self._predicts_x0 = device, model, prediction == "x0"
        self._levels = tuple(graph.inputs["t"])
        output, *others = graph.outputs
        latent = self.shapes["noisy"]
        outputs = {output: latent}
        if WEIGHTS in others:
            outputs[WEIGHTS] = (1, self.shapes["sweep"][1] + 1, *latent[2:])
        self._bound = graph.bound(self.shapes | {"t": self._levels}, outputs)
        self._noisy, self._prediction = self._bound.buffers["noisy"], self._bound.buffers[output]
        self._blended: Any = self._noisy
        self._known: Any = None
        self._known_frames = 0
        self._known_below = math.inf

    def weights(self) -> Array | None:
        """Return what the last call said of the sweep, (P + 1, T', H', W'); None where the
        package tells nothing, see `Contract.sweep_weights`."""
        if WEIGHTS not in self._bound.buffers:
            return None
        weights: Array = self._device.get(self._bound.buffers[WEIGHTS])[0]
        return weights

    def condition(
        self, given: Mapping[str, Array], known: Array | None, known_below: float = math.inf
    ) -> None:
        """Begin a clip.

        Args:
            given: what the graph is given beside the noisy latent and its level.
            known: (1, C, T'', H', W'), the first latent frames where they are known.
            known_below: noise level below which they are laid over the state.
        """
        for name, array in given.items():
            self._bound.write(name, array)
        self.calls = 0
        self._known = None if known is None else self._device.put(known)
        self._known_frames = 0 if known is None else known.shape[2]
        self._known_below = known_below
        # Known frames are laid over a copy: the state itself goes on from its own.
        blank = np.zeros(self.shapes["noisy"], np.float32)
        self._blended = self._noisy if known is None else self._device.put(blank)

    def __call__(self, y: Any, sigma: float) -> Any:
        """Buffer of x0.

        Raises:
            AnyviewError: `not_finite`, `inference_failed`.
        """
        self.calls += 1
        times: Array = flow_time(np.array([sigma], np.float32))
        t, share = float(times[0]), float((1 - times)[0])
        levels = np.full(self._levels, t, np.float32)
        self._device.blend([(share, y)], out=self._blended)  # as `flow.flow_state`
        if self._known is not None and sigma < self._known_below:
            levels[:, : self._known_frames] = 0
            self._device.overlay(self._known, self._blended, out=self._noisy)
        elif self._known is not None:
            self._device.blend([(1.0, self._blended)], out=self._noisy)
        self._bound.write("t", levels)
        self._bound()
        if not math.isfinite(self._device.apart(self._prediction, self._noisy)):
            raise AnyviewError(
                "not_finite",
                f"model '{self._model}' made values that are not finite at t = {t:.4f}; "
                "it may know the noise levels of its own speeds only: leave steps at 0",
            )
        if self._predicts_x0:
            return self._device.blend([(1.0, self._prediction)])
        # as `flow.x0_of_velocity`
        return self._device.blend([(1.0, self._blended), (-t, self._prediction)])
