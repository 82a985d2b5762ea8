"""The one way from a question to a clip on its topics, for requests and for streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from anyview_ros.engine.continuation import joined, known_of
from anyview_ros.engine.pipeline import Progress, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.clip_request import AskedClip, check_answer_size
from anyview_ros.node.clips.clip_sources import ClipGatherer, ClipSources
from anyview_ros.node.clips.request_queue import Ticket
from anyview_ros.node.clips.synthesized_clip import Made, Order
from anyview_ros.node.inference.worker import nobody
from anyview_ros.node.parameters import Settings
from anyview_ros.node.virtual.asked_camera import AskedCamera
from anyview_ros.node.virtual.publisher import CameraTopics, SynthesizedClip
from anyview_ros.node.virtual.virtual_cameras import VirtualCameras


class ClipMaker:
    """Gathers what a clip is made from, has it made, and publishes it.

    Args:
        node: its clock.
        cameras: the virtual cameras, whose frames move.
        gatherer: the sources, as they are now.
        settings: the node's parameters, as they are now.
    """

    def __init__(
        self,
        node: Node,
        cameras: VirtualCameras,
        gatherer: Callable[[], ClipGatherer],
        settings: Callable[[], Settings],
    ) -> None:
        self._node = node
        self._cameras = cameras
        self._gatherer = gatherer
        self._settings = settings

    def choose(
        self, asked: AskedClip, camera: AskedCamera, cancelled: Callable[[], bool], keep: str
    ) -> tuple[str, ...]:
        """Names of the best sources as of now, see `ClipGatherer.choose`."""
        return self._gatherer().choose(asked, camera, cancelled, keep)

    def gather(
        self,
        asked: AskedClip,
        camera: AskedCamera,
        cancelled: Callable[[], bool],
        chosen: tuple[str, ...] = (),
    ) -> ClipSources:
        """Source clips and target poses.

        Args:
            cancelled: whether transforms are waited for no longer.
            chosen: see `ClipGatherer.gather`.

        Raises:
            AnyviewError: those of `ClipGatherer.gather`, `too_large`.
        """
        sources = self._gatherer().gather(asked, camera, cancelled, chosen)
        check_answer_size(sources.target.camera, len(sources.stamps_ns), asked.return_frames)
        return sources

    def make(
        self,
        order: Order,
        ticket: Ticket,
        on_progress: Progress = nobody,
        before: NDArray[np.uint8] | None = None,
    ) -> Made:
        """Have a clip synthesized, now that it is the ticket's turn.

        Args:
            before: (n, H, W, 3), its first frames where they were made before; n may be 0.

        Raises:
            AnyviewError: the ticket's reason, and those of `Worker.synthesize`.
        """
        contract, sources, options = order.model.contract, order.sources, self._options(order)
        frames = len(sources.stamps_ns)
        known = None if before is None else known_of(contract, before, frames, options)
        try:
            synthesis = order.model.worker.synthesize(
                sources.clips,
                sources.target,
                options,
                on_progress,
                ticket.is_cancelled,
                known=known,
            )
        except AnyviewError:
            if not ticket.is_cancelled():
                raise
        if ticket.is_cancelled():  # perhaps after the last step: then nothing is published either
            raise ticket.reason()
        images = synthesis.frames
        return Made(order, synthesis, images if before is None else joined(images, before))

    def finish(self, made: Made, chosen: Sequence[int]) -> SynthesizedClip:
        """Return some frames of a clip as they are to be shown; nothing is published yet.

        Args:
            chosen: numbers of the frames.
        """
        now_ns = self._node.get_clock().now().nanoseconds
        return made.chosen_frames(chosen, now_ns, self._settings().watermark)

    def publish(self, made: Made, chosen: Sequence[int], topics: CameraTopics) -> SynthesizedClip:
        """Publish some frames of a clip, and in TF the frame of its camera if that moves.

        Waits as `CameraTopics.publish` does, and returns the clip with its times.

        Args:
            chosen: numbers of the frames that are published.
        """
        clip = self.finish(made, chosen)
        poses = made.order.sources.target.world_from_cam[list(chosen)]
        self._cameras.show_frames(made.order.camera, clip.stamps_ns, poses)
        return topics.publish(clip)

    def _options(self, order: Order) -> SynthesisOptions:
        return replace(
            order.asked.options,
            scene_scale=self._settings().scene_scale,
            uncertainty_samples=order.camera.message.uncertainty_samples,
            depth=order.depth and order.model.contract.sweep_weights,
        )
