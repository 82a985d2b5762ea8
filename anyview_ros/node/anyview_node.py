"""The node `anyview`: loads a model, subscribes to cameras, and makes images of virtual ones."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.executors import MultiThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from anyview_ros.clips.streaming.stream import CLOCK_JUMPED
from anyview_ros.errors import AnyviewError
from anyview_ros.node import parameters
from anyview_ros.node.active_inputs import ActiveInputs
from anyview_ros.node.clips.clip_maker import ClipMaker
from anyview_ros.node.clips.request_queue import RequestQueue
from anyview_ros.node.clips.synthesizer import Synthesizer
from anyview_ros.node.frustums import DrawnCamera, Frustums, drawn_cameras
from anyview_ros.node.inference.served_model import ServedModel
from anyview_ros.node.lifecycle import ManagedNode
from anyview_ros.node.log_folder import provide_log_folder
from anyview_ros.node.ros_arguments import named_errors
from anyview_ros.node.self_report import SelfReport
from anyview_ros.node.services import Services
from anyview_ros.node.signals import ENDING, ignore_further_signals
from anyview_ros.node.sources.inputs import Inputs
from anyview_ros.node.sources.intake_settings import intake_config
from anyview_ros.node.spinning import spin
from anyview_ros.node.stale_segments import remove_stale_segments
from anyview_ros.node.steady_clock import STEADY
from anyview_ros.node.streaming.streams import Streams
from anyview_ros.node.virtual.virtual_cameras import VirtualCameras
from anyview_ros.signatures import check_signature

# Beside those that requests block: one caller about virtual cameras and one transition may block
# theirs; free are one for diagnostics, one to answer "busy", two for steering: poses and markers.
OTHER_THREADS = 2 + 4

WAITING = "autostart is off: waiting for `ros2 lifecycle set` to configure and activate the node"


class Anyview:
    """Composes the parts. States: load / unload the model, start / stop its inputs.

    Args:
        node: has no parameter, service or topic of ours yet; its transitions call us.

    Raises:
        AnyviewError: `invalid_parameter`.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        node.manage(self)
        self._settings = parameters.declare(node)
        for camera in self._settings.cameras:
            parameters.declare_camera(node, camera)  # a bad one ends the node, with its text
        policy, key = self._settings.model_signature, self._settings.model_key
        self._model = ServedModel(
            step_timeout_s=lambda: self._settings.step_timeout_s,
            check=lambda package: check_signature(package, policy, key),
        )
        self._model_changes = threading.Lock()  # one at a time
        self._queue = RequestQueue(self._settings.max_waiting_requests)
        self._inputs = ActiveInputs(node, self._model, self._settings_now)
        self._cameras = VirtualCameras(node, self._inputs, self._settings_now)
        maker = ClipMaker(
            node,
            self._cameras,
            model=self._model.required,
            gatherer=self._inputs.gatherer,
            settings=self._settings_now,
        )
        self._streams = Streams(
            node=node,
            model=self._model,
            cameras=self._cameras,
            queue=self._queue,
            maker=maker,
            settings=self._settings_now,
        )
        synthesizer = Synthesizer(
            node=node, model=self._model, cameras=self._cameras, queue=self._queue, maker=maker
        )
        self._services = Services(
            node=node,
            model=self._model,
            inputs=self._inputs,
            cameras=self._cameras,
            queue=self._queue,
            synthesizer=synthesizer,
        )
        self._report = SelfReport(
            node=node,
            period_s=self._settings.diagnostics_period_s,
            model=self._model,
            inputs=self._inputs,
            cameras=self._cameras,
            queue=self._queue,
            streams=self._streams,
        )
        self._frustums = Frustums(node, self._drawn, self._inputs.scene_scale, STEADY)
        self._jumps = node.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._on_clock_jump,
        )
        node.add_on_set_parameters_callback(_allowed)
        node.add_post_set_parameters_callback(self._on_parameters)

    @property
    def threads(self) -> int:
        """Return how many threads answer: one of them is free whatever requests do.

        A request runs, others wait, and as many may have lost their place and not ended yet.
        """
        return 1 + 2 * self._settings.max_waiting_requests + OTHER_THREADS

    def load(self) -> None:
        """Load the model.

        Raises:
            AnyviewError: why it cannot run; `ServedModel.required` repeats it from then on.
        """
        self._load(lambda: None)

    def _load(self, make_way: Callable[[], object]) -> None:
        running = self._model.load(self._settings.model, self._settings.provider, make_way)
        self._cameras.follow(running.contract)
        if refused := self._model.refused:
            self._node.get_logger().error(refused.message)
        if running.distrust:
            self._node.get_logger().warning(running.distrust.message)
        self._node.get_logger().info(f"model {running.package.path} on {running.worker.provider}")

    def _change_model(self) -> None:
        """Serve the model that the parameters name now, on a thread: that takes up to minutes."""
        try:
            with self._model_changes:
                with ExitStack() as swap:
                    with self._node.unchanged(self._node.context.ok):
                        loaded = self._node.state in ("inactive", "active")
                    if loaded:
                        self._load(lambda: swap.enter_context(self._paused()))
                with self._node.unchanged(self._node.context.ok):
                    # A change before may have left the node without a model, and so without inputs.
                    if self._node.state == "active" and self._inputs.current is None:
                        self.start()
        except AnyviewError as error:
            if self._node.context.ok():
                self._node.get_logger().error(f"the model was not changed: {error.message}")

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """End requests and inputs, block transitions meanwhile, and subscribe again afterwards."""
        with self._node.unchanged(lambda: self._model.current is not None):
            was_active = self._inputs.current is not None
            self._inputs.mark_pending()
            self.stop(AnyviewError("model_changed", "another model was loaded; ask again"))
            try:
                yield
                if was_active:
                    self.start()
            finally:
                self._inputs.mark_ready()

    def start(self) -> None:
        """Subscribe to TF and the cameras.

        Raises:
            AnyviewError: `no_model`, `invalid_parameter`.
        """
        for camera in self._settings.cameras:
            parameters.declare_camera(self._node, camera)
        contract = self._model.required().contract
        self._inputs.current = Inputs(
            node=self._node,
            settings=self._settings,
            config=intake_config(self._settings, contract),
            on_epoch=self._on_camera_jump,
            on_frame=self._streams.note,
            now_ns=self._streams.back_pressure.now_ns,
        )

    def stop(self, reason: AnyviewError) -> None:
        """End requests and subscriptions; virtual cameras stay."""
        self._inputs.close()
        self._streams.forget_times(reason.code)
        self._queue.abort(reason)

    def unload(self) -> None:
        """End the inference process and free the model's memory."""
        self._model.unload()

    def follow_autostart(self) -> None:
        """Begin to become active, unless the parameter leaves that to others; returns at once."""

        def start() -> None:
            try:
                if self._settings.autostart:
                    self._node.autostart()
                else:
                    self._node.get_logger().info(WAITING)
                    self._model.leave_unloaded()
            except Exception:
                if self._node.context.ok():  # else a signal has ended ROS meanwhile
                    raise
            finally:
                self._inputs.mark_ready()

        threading.Thread(target=start, name="autostart", daemon=True).start()

    def release_source(self) -> None:
        """Resume a player that stands because of us; while ROS is up."""
        self._streams.back_pressure.close()

    def close(self) -> None:
        """End the process, every thread and every topic of the node."""
        self.stop(AnyviewError("shutting_down", "the node is shutting down"))
        self.unload()
        self._streams.close()
        self._cameras.close()

    def _drawn(self) -> list[DrawnCamera]:
        return drawn_cameras(self._inputs.streams(), self._cameras.in_tf())

    def _settings_now(self) -> parameters.Settings:
        return self._settings

    def _on_parameters(self, changed: Sequence[Parameter]) -> None:
        self._settings = parameters.declare(self._node)
        for parameter in changed:
            if when := parameters.postponed(parameter.name):
                self._node.get_logger().info(f"parameter '{parameter.name}': {when}")
        if {"model", "provider"} & {parameter.name for parameter in changed}:
            threading.Thread(target=self._change_model, name="model", daemon=True).start()

    def _on_clock_jump(self, jump: TimeJump) -> None:
        if jump.delta.nanoseconds < 0:
            reason = f"the clock jumped back by {-jump.delta.nanoseconds / 1e9:.3f} s"
        else:
            reason = "the clock changed between system and simulated time"
        inputs = self._inputs.current
        if inputs is not None:
            inputs.reset(reason)
        self._cameras.forget_times()
        self._streams.forget_times(CLOCK_JUMPED)
        self._queue.abort(_clock_jumped(reason))  # buffers are cleared by now: it saw the old time

    def _on_camera_jump(self, camera: str, reason: str) -> None:
        """Abort requests that use a camera whose stamps jumped back.

        Without /clock a looped recording shows in the stamps of each camera only.
        """
        self._cameras.forget_times()
        self._queue.abort(_clock_jumped(f"camera '{camera}': {reason}"), source=camera)


def _allowed(changed: Sequence[Parameter]) -> SetParametersResult:
    reason = next(filter(None, map(parameters.refusal, changed)), "")
    return SetParametersResult(successful=not reason, reason=reason)


def _clock_jumped(reason: str) -> AnyviewError:
    return AnyviewError(CLOCK_JUMPED, f"{reason}; ask again")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the node until SIGINT or SIGTERM.

    Raises:
        SystemExit: with status 1 after a named error.
    """
    stop = _stop_on_signals()
    remove_stale_segments()
    provide_log_folder()
    try:
        with named_errors():
            rclpy.init(
                args=list(arguments) if arguments is not None else None,
                signal_handler_options=SignalHandlerOptions.NO,
            )
        _run(stop)
    except AnyviewError as error:
        sys.exit(f"error [{error.code}]: {error}")
    finally:
        rclpy.try_shutdown()


def _stop_on_signals() -> SimpleQueue[None]:
    """Return what SIGINT and SIGTERM put an entry into.

    rclpy's own handlers end ROS at once, before a paused player is resumed. A queue of this kind
    may be filled by a handler at any time; an Event would wait for itself in the midst of `wait`.
    """
    stop: SimpleQueue[None] = SimpleQueue()
    for number in ENDING:
        signal.signal(number, lambda *_: stop.put(None))
    return stop


def _run(stop: SimpleQueue[None]) -> None:
    node = ManagedNode("anyview")
    anyview = Anyview(node)
    executor = MultiThreadedExecutor(anyview.threads)
    executor.add_node(node)
    with ThreadPoolExecutor(1, thread_name_prefix="executor") as pool:
        spinning = pool.submit(spin, executor)
        spinning.add_done_callback(lambda _: stop.put(None))
        anyview.follow_autostart()
        try:
            stop.get()
            ignore_further_signals()
            anyview.release_source()
        finally:
            rclpy.try_shutdown()  # wakes the executor, and ends waiting in callbacks
            anyview.close()
        spinning.result()
