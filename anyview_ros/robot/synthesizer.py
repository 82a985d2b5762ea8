"""A request from its arrival to its answer: who reads `Synthesizer._made` knows the node."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from rclpy.node import Node

from anyview_ros.engine.pipeline import Synthesis, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.msg import ClipRequest, ClipResult
from anyview_ros.robot.clip_sources import ClipGatherer, ClipSources
from anyview_ros.robot.made_clip import Made
from anyview_ros.robot.messages import image_message, time_message
from anyview_ros.robot.parameters import Settings
from anyview_ros.robot.publisher import SynthesizedClip
from anyview_ros.robot.request_queue import RequestQueue, Ticket
from anyview_ros.robot.requests import AskedCamera, AskedClip, asked_clip, check_answer_size
from anyview_ros.robot.served_model import RunningModel, ServedModel
from anyview_ros.robot.virtual_cameras import VirtualCamera, VirtualCameras


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
        node: its clock, and the namespace of the topics.
        model: the model served.
        cameras: the virtual cameras.
        queue: who is next.
        gatherer: the sources, as they are now.
        settings: the node's parameters, as they are now.
    """

    def __init__(
        self,
        node: Node,
        model: ServedModel,
        cameras: VirtualCameras,
        queue: RequestQueue,
        gatherer: Callable[[], ClipGatherer],
        settings: Callable[[], Settings],
    ) -> None:
        self._node = node
        self._model = model
        self._cameras = cameras
        self._queue = queue
        self._gatherer = gatherer
        self._settings = settings
        self._last_decode_s = 0.0

    def answer(
        self,
        request: ClipRequest,
        cancel_requested: Callable[[], bool] = lambda: False,
        on_stage: OnStage = lambda stage: None,
    ) -> ClipResult:
        """Synthesize, publish, and say what came of it; never raises what a caller can cause."""
        try:
            return self._made(request, cancel_requested, on_stage)
        except AnyviewError as error:
            return ClipResult(success=False, code=error.code, message=error.message)
        except Exception as error:  # a bug must neither end the node nor leave the caller waiting
            if self._node.context.ok():  # else a signal has ended ROS, and all calls fail so
                self._node.get_logger().error(traceback.format_exc())
            return ClipResult(success=False, code="internal_error", message=repr(error))

    def _made(
        self,
        request: ClipRequest,
        cancel_requested: Callable[[], bool],
        on_stage: OnStage,
    ) -> ClipResult:
        with ExitStack() as until_answered:
            ticket = until_answered.enter_context(
                self._queue.enter(request.camera.name, cancel_requested)
            )
            model = self._model.required()
            asked = asked_clip(request, model.contract)
            camera = until_answered.enter_context(self._virtual_camera(asked, model))
            sources = self._gatherer().gather(asked, camera.asked, ticket.is_cancelled)
            ticket.sources = tuple(sources.names)
            check_answer_size(sources.target.camera, len(sources.stamps_ns), asked.return_frames)
            on_stage(Stage("queue", 0, 0, 0.0))
            queue_s = self._queue.wait_turn(ticket)
            options = self._options(asked, camera.asked)
            synthesis = self._synthesized(options, sources, model, ticket, on_stage)
            made = Made(
                *(asked, camera.asked, sources, synthesis, synthesis.frames, model, queue_s)
            )
            clip = made.published(
                range(len(sources.stamps_ns)),
                camera.topics,
                self._node.get_clock().now().nanoseconds,
                self._settings().watermark,
            )
            poses = sources.target.world_from_cam
            self._cameras.show_frames(camera.asked, sources.stamps_ns, poses)
            steps = synthesis.steps * max(1, camera.asked.message.uncertainty_samples)
            on_stage(Stage("publish", steps, steps, 0.0))
            if asked.camera is None and camera.asked.stream is None:
                camera.topics.publish(clip)
            elif asked.camera is not None:
                camera.topics.publish_and_close(clip)
            return _result(clip, camera.asked.frame_id if asked.return_frames else "")

    @contextmanager
    def _virtual_camera(self, asked: AskedClip, model: RunningModel) -> Iterator[VirtualCamera]:
        if asked.camera is None:
            camera = self._cameras.named(asked.camera_name)
            if camera.asked.stream is not None and not asked.return_frames:
                raise AnyviewError(
                    "camera_streams",
                    f"'{asked.camera_name}' is continuous, and publishes a stamp at most once: "
                    "listen to its topics, or set return_frames to get this clip in the answer",
                )
            yield camera
        else:
            with self._cameras.for_one_request(asked.camera, model.contract) as camera:
                yield camera

    def _options(self, asked: AskedClip, camera: AskedCamera) -> SynthesisOptions:
        return replace(
            asked.options,
            scene_scale=self._settings().scene_scale,
            uncertainty_samples=camera.message.uncertainty_samples,
        )

    def _synthesized(
        self,
        options: SynthesisOptions,
        sources: ClipSources,
        model: RunningModel,
        ticket: Ticket,
        on_stage: OnStage,
    ) -> Synthesis:
        forecast = Forecast(self._last_decode_s)
        try:
            synthesis = model.worker.synthesize(
                sources.clips,
                sources.target,
                options,
                lambda *progress: on_stage(forecast.stage(*progress)),
                ticket.is_cancelled,
            )
        except AnyviewError:
            if not ticket.is_cancelled():
                raise
        if ticket.is_cancelled():  # perhaps after the last step: then nothing is published either
            raise ticket.reason()
        self._last_decode_s = synthesis.decode_s
        return synthesis


def _result(clip: SynthesizedClip, frame_id: str) -> ClipResult:
    """The answer; with the frames when their frame id is given."""
    frames = zip(clip.images, clip.stamps_ns, strict=True) if frame_id else ()
    return ClipResult(
        success=True,
        stamps=[time_message(stamp) for stamp in clip.stamps_ns],
        infos=clip.infos,
        frames=[image_message(image, stamp, frame_id) for image, stamp in frames],
    )
