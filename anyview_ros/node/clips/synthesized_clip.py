"""A synthesized clip with everything that is known about it, and what is published of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.engine.pipeline import Synthesis
from anyview_ros.msg import SynthesisInfo
from anyview_ros.node.clips.clip_request import AskedClip
from anyview_ros.node.clips.clip_sources import ClipSources
from anyview_ros.node.clips.trust import coverage_image, watermarked
from anyview_ros.node.inference.served_model import RunningModel
from anyview_ros.node.messages import time_message
from anyview_ros.node.virtual.asked_camera import AskedCamera
from anyview_ros.node.virtual.publisher import SynthesizedClip


@dataclass(frozen=True)
class Order:
    """Everything that is known about a clip before it is made.

    Args:
        queue_s: waited for others.
        depth: whether somebody listens to it.
    """

    asked: AskedClip
    camera: AskedCamera
    sources: ClipSources
    model: RunningModel
    queue_s: float
    depth: bool


@dataclass(frozen=True)
class Made:
    """A synthesized clip.

    Args:
        images: (T, H, W, 3) uint8, the synthesis's frames as they are to be shown.
    """

    order: Order
    synthesis: Synthesis
    images: NDArray[np.uint8]

    def age_s(self, now_ns: int) -> float:
        """Seconds since the newest of its source frames."""
        return (now_ns - self.order.sources.newest_ns) / 1e9

    def info(self, k: int, latency_s: float) -> SynthesisInfo:
        """Provenance of frame k."""
        order, synthesis = self.order, self.synthesis
        package, sources = order.model.package, order.sources
        height, width = synthesis.generated_size
        info = SynthesisInfo(
            camera=order.camera.name,
            model=package.contract.name,
            model_sha256=package.sha256,
            provider=PROVIDERS[order.model.worker.provider],
            speed=synthesis.speed,
            steps=synthesis.steps,
            seed=order.asked.options.seed,
            sources=sources.names,
            source_stamps=[time_message(clip.stamps_ns[k]) for clip in sources.clips],
            scene_scale=synthesis.scene_scale,
            clamped_moments=synthesis.clamped_moments,
            generated_width=width,
            generated_height=height,
            queue_s=order.queue_s,
            condition_s=synthesis.condition_s,
            denoise_s=synthesis.denoise_s,
            decode_s=synthesis.decode_s,
            latency_s=latency_s,
        )
        info.header.stamp = time_message(sources.stamps_ns[k])
        info.header.frame_id = order.camera.frame_id
        return info

    def chosen_frames(self, chosen: Sequence[int], now_ns: int, marked: bool) -> SynthesizedClip:
        """Return the clip of some of its frames, to be published at the pace of the source.

        Args:
            chosen: numbers of the frames, increasing.
            now_ns: of the node's clock.
            marked: whether frames say visibly that they are synthetic.
        """
        sources, contract = self.order.sources, self.order.model.contract
        apart = min((b - a for a, b in pairwise(chosen)), default=1)
        images = [self.images[k] for k in chosen]
        uncertainty, depth = self.synthesis.uncertainty, self.synthesis.depth
        scene_scale = self.synthesis.scene_scale
        return SynthesizedClip(
            images=list(watermarked(np.stack(images))) if marked else images,
            stamps_ns=tuple(sources.stamps_ns[k] for k in chosen),
            camera=sources.target.camera,
            info=lambda n, latency_s: self.info(chosen[n], latency_s),
            period_s=apart * self.order.asked.period_ns / 1e9,
            age_s=self.age_s(now_ns),
            coverage=lambda n: coverage_image(sources, chosen[n], contract, scene_scale),
            uncertainty=uncertainty[list(chosen)] if len(uncertainty) else uncertainty,
            depth=depth[list(chosen)] if len(depth) else depth,
        )
