"""All continuous cameras: one thread makes their clips, in turns by their shares of the model."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from rclpy.node import Node

from anyview_ros.clips.clip_windows import ClipShape, Window
from anyview_ros.clips.streaming.stream import Stream, StreamStatus
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.clip_maker import ClipMaker
from anyview_ros.node.clips.request_queue import RequestQueue, Ticket
from anyview_ros.node.clips.synthesized_clip import SynthesizedClip
from anyview_ros.node.inference.served_model import ServedModel
from anyview_ros.node.parameters import Settings
from anyview_ros.node.streaming.back_pressure import BackPressure
from anyview_ros.node.virtual.virtual_cameras import VirtualCamera, VirtualCameras

POLL_S = 0.05  # how late what no frame announces is noticed: transforms, room in a queue, the end
WARN_PERIOD_S = 5.0


class Streams:
    """Publishes the virtual cameras that have a rate, from a thread of its own.

    Nothing waits in that thread but the model: a camera whose transforms or frames are not there
    yet is passed over, so that it stalls no other.

    Args:
        node: its clock, and its log.
        model: the model served.
        cameras: the virtual cameras; their changes are watched.
        queue: of the requests, with which the streams take turns.
        maker: of the clips.
        settings: the node's parameters, as they are now.
    """

    def __init__(
        self,
        node: Node,
        model: ServedModel,
        cameras: VirtualCameras,
        queue: RequestQueue,
        maker: ClipMaker,
        settings: Callable[[], Settings],
    ) -> None:
        self._node = node
        self._model = model
        self._cameras = cameras
        self._queue = queue
        self._maker = maker
        self._settings = settings
        self._changed = threading.Condition()
        self._contract: Contract | None = None  # of the model for which these were made
        self._streams: dict[str, Stream] = {}
        self._ends: dict[tuple[str, ...], int] = {}  # of the last live clip of these sources
        self.back_pressure = BackPressure(node, settings, self._hold_back)
        self._closing = False
        cameras.watch(self._on_cameras)
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
        self._thread.start()

    def note(self, source: str, stamp_ns: int, is_changed: bool) -> None:
        """Take a note that a frame of a source camera was stored; for any thread, never waits.

        Args:
            is_changed: whether it is the first of another calibration.
        """
        for stream in self._now().values():
            stream.note(source, stamp_ns, is_changed)
        self._hold_back()  # here too: the other thread may be busy with a clip
        with self._changed:
            self._changed.notify_all()

    def forget_times(self, reason: str) -> None:
        """Begin a new epoch of every stream: the clock jumped, or the inputs ended.

        Args:
            reason: code under which frames without an answer are counted.
        """
        with self._changed:
            self._ends.clear()
        for stream in self._now().values():
            stream.forget_times(reason)

    def status(self, camera: str) -> StreamStatus | None:
        """Return the status of a virtual camera, None if it is not continuous."""
        stream = self._now().get(camera)
        return stream.status() if stream is not None else None

    def close(self) -> None:
        """End the thread; a clip that is being made is ended by its ticket."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self.back_pressure.close()

    def _now(self) -> dict[str, Stream]:
        return self._streams  # replaced whole: readers need no lock

    def _on_cameras(self) -> None:
        """Make, change and drop streams, after a change of the cameras or of the model."""
        model = self._model.current
        with self._changed:
            known = self._streams
            if model is not None and model.contract != self._contract:
                known, self._contract = {}, model.contract
            streams: dict[str, Stream] = {}
            for request in (camera.request for camera in self._cameras.listed()):
                if request.stream is None:
                    continue
                stream = known.get(request.name)
                if stream is None and model is not None:
                    stream = self._stream(request, model.contract)
                if stream is not None:
                    stream.change(request)
                    streams[request.name] = stream
            self._streams = streams  # without a model none are added, but some may be gone
            self._changed.notify_all()

    def _stream(self, request: CameraRequest, contract: Contract) -> Stream:
        patience_s = self._settings().tf_timeout_s
        return Stream(request, contract, patience_s, self.back_pressure.now_ns)

    def _run(self) -> None:
        while not self._closing:
            try:
                model = self._model.current
                if model is not None and model.contract != self._contract:
                    self._on_cameras()
                if due := self._due():
                    self._take_turn(due)
                self._hold_back()
                with self._changed:
                    if not self._closing and not self._due():
                        self._changed.wait(POLL_S)
            except Exception:
                if not self._node.context.ok():
                    return  # a signal has ended ROS in this process
                self._node.get_logger().error(traceback.format_exc())
                time.sleep(POLL_S)

    def _hold_back(self) -> None:
        model = self._model.current
        if model is None:
            if not self._model.loading:
                self.back_pressure.release()
            return
        lossless = [stream for stream in self._now().values() if stream.request.lossless]
        backlogs = [stream.backlog_at_work() for stream in lossless]
        self.back_pressure.regulate(backlogs, ClipShape.of(model.contract))

    def _due(self) -> dict[str, Stream]:
        """Return the streams whose next clip can be made now, by name."""
        due: dict[str, Stream] = {}
        for name, stream in self._now().items():
            with suppress(AnyviewError):  # it is being removed
                has_room = self._cameras.named(name).topics.has_room
                if has_room and (stream.wants_source() or self._window(stream) is not None):
                    due[name] = stream
        return due if self._model.current is not None else {}

    def _window(self, stream: Stream, join_ns: int = 0) -> Window | None:
        """Return the clip that a stream would make now."""
        return stream.window(self._has_ended(stream), join_ns, turns=len(self._now()))

    def _has_ended(self, stream: Stream) -> bool:
        """Return whether no further frame of a stream's source is waited for."""
        return stream.quiet_s() > self._settings().flush_s

    def _take_turn(self, due: Mapping[str, Stream]) -> None:
        """Make one clip of the stream that is next, once the model is free."""
        entered = self._queue.enter_stream(lambda: self._closing, _priorities(due))
        with suppress(AnyviewError), entered as ticket:
            self._queue.wait_turn(ticket)
            due = self._due()
            if not due:
                return
            name = self._queue.choose_again(ticket, _priorities(due))
            try:
                self._serve(due[name], self._cameras.named(name), ticket)
            except AnyviewError:
                raise  # it was removed meanwhile
            except Exception as error:  # a bug must not keep the others from their turns
                due[name].rest(AnyviewError("internal_error", repr(error)))
                raise

    def _serve(self, stream: Stream, camera: VirtualCamera, ticket: Ticket) -> None:
        try:
            request, chosen = self._with_sources(stream, camera.request)
        except AnyviewError as error:
            stream.rest(error)
            return
        ticket.sources = chosen
        camera = replace(camera, request=request)
        window = self._window(stream, self._ends.get(chosen, 0))
        if window is None:
            return
        started, started_ns = time.monotonic(), self._node.get_clock().now().nanoseconds
        try:
            if self._maker.start_process(ticket):  # which takes longer than a clip
                window = self._window(stream) or window
            made = self._make_clip(stream, window, camera, chosen, ticket)
        except AnyviewError as error:
            if (
                ticket.is_cancelled() or not self._node.context.ok()
            ):  # the reason is reported elsewhere
                stream.record_failure(window, ticket.reason())
                return
            if stream.record_failure(window, error):
                self._node.get_logger().warning(
                    f"a clip of '{request.name}' was not made: {error.message}",
                    throttle_duration_sec=WARN_PERIOD_S,
                )
            return
        if not stream.request.lossless:
            self._ends[chosen] = made.job.stamps_ns[-1]
        self._publish(stream, window, made)
        model_s = made.synthesis.model_s
        stream.record_times(made.age_s(started_ns), model_s, time.monotonic() - started - model_s)

    def _with_sources(
        self, stream: Stream, request: CameraRequest
    ) -> tuple[CameraRequest, tuple[str, ...]]:
        """Return the camera, and the sources of its next clip.

        A lossless one keeps its first choice as if it had been named, and its memory to it.
        """
        if not request.sources and (stream.wants_source() or not stream.request.lossless):
            shape = ClipShape.of(self._model.required().contract)
            newest = Window(end_ns=0).spec(shape)
            stream.follow(self._maker.choose(newest, request, _at_once, stream.source))
        chosen = request.sources or stream.sources
        return replace(request, sources=chosen) if stream.request.lossless else request, chosen

    def _make_clip(
        self,
        stream: Stream,
        window: Window,
        camera: VirtualCamera,
        chosen: tuple[str, ...],
        ticket: Ticket,
    ) -> SynthesizedClip:
        """Have the clip of a window made, continuing the one before where it can."""
        spec = window.spec(ClipShape.of(self._model.required().contract))
        in_vain = stream.waits_in_vain(window, self._has_ended(stream))
        job = self._maker.gather(spec, camera, _at_once, chosen, leave_out_late=in_vain)
        stream.note_complete()
        ticket.sources = job.names
        size = job.target.camera.height, job.target.camera.width
        before = stream.previous_frames(window, job.stamps_ns, size)
        return self._maker.make(job, ticket, before=before)

    def _publish(self, stream: Stream, window: Window, made: SynthesizedClip) -> None:
        age_s = made.age_s(self._node.get_clock().now().nanoseconds)
        chosen = stream.accept(window, made.job.stamps_ns, made.synthesis.frames, age_s)
        if chosen:
            self._maker.publish(made, chosen)


def _priorities(streams: Mapping[str, Stream]) -> dict[str, int]:
    return {name: stream.request.priority for name, stream in streams.items()}


def _at_once() -> bool:
    """Return True, which cancels every wait: what is not there yet is tried again."""
    return True
