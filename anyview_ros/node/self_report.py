"""What the node says about itself on /diagnostics, each `diagnostics_period_s`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from anyview_ros import diagnostic_keys as keys
from anyview_ros.clips.intake.source_health import FAR_S, SourceStatus, with_clock_problems
from anyview_ros.node import diagnostics
from anyview_ros.node.active_inputs import ActiveInputs
from anyview_ros.node.clips.request_queue import RequestQueue
from anyview_ros.node.inference.served_model import ServedModel
from anyview_ros.node.lifecycle import ManagedNode
from anyview_ros.node.process_load import ProcessLoads
from anyview_ros.node.steady_clock import STEADY
from anyview_ros.node.streaming.streams import Streams
from anyview_ros.node.virtual.virtual_cameras import VirtualCameras


class SelfReport:
    """Publishes a status of each part, by a timer of its own.

    Args:
        node: publishes; its name is in each status.
        period_s: between two reports, on a steady clock.
        model, inputs, cameras, queue, streams: the parts.
    """

    def __init__(
        self,
        node: ManagedNode,
        period_s: float,
        model: ServedModel,
        inputs: ActiveInputs,
        cameras: VirtualCameras,
        queue: RequestQueue,
        streams: Streams,
    ) -> None:
        self._node = node
        self._model = model
        self._inputs = inputs
        self._cameras = cameras
        self._queue = queue
        self._streams = streams
        self._loads = ProcessLoads()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        group = MutuallyExclusiveCallbackGroup()
        node.create_timer(period_s, self._publish, group, clock=STEADY)

    def _publish(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        name = str(self._node.get_fully_qualified_name())
        message.status = [diagnostics.named(status, name) for status in self._statuses(name)]
        self._publisher.publish(message)

    def _statuses(self, name: str) -> Iterator[DiagnosticStatus]:
        nodes = self._node.get_fully_qualified_node_names()
        yield diagnostics.state_status(self._node.state, name, nodes)
        yield diagnostics.model_status(self._model)
        yield from self._input_statuses()
        yield diagnostics.requests_status(len(self._queue))
        yield from self._virtual_cameras()
        pressure = self._streams.back_pressure
        if pressure.calls or pressure.problem is not None:
            yield diagnostics.back_pressure_status(pressure)
        running = self._model.current
        pids = {keys.NODE: os.getpid(), keys.WORKER: running.worker.pid if running else None}
        yield diagnostics.load_status(pids, self._loads.measure(pids))

    def _input_statuses(self) -> Iterator[DiagnosticStatus]:
        inputs = self._inputs.current
        if inputs is None:
            return
        if inputs.without_effect:
            yield diagnostics.parameters_status(inputs.without_effect)
        tree, streams = inputs.tree, inputs.streams()
        yield diagnostics.tf_status(tree.implementation, len(tree.frames()), tree.problem)
        statuses = with_clock_problems([streams[name].status() for name in sorted(streams)])
        yield from self._clock_status(statuses)
        yield from map(diagnostics.camera_status, statuses)
        for name, refusal in inputs.refused.items():
            yield diagnostics.refused_camera_status(name, refusal)
        if not streams:
            yield diagnostics.no_camera_status()

    def _clock_status(self, statuses: Sequence[SourceStatus]) -> Iterator[DiagnosticStatus]:
        """Report the node's clock if it is far from that of the cameras."""
        stamps = [s.newest_stamp_ns for s in statuses if s.newest_stamp_ns is not None]
        behind_s = (self._node.get_clock().now().nanoseconds - max(stamps, default=0)) / 1e9
        if stamps and abs(behind_s) > FAR_S:
            simulated = bool(self._node.get_parameter("use_sim_time").value)
            has_clock = self._node.count_publishers("/clock") > 0
            yield diagnostics.clock_status(behind_s, simulated, has_clock)

    def _virtual_cameras(self) -> Iterator[DiagnosticStatus]:
        for camera in self._cameras.listed():
            name = camera.request.name
            yield diagnostics.virtual_camera_status(
                camera,
                self._queue.state_of(name),
                self._cameras.refused_pose(name),
                self._streams.status(name),
                self._inputs.streams().keys(),
            )
