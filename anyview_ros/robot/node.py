"""The node `anyview`: loads a model, listens to cameras, answers for those that are not there."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.parameter import Parameter

from anyview_ros.errors import AnyviewError
from anyview_ros.robot import diagnostics, parameters
from anyview_ros.robot.allocator import keep_freed_memory
from anyview_ros.robot.clip_sources import ClipGatherer
from anyview_ros.robot.frustums import DrawnCamera, Frustums, drawn_cameras
from anyview_ros.robot.inputs import STEADY, Inputs
from anyview_ros.robot.lifecycle import INACTIVE, ManagedNode
from anyview_ros.robot.process_load import ProcessLoads
from anyview_ros.robot.request_queue import MAX_WAITING, RequestQueue
from anyview_ros.robot.served_model import LOAD_WAIT_S, ServedModel
from anyview_ros.robot.services import Services
from anyview_ros.robot.source_choice import Choice
from anyview_ros.robot.stream import CLOCK_JUMPED
from anyview_ros.robot.streams import Streams
from anyview_ros.robot.synthesizer import Synthesizer
from anyview_ros.robot.virtual_cameras import VirtualCameras

# Blocked at most: all requests there may be, one caller about virtual cameras and one transition.
# Free: one for diagnostics, one to answer "busy", two for hands: poses and markers.
SERVICE_THREADS = (1 + MAX_WAITING) + 2 + 4
DIAGNOSTICS_PERIOD_S = 1.0


class Anyview:
    """Composes the parts. States: load / unload the model, start / stop listening.

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
        self._model = ServedModel()
        self._inputs: Inputs | None = None
        self._choices: dict[str, Choice] = {}  # by virtual camera, the last of each
        self._settled = threading.Event()  # once the node has become active, if it does by itself
        self._queue = RequestQueue()
        self._cameras = VirtualCameras(
            node,
            self._settings.fixed_frame,
            tree_frames=lambda: self._listening().tree.frames(),
            source_names=lambda: tuple(self._listening().streams()),
            world_from=self._world_from,
            newest_ns=self._newest_ns,
            max_cameras=lambda: self._settings.max_virtual_cameras,
        )
        synthesizer = Synthesizer(
            *(node, self._model, self._cameras, self._queue),
            gatherer=self._gatherer,
            settings=lambda: self._settings,
        )
        self._streams = Streams(
            *(node, self._model, self._cameras, self._queue),
            gatherer=self._gatherer,
            settings=lambda: self._settings,
        )
        self._services = Services(
            *(node, self._model, self._cameras, self._queue, synthesizer),
            fixed=lambda: self._listening().fixed,
        )
        self._loads = ProcessLoads()
        self._frustums = Frustums(node, self._drawn, self._scene_scale, STEADY)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(
            DIAGNOSTICS_PERIOD_S,
            self._publish_diagnostics,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=STEADY,
        )
        self._jumps = node.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._on_clock_jump,
        )
        node.add_on_set_parameters_callback(_allowed)
        node.add_post_set_parameters_callback(self._on_parameters)

    def load(self) -> None:
        """Load the model.

        Raises:
            AnyviewError: why it cannot run; whoever needs it is told so from then on.
        """
        running = self._model.load(self._settings.model, self._settings.provider)
        self._node.get_logger().info(f"model {running.package.path} on {running.worker.provider}")

    def start(self) -> None:
        """Subscribe to TF and the cameras.

        Raises:
            AnyviewError: `no_model`, `invalid_parameter`.
        """
        for camera in self._settings.cameras:
            parameters.declare_camera(self._node, camera)
        contract = self._model.required().contract
        self._inputs = Inputs(
            *(self._node, self._settings, contract, self._on_camera_jump),
            on_frame=self._streams.note,
            now_ns=self._streams.back_pressure.now_ns,
        )

    def stop(self, reason: AnyviewError) -> None:
        """End requests and subscriptions; virtual cameras stay."""
        inputs, self._inputs = self._inputs, None
        if inputs is not None:
            inputs.close()
        self._streams.forget_times(reason.code)
        self._queue.abort(reason)

    def unload(self) -> None:
        """End the inference process."""
        self._model.unload()

    def follow_autostart(self) -> None:
        """Begin to become active, unless the parameter leaves that to others; returns at once."""

        def start() -> None:
            if self._settings.autostart:
                self._node.autostart()
            else:
                self._model.unload()  # who asks for it need not wait
            self._settled.set()

        threading.Thread(target=start, name="autostart", daemon=True).start()

    def close(self) -> None:
        """Leave nothing behind: no process, no waiting thread."""
        self.stop(AnyviewError("shutting_down", "the node is shutting down"))
        self.unload()
        self._streams.close()
        self._cameras.close()

    def _listening(self) -> Inputs:
        """The inputs; waits while the node is about to have some.

        Raises:
            AnyviewError: `no_model`, `inactive`.
        """
        self._settled.wait(LOAD_WAIT_S)
        inputs = self._inputs
        if inputs is None:
            self._model.required()  # says why there is none
            raise AnyviewError("inactive", f"the node is {self._node.state}; {INACTIVE}")
        return inputs

    def _world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        inputs = self._inputs
        if inputs is None:
            raise AnyviewError("no_sources", "the node is not listening to TF; ask again")
        return inputs.fixed.world_from(frame, stamp_ns)

    def _newest_ns(self) -> int:
        """Stamp of the newest source image, 0 when there is none."""
        inputs = self._inputs
        streams = inputs.streams().values() if inputs is not None else ()
        return max((stream.buffer.newest_ns or 0 for stream in streams), default=0)

    def _gatherer(self) -> ClipGatherer:
        inputs, contract = self._listening(), self._model.required().contract
        return ClipGatherer(
            *(inputs.streams, inputs.fixed, contract, self._scene_scale()),
            on_choice=self._note_choice,
        )

    def _scene_scale(self) -> float:
        """That of the parameter or the model; 1 while there is neither."""
        running = self._model.current
        return self._settings.scene_scale or (running.contract.scene_scale if running else 1.0)

    def _drawn(self) -> list[DrawnCamera]:
        inputs = self._inputs
        streams = inputs.streams() if inputs is not None else {}
        return drawn_cameras(streams, self._cameras.listed(), self._choices)

    def _note_choice(self, camera: str, choice: Choice) -> None:
        there = {asked.name for asked in self._cameras.listed()}
        kept = {name: known for name, known in self._choices.items() if name in there}
        self._choices = {**kept, camera: choice}

    def _on_parameters(self, changed: Sequence[Parameter]) -> None:
        self._settings = parameters.declare(self._node)
        for parameter in changed:
            if when := parameters.postponed(parameter.name):
                self._node.get_logger().info(f"parameter '{parameter.name}': {when}")

    def _on_clock_jump(self, jump: TimeJump) -> None:
        if jump.delta.nanoseconds < 0:
            reason = f"the clock jumped back by {-jump.delta.nanoseconds / 1e9:.3f} s"
        else:
            reason = "the clock changed between system and simulated time"
        inputs = self._inputs
        if inputs is not None:
            inputs.reset(reason)
        self._cameras.forget_times()
        self._streams.forget_times(CLOCK_JUMPED)
        self._queue.abort(_clock_jumped(reason))  # buffers are cleared by now: it saw the old time

    def _on_camera_jump(self, camera: str, reason: str) -> None:
        """Without /clock a looped recording shows in the stamps of each camera only."""
        self._cameras.forget_times()
        self._queue.abort(_clock_jumped(f"camera '{camera}': {reason}"), source=camera)

    def _publish_diagnostics(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        statuses = diagnostics.all_of(
            *(self._model, self._inputs, self._cameras, self._queue, self._streams),
            choices=self._choices,
        )
        whole = [self._state_status(), *statuses, self._load_status()]
        message.status = diagnostics.named(whole, self._full_name)
        self._diagnostics.publish(message)

    @property
    def _full_name(self) -> str:
        return str(self._node.get_fully_qualified_name())

    def _state_status(self) -> DiagnosticStatus:
        names = self._node.get_fully_qualified_node_names()
        return diagnostics.state_status(self._node.state, self._full_name, names)

    def _load_status(self) -> DiagnosticStatus:
        running = self._model.current
        pids = {"node": os.getpid(), "worker": running.worker.pid if running else None}
        return diagnostics.load_status(pids, self._loads.look(pids))


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
    keep_freed_memory()
    rclpy.init(args=list(arguments) if arguments is not None else None)
    try:
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            _run_unless_ros_ends()
    except AnyviewError as error:
        sys.exit(f"error [{error.code}]: {error}")
    finally:
        rclpy.try_shutdown()


def _run_unless_ros_ends() -> None:
    """A signal may end ROS while the node is being made: rclpy has many errors for that."""
    try:
        _run()
    except AnyviewError:
        raise
    except Exception:
        if rclpy.ok():
            raise


def _run() -> None:
    node = ManagedNode("anyview")
    anyview = Anyview(node)
    executor = MultiThreadedExecutor(SERVICE_THREADS)
    executor.add_node(node)
    anyview.follow_autostart()
    try:
        while rclpy.ok():
            # rclpy (Jazzy) raises this out of the wait when a topic is closed meanwhile.
            with suppress(InvalidHandle):
                executor.spin()
    finally:
        anyview.close()


if __name__ == "__main__":
    main()
