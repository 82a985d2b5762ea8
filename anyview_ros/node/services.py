"""The node's services and its action: each callback asks one object and fills in the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile

from anyview_ros.action import SynthesizeClip
from anyview_ros.clips.virtual.camera_request import CameraRequest, camera_request
from anyview_ros.errors import AnyviewError
from anyview_ros.node.active_inputs import ActiveInputs
from anyview_ros.node.clips.request_queue import RequestQueue
from anyview_ros.node.clips.synthesizer import Stage, Synthesizer
from anyview_ros.node.inference.served_model import ServedModel
from anyview_ros.node.virtual.steering import message_now
from anyview_ros.node.virtual.virtual_cameras import VirtualCameras
from anyview_ros.srv import (
    AddVirtualCamera,
    ListVirtualCameras,
    RemoveVirtualCamera,
    Synthesize,
    UpdateVirtualCamera,
)

DEPTH = 256  # calls at once that are answered, if with `busy`; ROS's default loses all but 10
RESULT_TIMEOUT_S = 10  # how long the middleware keeps an answer, which may hold 16 MB


class Services:
    """Everything under `~/`.

    Requests for clips block their thread, several at a time; those about virtual cameras are
    short and come one after the other.

    Args:
        node: offers them.
        model: the model served.
        inputs: the frames that cameras are placed in.
        cameras: the virtual cameras.
        queue: of the requests.
        synthesizer: answers requests for clips.
    """

    def __init__(
        self,
        node: Node,
        model: ServedModel,
        inputs: ActiveInputs,
        cameras: VirtualCameras,
        queue: RequestQueue,
        synthesizer: Synthesizer,
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._cameras = cameras
        self._queue = queue
        self._synthesizer = synthesizer
        short, long = MutuallyExclusiveCallbackGroup(), ReentrantCallbackGroup()
        qos = QoSProfile(depth=DEPTH)  # reliable and volatile, as of services
        for service_type, name, callback, group in (
            (AddVirtualCamera, "add_virtual_camera", self._add, short),
            (UpdateVirtualCamera, "update_virtual_camera", self._update, short),
            (RemoveVirtualCamera, "remove_virtual_camera", self._remove, short),
            (ListVirtualCameras, "list_virtual_cameras", self._list, short),
            (Synthesize, "synthesize", self._synthesize, long),
        ):
            node.create_service(
                service_type, f"~/{name}", callback, qos_profile=qos, callback_group=group
            )
        self._action = ActionServer(
            node,
            SynthesizeClip,
            "~/synthesize_clip",
            self._execute,
            callback_group=long,
            goal_service_qos_profile=qos,
            result_service_qos_profile=qos,
            cancel_service_qos_profile=qos,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
            result_timeout=RESULT_TIMEOUT_S,
        )

    def _add(self, request: Any, response: Any) -> Any:
        def add() -> None:
            contract = self._model.required().contract
            self._cameras.add(self._checked(request.camera), contract)

        return _answered(response, add)

    def _update(self, request: Any, response: Any) -> Any:
        def update() -> None:
            self._cameras.named(request.camera.name)
            self._cameras.update(self._checked(request.camera))

        return _answered(response, update)

    def _remove(self, request: Any, response: Any) -> Any:
        def remove() -> None:
            reason = AnyviewError("camera_removed", f"'{request.name}' was removed")
            self._cameras.remove(request.name, lambda: self._queue.abort(reason, request.name))

        return _answered(response, remove)

    def _list(self, request: Any, response: Any) -> Any:
        cameras = [camera.request for camera in self._cameras.listed()]
        response.cameras = [message_now(camera) for camera in cameras]
        response.states = [self._state_of(camera) for camera in cameras]
        return response

    def _state_of(self, camera: CameraRequest) -> str:
        state = self._queue.state_of(camera.name)
        return "streaming" if camera.stream is not None and state == "idle" else state

    def _synthesize(self, request: Any, response: Any) -> Any:
        response.result = self._synthesizer.answer(request.request)
        return response

    def _execute(self, goal: ServerGoalHandle) -> Any:
        def on_stage(stage: Stage) -> None:
            goal.publish_feedback(
                SynthesizeClip.Feedback(
                    stage=stage.name,
                    step=stage.step,
                    steps=stage.steps,
                    clip=1,  # a request is one clip in this version
                    clips=1,
                    seconds_left=stage.seconds_left,
                )
            )

        result = self._synthesizer.answer(
            goal.request.request, lambda: goal.is_cancel_requested, on_stage
        )
        if result.success:
            goal.succeed()
        elif goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return SynthesizeClip.Result(result=result)

    def _checked(self, message: Any) -> CameraRequest:
        camera = camera_request(message, self._model.required().contract)
        for frame in camera.placement.frames:
            self._inputs.required().fixed.require(frame)
        return camera


def _answered(response: Any, change: Callable[[], None]) -> Any:
    """Make a change, and return the response with what became of it."""
    try:
        change()
    except AnyviewError as error:
        response.success, response.code, response.message = False, error.code, error.message
    else:
        response.success = True
    return response
