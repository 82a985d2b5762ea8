"""A request from its arrival to its answer; `Synthesizer._answered` has all its steps in order."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from rclpy.node import Node

from anyview_ros.errors import AnyviewError
from anyview_ros.msg import ClipRequest, ClipResult
from anyview_ros.node.clips.clip_maker import ClipMaker
from anyview_ros.node.clips.clip_request import requested_camera, requested_clip
from anyview_ros.node.clips.request_queue import ONE_REQUEST, RequestQueue
from anyview_ros.node.clips.synthesized_clip import SynthesizedClip
from anyview_ros.node.inference.served_model import RunningModel, ServedModel
from anyview_ros.node.messages import image_message, time_message
from anyview_ros.node.virtual.publisher import PublishedClip
from anyview_ros.node.virtual.virtual_cameras import VirtualCamera, VirtualCameras


@dataclass(frozen=True)
class Stage:
    """How far a request is.

    Args:
        name: queue, condition, denoise, decode or publish.
        step, steps: denoiser calls done, and all of them.
        seconds_left: until the answer; 0 while it is not known.
    """

    name: str
    step: int
    steps: int
    seconds_left: float


OnStage = Callable[[Stage], None]


class Forecast:
    """Estimates the time left from the steps of this request and the decoding of the last one."""

    def __init__(self, decode_s: float) -> None:
        self._decode_s = decode_s
        self._denoise_began = 0.0

    def stage(self, name: str, step: int, steps: int) -> Stage:
        left = 0.0
        if name == "denoise" and step == 0:
            self._denoise_began = time.monotonic()
        elif name == "denoise":
            a_step = (time.monotonic() - self._denoise_began) / step
            left = a_step * (steps - step) + self._decode_s
        elif name == "decode":
            left = self._decode_s
        return Stage(name, step, steps, left)


class Synthesizer:
    """Answers requests for clips, from any thread.

    Args:
        node: its log.
        model: the model served.
        cameras: the virtual cameras.
        queue: the order of requests.
        maker: of the clips.
    """

    def __init__(
        self,
        node: Node,
        model: ServedModel,
        cameras: VirtualCameras,
        queue: RequestQueue,
        maker: ClipMaker,
    ) -> None:
        self._node = node
        self._model = model
        self._cameras = cameras
        self._queue = queue
        self._maker = maker
        self._last_decode_s = 0.0

    def answer(
        self,
        request: ClipRequest,
        cancel_requested: Callable[[], bool] = lambda: False,
        on_stage: OnStage = lambda stage: None,
    ) -> ClipResult:
        """Synthesize and publish a clip, and return the result.

        What a caller can cause is in the result; nothing is raised.
        """
        try:
            return self._answered(request, cancel_requested, on_stage)
        except AnyviewError as error:
            return ClipResult(success=False, code=error.code, message=error.message)
        except Exception as error:  # a bug must neither end the node nor leave the caller waiting
            if self._node.context.ok():  # else a signal has ended ROS, and all calls fail so
                self._node.get_logger().error(traceback.format_exc())
            return ClipResult(success=False, code="internal_error", message=repr(error))

    def _answered(
        self,
        request: ClipRequest,
        cancel_requested: Callable[[], bool],
        on_stage: OnStage,
    ) -> ClipResult:
        with ExitStack() as until_answered:
            name = request.camera.name
            share = name if self._cameras.is_added(name) else ONE_REQUEST
            ticket = until_answered.enter_context(self._queue.enter(name, cancel_requested, share))
            model = self._model.required(ticket.is_cancelled)
            spec = requested_clip(request, model.contract)
            camera = until_answered.enter_context(self._virtual_camera(request, model))
            job = self._maker.gather(
                spec, camera, ticket.is_cancelled, return_frames=request.return_frames
            )
            ticket.sources = job.names
            on_stage(Stage("queue", 0, 0, 0.0))
            self._queue.wait_turn(ticket)
            forecast = Forecast(self._last_decode_s)
            made = self._maker.make(
                job, ticket, lambda *progress: on_stage(forecast.stage(*progress))
            )
            self._queue.end_turn(ticket)  # what publishing takes is no time of the model's
            self._last_decode_s = made.synthesis.decode_s
            steps = made.synthesis.steps * max(1, camera.request.message.uncertainty_samples)
            on_stage(Stage("publish", steps, steps, 0.0))
            clip = self._published(made)
            return _result(clip, camera.request.frame_id if request.return_frames else "")

    def _published(self, made: SynthesizedClip) -> PublishedClip:
        """Publish a clip, unless its camera streams: then it is for the answer alone."""
        frames, camera = range(len(made.job.stamps_ns)), made.job.camera
        if camera.request.stream is not None and not camera.is_temporary:
            return self._maker.finish(made, frames)
        return self._maker.publish(made, frames)

    @contextmanager
    def _virtual_camera(self, request: ClipRequest, model: RunningModel) -> Iterator[VirtualCamera]:
        whole = requested_camera(request, model.contract)
        if whole is None:
            camera = self._cameras.named(request.camera.name)
            if camera.request.stream is not None and not request.return_frames:
                raise AnyviewError(
                    "camera_streams",
                    f"'{camera.request.name}' is continuous, and publishes a stamp at most once: "
                    "listen to its topics, or set return_frames to get this clip in the answer",
                )
            yield camera
        else:
            with self._cameras.for_one_request(whole, model.contract) as camera:
                yield camera


def _result(clip: PublishedClip, frame_id: str) -> ClipResult:
    """Return the answer to the caller; with the frames if their frame id is given."""
    frames = zip(clip.images, clip.stamps_ns, strict=True) if frame_id else ()
    return ClipResult(
        success=True,
        stamps=[time_message(stamp) for stamp in clip.stamps_ns],
        infos=[clip.provenance(k) for k in range(len(clip.stamps_ns))],
        frames=[image_message(image, stamp, frame_id) for image, stamp in frames],
    )
