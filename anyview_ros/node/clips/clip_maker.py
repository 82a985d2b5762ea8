"""The one way from a clip's spec to its topics, for requests and for streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from anyview_ros.clips.clip_sources import ClipGatherer
from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.engine.continuation import continued
from anyview_ros.engine.pipeline import Progress, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.clip_job import ClipJob
from anyview_ros.node.clips.clip_request import check_answer_size, check_clip_limits
from anyview_ros.node.clips.request_queue import Ticket
from anyview_ros.node.clips.synthesized_clip import SynthesizedClip
from anyview_ros.node.inference.served_model import RunningModel
from anyview_ros.node.inference.worker import Worker, ignore_progress
from anyview_ros.node.parameters import Settings
from anyview_ros.node.virtual.publisher import PublishedClip
from anyview_ros.node.virtual.virtual_cameras import VirtualCamera, VirtualCameras


class ClipMaker:
    """Gathers what a clip is made from, has it made, and publishes it.

    Args:
        node: its clock.
        cameras: the virtual cameras, whose frames move; what they are made from is noted there.
        model: as it is now, see `ServedModel.required`.
        gatherer: the sources, as they are now, for a model.
        settings: the node's parameters, as they are now.
    """

    def __init__(
        self,
        node: Node,
        cameras: VirtualCameras,
        model: Callable[[], RunningModel],
        gatherer: Callable[[RunningModel], ClipGatherer],
        settings: Callable[[], Settings],
    ) -> None:
        self._node = node
        self._cameras = cameras
        self._model = model
        self._gatherer = gatherer
        self._settings = settings

    def choose(
        self, spec: ClipSpec, camera: CameraRequest, cancelled: Callable[[], bool], keep: str = ""
    ) -> tuple[str, ...]:
        """Return the names of the best sources as of now, and note why, see `ClipGatherer`."""
        choice = self._gatherer(self._model()).choose(spec, camera, cancelled, keep)
        self._cameras.note_choice(camera.name, choice)
        return choice.names

    def gather(
        self,
        spec: ClipSpec,
        camera: VirtualCamera,
        cancelled: Callable[[], bool],
        chosen: tuple[str, ...] = (),
        return_frames: bool = False,
        leave_out_late: bool = False,
    ) -> ClipJob:
        """Cut the source clips and pose the target.

        Args:
            cancelled: whether transforms are waited for no longer.
            chosen: names of the sources; empty = those of the camera, or the best.
            return_frames: whether the answer to a caller is to hold the frames.
            leave_out_late: see `ClipGatherer.gather`.

        Raises:
            AnyviewError: those of `ClipGatherer.choose` and `gather`, of
                `check_clip_limits` and `check_answer_size`.
        """
        request = camera.request
        names = request.sources or chosen or self.choose(spec, request, cancelled)
        model = self._model()
        gathered = self._gatherer(model).gather(spec, request, names, cancelled, leave_out_late)
        self._cameras.note_memory(request.name, gathered.memory)
        job = ClipJob(gathered, camera, model)
        image, num_frames = job.target.camera, len(job.stamps_ns)
        samples = request.message.uncertainty_samples
        check_clip_limits(self._settings(), image, num_frames, samples)
        if return_frames:
            check_answer_size(image, num_frames)
        return job

    def start_process(self, ticket: Ticket) -> bool:
        """Start the inference process if it is not ready; return whether it was not.

        Raises:
            AnyviewError: those of `Worker.start`; `cancelled` where the ticket was.
        """
        worker = self._model().worker
        is_waited_for = not worker.is_ready
        if is_waited_for:
            with _excusing(ticket, worker):
                worker.start(cancelled=ticket.is_cancelled)
        return is_waited_for

    def make(
        self,
        job: ClipJob,
        ticket: Ticket,
        on_progress: Progress = ignore_progress,
        before: NDArray[np.uint8] | None = None,
    ) -> SynthesizedClip:
        """Have a clip synthesized, now that it is the ticket's turn.

        Args:
            before: (n, H, W, 3), its first frames where they were made before; n may be 0.

        Raises:
            AnyviewError: the ticket's reason, and those of `Worker.synthesize`.
        """
        if ticket.is_cancelled():  # perhaps with the topics of its camera
            raise ticket.reason()
        options, worker = self._options(job), job.model.worker
        synthesize = partial(
            worker.synthesize,
            job.clips,
            job.target,
            options,
            on_progress=on_progress,
            cancelled=ticket.is_cancelled,
        )
        try:
            with _excusing(ticket, worker):
                frames = len(job.stamps_ns)
                synthesis = continued(synthesize, before, job.model.contract, frames, options)
            ticket.model_s = synthesis.model_s
        except AnyviewError:
            if not ticket.is_cancelled():
                raise
        if ticket.is_cancelled():  # perhaps after the last step: then nothing is published either
            raise ticket.reason()
        return SynthesizedClip(job, synthesis, ticket.queue_s)

    def finish(self, clip: SynthesizedClip, chosen: Sequence[int]) -> PublishedClip:
        """Return some frames of a clip as they are to be shown; nothing is published yet.

        Args:
            chosen: numbers of the frames.
        """
        now_ns = self._node.get_clock().now().nanoseconds
        return clip.chosen_frames(chosen, now_ns, self._settings().watermark)

    def publish(self, clip: SynthesizedClip, chosen: Sequence[int]) -> PublishedClip:
        """Publish some frames of a clip, and in TF the frame of its camera if that moves.

        Waits as `CameraTopics.publish` does, or `publish_and_close` for a camera of one request,
        and returns the clip with its times.

        Args:
            chosen: numbers of the frames that are published.
        """
        finished, camera = self.finish(clip, chosen), clip.job.camera
        poses = clip.job.target.world_from_cam[list(chosen)]
        self._cameras.show_frames(camera.request, finished.stamps_ns, poses)
        if camera.is_temporary:
            return camera.topics.publish_and_close(finished)
        return camera.topics.publish(finished)

    def _options(self, job: ClipJob) -> SynthesisOptions:
        return replace(
            job.spec.options,
            scene_scale=self._settings().scene_scale,
            uncertainty_samples=job.camera.request.message.uncertainty_samples,
            depth=job.camera.topics.wants_depth and job.model.contract.sweep_weights,
        )


@contextmanager
def _excusing(ticket: Ticket, worker: Worker) -> Iterator[None]:
    """Note in a ticket what its turn is not charged for."""
    before_s = worker.excused_s
    try:
        yield
    except AnyviewError as error:
        ticket.is_excused = error.code == "worker_hung"
        raise
    finally:
        ticket.excused_s += worker.excused_s - before_s
