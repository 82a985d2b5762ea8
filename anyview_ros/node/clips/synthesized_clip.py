"""A synthesized clip with everything that is known about it, and what is published of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.engine.pipeline import Synthesis
from anyview_ros.msg import SynthesisInfo
from anyview_ros.node.clips.clip_job import ClipJob
from anyview_ros.node.clips.trust import coverage_image, watermarked
from anyview_ros.node.messages import time_message
from anyview_ros.node.virtual.publisher import PublishedClip


@dataclass(frozen=True)
class SynthesizedClip:
    """A job that is done.

    Args:
        synthesis: its frames are those to be shown.
        queue_s: waited for others.
    """

    job: ClipJob
    synthesis: Synthesis
    queue_s: float

    def age_s(self, now_ns: int) -> float:
        """Return the seconds since the newest of its source frames."""
        return (now_ns - self.job.newest_ns) / 1e9

    def info(self, k: int, latency_s: float) -> SynthesisInfo:
        """Return the provenance of frame k."""
        job, synthesis = self.job, self.synthesis
        height, width = synthesis.generated_size
        info = SynthesisInfo(
            camera=job.camera.request.name,
            model=job.model.contract.name,
            model_sha256=job.model.package.sha256,
            provider=PROVIDERS[job.model.worker.provider],
            speed=synthesis.speed,
            steps=synthesis.steps,
            seed=job.spec.options.seed,
            sources=job.names,
            source_stamps=[time_message(clip.stamps_ns[k]) for clip in job.clips],
            scene_scale=synthesis.scene_scale,
            clamped_moments=synthesis.clamped_moments,
            generated_width=width,
            generated_height=height,
            queue_s=self.queue_s,
            condition_s=synthesis.condition_s,
            denoise_s=synthesis.denoise_s,
            decode_s=synthesis.decode_s,
            latency_s=latency_s,
        )
        info.header.stamp = time_message(job.stamps_ns[k])
        info.header.frame_id = job.camera.request.frame_id
        return info

    def chosen_frames(self, chosen: Sequence[int], now_ns: int, marked: bool) -> PublishedClip:
        """Return the clip of some of its frames, to be published at the pace of the source.

        Args:
            chosen: numbers of the frames, increasing.
            now_ns: of the node's clock.
            marked: whether frames say visibly that they are synthetic.
        """
        job, synthesis = self.job, self.synthesis
        apart = min((b - a for a, b in pairwise(chosen)), default=1)
        images = [synthesis.frames[k] for k in chosen]
        uncertainty, depth = synthesis.uncertainty, synthesis.depth
        return PublishedClip(
            images=list(watermarked(np.stack(images))) if marked else images,
            stamps_ns=tuple(job.stamps_ns[k] for k in chosen),
            camera=job.target.camera,
            info=lambda n, latency_s: self.info(chosen[n], latency_s),
            period_s=apart * job.spec.period_ns / 1e9,
            age_s=self.age_s(now_ns),
            coverage=lambda n: coverage_image(
                job.clips, job.target, chosen[n], job.model.contract, synthesis.scene_scale
            ),
            uncertainty=uncertainty[list(chosen)] if len(uncertainty) else uncertainty,
            depth=depth[list(chosen)] if len(depth) else depth,
        )
