"""A running node and its cameras, for the page that shows them."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rcl_interfaces.srv import GetParameters
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from visualization_msgs.msg import Marker, MarkerArray

from anyview_ros import diagnostic_keys as keys
from anyview_ros.clips.placements import FramePose
from anyview_ros.clips.virtual.camera_request import optical_frame
from anyview_ros.demo.session import Session
from anyview_ros.doctor.top import NodeReport
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import transform_from_pose
from anyview_ros.live_view.image_feeds import ImageFeeds
from anyview_ros.live_view.node_choice import Diagnostics
from anyview_ros.msg import VirtualCamera
from anyview_ros.node.messages import pose_message
from anyview_ros.node.transforms.fixed_frame import FixedFrame
from anyview_ros.node.transforms.tf import FrameTree
from anyview_ros.srv import AddVirtualCamera, ListVirtualCameras, RemoveVirtualCamera
from anyview_ros.topics import OUTPUT
from anyview_ros.view.live_cameras import Add, LiveCamera, Order, Remove, Steer, key_of

ANSWER_S = 10.0
REMEDY = "see whether the node runs, and its log"
TF_CACHE_S = 30.0


class LiveNode:
    """Listens to a node, its sources and its virtual cameras, and calls its services.

    The session's thread stores messages; the thread that calls the methods does all else.

    Args:
        session: running.
        diagnostics: of the session.
        name: of the node, without its first slash.

    Raises:
        AnyviewError: `timeout`.
    """

    def __init__(self, session: Session, diagnostics: Diagnostics, name: str) -> None:
        self._session, self._diagnostics, self._name = session, diagnostics, name
        node = session.node
        self._drawn = threading.Condition()
        self._markers: dict[str, Marker] = {}
        self._feeds = ImageFeeds(node)
        self._steering: dict[str, Any] = {}  # publishers by camera
        self._places: dict[
            str, NDArray[np.float64]
        ] = {}  # by LiveCamera.key, the last that is known
        self._clients: dict[str, Any] = {}
        request = GetParameters.Request(names=["fixed_frame"])
        (value,) = self._call(GetParameters, "get_parameters", request).values
        self.fixed_frame = str(value.string_value)
        tree = FrameTree(node, TF_CACHE_S, MutuallyExclusiveCallbackGroup())
        self._world = FixedFrame(tree, self.fixed_frame, 0.0)
        node.create_subscription(MarkerArray, f"/{name}/frustums", self._keep_markers, 1)

    def wait_for_frustums(self, limit_s: float) -> bool:
        """Whether the node has drawn a camera, within some seconds."""
        with self._drawn:
            return self._drawn.wait_for(lambda: bool(self._markers), limit_s)

    def depth_m(self) -> float:
        """Return the depth of the frustums; there must be one."""
        with self._drawn:
            return float(next(iter(self._markers.values())).points[1].z)

    def cameras(self) -> list[LiveCamera]:
        """Return the cameras whose place is known, sources first, as they are now.

        Raises:
            AnyviewError: `timeout`.
        """
        request = ListVirtualCameras.Request()
        virtual = self._call(ListVirtualCameras, "list_virtual_cameras", request).cameras
        report = self._diagnostics.of(self._name)
        sources = [subject.removeprefix(keys.CAMERA) for subject in report.starting(keys.CAMERA)]
        self._feeds.listen(self._topics(sources, [camera.name for camera in virtual], report))
        now_ns = max(
            (self._feeds.stamp_ns(key_of(name, is_virtual=False)) for name in sources), default=0
        )
        found = [self._source(name, report) for name in sources]
        found += [self._virtual(camera, now_ns, report) for camera in virtual]
        return [camera for camera in found if camera]

    def images(self) -> dict[str, NDArray[np.uint8]]:
        """Return the images that came since the last call, RGB, by `LiveCamera.key`."""
        return self._feeds.images()

    def follow(self, order: Order) -> None:
        """Do what somebody asks for.

        Raises:
            AnyviewError: `timeout`, and what the node answers.
        """
        match order:
            case Add(name, pose, hfov, rate_hz):
                camera = VirtualCamera(name=name, parent_frame=pose.frame, horizontal_fov=hfov)
                camera.pose, camera.rate = pose_message(pose.frame_from_cam), rate_hz
                request = AddVirtualCamera.Request(camera=camera)
                self._call(AddVirtualCamera, "add_virtual_camera", request)
            case Remove(name):
                request = RemoveVirtualCamera.Request(name=name)
                self._call(RemoveVirtualCamera, "remove_virtual_camera", request)
            case Steer(name, pose):
                message = PoseStamped(pose=pose_message(pose.frame_from_cam))
                message.header.frame_id = pose.frame
                self._steering_of(name).publish(message)

    def _topics(self, sources: list[str], virtual: list[str], report: NodeReport) -> dict[str, str]:
        """Return the topic of each camera's images, of sources as the node says it."""
        said = {name: report.values(f"{keys.CAMERA}{name}").get(keys.TOPIC) for name in sources}
        topics = {key_of(name, is_virtual=False): topic for name, topic in said.items() if topic}
        made = {key_of(name, is_virtual=True): self._output(name, "image_raw") for name in virtual}
        return topics | made

    def _source(self, name: str, report: NodeReport) -> LiveCamera | None:
        marker = self._marker(f"source {name}")
        if marker is None:
            return None
        pose = FramePose(marker.header.frame_id, _transform(marker.pose))
        key = key_of(name, is_virtual=False)
        says = _says(report, f"{keys.CAMERA}{name}")
        return self._camera(key, marker, pose, self._feeds.stamp_ns(key), says)

    def _virtual(self, camera: VirtualCamera, now_ns: int, report: NodeReport) -> LiveCamera | None:
        """Return a camera that stands, or is steered, as of now; others as of their last image."""
        marker = self._marker(f"virtual {camera.name}")
        if marker is None:
            return None
        key = key_of(camera.name, is_virtual=True)
        pose, stamp = FramePose(camera.parent_frame, _transform(camera.pose)), now_ns
        if camera.trajectory:
            pose = FramePose(optical_frame(camera.name), np.eye(4))
            stamp = self._feeds.stamp_ns(key)
        says = _says(report, f"{keys.VIRTUAL_CAMERA}{camera.name}")
        return self._camera(key, marker, pose, stamp, says, steerable=not camera.trajectory)

    def _camera(
        self,
        key: str,
        marker: Marker,
        pose: FramePose,
        stamp_ns: int,
        says: str,
        steerable: bool = False,
    ) -> LiveCamera | None:
        """Return a camera at a time; where TF lacks that, at the last time that it had."""
        try:
            self._places[key] = pose.world_from_cam(self._world.world_from, stamp_ns)
        except AnyviewError:
            if key not in self._places:
                return None
        kind, _, name = marker.ns.partition(" ")
        fov, aspect = _shape(marker)
        place = self._places[key]
        return LiveCamera(name, kind == "virtual", fov, aspect, place, pose, steerable, says)

    def _marker(self, name: str) -> Marker | None:
        with self._drawn:
            return self._markers.get(name)

    def _keep_markers(self, message: MarkerArray) -> None:
        """Each message has all there are."""
        drawn = {m.ns: m for m in message.markers if m.action == Marker.ADD and m.points}
        with self._drawn:
            self._markers = drawn
            self._drawn.notify_all()

    def _output(self, name: str, topic: str) -> str:
        namespace = self._name.rpartition("/")[0]
        return "/".join(("", *filter(None, (namespace, OUTPUT, name, topic))))

    def _steering_of(self, name: str) -> Any:
        if name not in self._steering:
            topic = self._output(name, "set_pose")
            self._steering[name] = self._session.node.create_publisher(PoseStamped, topic, 10)
        return self._steering[name]

    def _call(self, kind: Any, name: str, request: Any) -> Any:
        if name not in self._clients:
            service = f"/{self._name}/{name}"
            self._clients[name] = self._session.node.create_client(kind, service)
        client, what = self._clients[name], f"the answer of '{name}'"
        self._session.wait(client.wait_for_service, ANSWER_S, f"the service '{name}'", REMEDY)
        answer = self._session.answer(lambda: client.call_async(request), ANSWER_S, what)
        if getattr(answer, "success", True):
            return answer
        raise AnyviewError(answer.code, answer.message)


def _transform(pose: Any) -> NDArray[np.float64]:
    p, q = pose.position, pose.orientation
    return transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))


def _shape(marker: Marker) -> tuple[float, float]:
    """Return the vertical field of view in radians and width over height of a pyramid."""
    corners = {(point.x, point.y) for point in marker.points} - {(0.0, 0.0)}
    width, height = (max(c[k] for c in corners) - min(c[k] for c in corners) for k in (0, 1))
    return 2 * math.atan(0.5 * height / marker.points[1].z), width / height


def _says(report: NodeReport, subject: str) -> str:
    """Return what a node says of a camera: what is wrong, or with the latency where all is well."""
    status = report.about.get(subject)
    if status is None:
        return ""
    latency = report.values(subject).get(keys.LATENCY_S)
    if status.level != DiagnosticStatus.OK or latency is None:
        return str(status.message)
    return f"{status.message}, {latency} s behind the sources"
