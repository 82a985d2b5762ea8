"""Anything in every field of every interface and parameter, over DDS to one live node.

Every call is answered: accepted, or refused by a code that the documents explain. Whatever is
published is a frame that can be, and afterwards the good request gives the bytes it gave before.

ANYVIEW_FUZZ=3000 python -m pytest -n 0 tests/node/test_any_call.py tries as many of each.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from anyview_ros.action import SynthesizeClip
from anyview_ros.msg import ClipRequest, ClipResult, SynthesisInfo, VirtualCamera
from geometry_msgs.msg import TransformStamped
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.node.messages import compressed_message, image_message, info_message
from anyview_ros.node.parameters import CAMERA_PARAMETERS, NODE_PARAMETERS
from tests.graph import CHECKOUT, Graph
from tests.node.interface_values import Change, changes, leaves, messages, values
from tests.node.rig import (
    CAMERA,
    DEADLINE_S,
    END,
    OUTPUT,
    SENT,
    SERVICES,
    TRUST,
    Caller,
    Rig,
    asked,
    live,
    picture,
    raised_camera,
    result_of,
    transform,
    wait_for,
)
from tests.packages import make_package
from tests.pages.error_meanings import MEANINGS

FUZZ = int(os.environ.get("ANYVIEW_FUZZ", "0"))
MAX_MESSAGE = 4000  # characters of a text in an answer
SETTINGS = (
    *("tf_timeout_s:=0.05", "max_clip_pixels:=1000000", "max_uncertainty_samples:=3"),
    *("wild.reliability:=reliable", "packed.reliability:=reliable"),
)
MESSAGES = (VirtualCamera, ClipRequest, ClipResult, SynthesisInfo)

pytestmark = [pytest.mark.graph, pytest.mark.timeout(max(300, 2 * FUZZ))]


def examples(usual: int) -> Any:
    """The same ones always, as many as are asked for."""
    return settings(
        max_examples=FUZZ or usual,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class Street:
    """The live node with a good camera, and what came of the wild one.

    Args:
        first: what the good request gave at first.
        heard: by topic of the camera `wild`.
    """

    opened: Graph
    rig: Rig
    caller: Caller
    first: list[bytes]
    heard: dict[str, list[Any]]
    sent: int = 0
    publishers: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """The good request gives the same, and nothing was published that is no frame."""
        answer = self.caller.synthesize(asked("chase", seed=5, return_frames=True))
        assert answer.success, answer.message
        frames = [bytes(frame.data) for frame in answer.frames]
        if self.first:
            assert frames == self.first
        self.first = frames
        for topic, came in self.heard.items():
            for message in came:
                check_published(topic, message)
            came.clear()

    def publish(self, topic: str, message: Any) -> None:
        self.publishers[topic].publish(message)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    model = make_package(tmp_path_factory.mktemp("models") / "tiny")
    with live(143, model, *SETTINGS) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase")).success
        topics = {**OUTPUT, **TRUST, "depth": Image}
        heard = {
            topic: opened.listen(kind, f"/virtual/wild/{topic}") for topic, kind in topics.items()
        }
        found = Street(opened, rig, caller, [], heard)
        kinds = {
            "/wild/image_raw": Image,
            "/wild/camera_info": CameraInfo,
            "/packed/image_raw/compressed": CompressedImage,
            "/packed/camera_info": CameraInfo,
            "/tf": TFMessage,
        }
        for topic, kind in kinds.items():
            found.publishers[topic] = opened.node.create_publisher(kind, topic, 50)
        wait_for(
            lambda: all(p.get_subscription_count() for p in found.publishers.values()),
            "subscriptions",
        )
        found.check()
        yield found


def check_published(topic: str, message: Any) -> None:
    """A message of a virtual camera can be what it says."""
    assert message.header.frame_id == "wild_optical_frame"
    assert stamp_ns(message.header.stamp) in SENT
    if topic == "synthesis_info":
        check_info(message)
    elif topic == "camera_info":
        assert np.isfinite([*message.k, *message.p, *message.r]).all()
        assert message.k[0] > 0 < message.k[4]
        assert message.width > 0 < message.height
    else:
        check_image(message)


def check_image(image: Image) -> None:
    sides = {"rgb8": 3, "mono8": 1, "32FC1": 4}
    assert image.step == image.width * sides[image.encoding]
    assert len(image.data) == image.step * image.height > 0


def check_info(info: SynthesisInfo) -> None:
    numbers = [info.scene_scale, info.clamped_moments, info.latency_s]
    numbers += [info.queue_s, info.condition_s, info.denoise_s, info.decode_s]
    assert all(math.isfinite(number) and number >= 0 for number in numbers)
    assert info.model == "tiny"
    assert len(info.sources) == len(info.source_stamps) == 1
    assert {stamp_ns(stamp) for stamp in info.source_stamps} <= set(SENT)


def check_answer(answer: Any) -> None:
    """An answer of any service is a success, or a refusal by name."""
    if answer.success:
        assert answer.code == ""
        return
    assert answer.code in MEANINGS
    assert 0 < len(answer.message) <= MAX_MESSAGE


def check_clip(result: ClipResult, request: ClipRequest) -> None:
    check_answer(result)
    if not result.success:
        assert [*result.stamps, *result.infos, *result.frames] == []
        return
    stamps = [stamp_ns(stamp) for stamp in result.stamps]
    assert len(stamps) in (5, 9)
    assert stamps == sorted(set(stamps))
    assert set(stamps) <= set(SENT)
    assert [stamp_ns(info.header.stamp) for info in result.infos] == stamps
    for info in result.infos:
        check_info(info)
    assert len(result.frames) == (len(stamps) if request.return_frames else 0)
    size = request.camera.camera_info.width
    for frame in result.frames:
        check_image(frame)
        assert frame.width == size or not size


def wild_camera() -> VirtualCamera:
    return raised_camera("wild")


def changed(message: Any, applied: list[Change]) -> Any:
    message = copy.deepcopy(message)
    for change in applied:
        change.apply(message)
    return message


def fields_of(kind: type) -> list[str]:
    return list(kind.get_fields_and_field_types())  # type: ignore[attr-defined]


def some(kind: type, below: str = "") -> Any:
    """A change below a field, and up to two more anywhere."""
    more = st.lists(changes(kind), max_size=2)
    return st.builds(lambda first, rest: [first, *rest], changes(kind, below), more)


def test_every_interface_of_the_package_is_here() -> None:
    there = {
        file.stem for folder in ("msg", "srv", "action") for file in CHECKOUT.glob(f"{folder}/*")
    }
    used = {kind.__name__ for kind in (*MESSAGES, *SERVICES.values(), SynthesizeClip)}
    assert there == used


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_survives_its_way(kind: type) -> None:
    """Whatever stands in it, what is written is what is read; NaN is not equal, so as texts."""

    @examples(5)
    @given(messages(kind))
    def survives(message: Any) -> None:
        assert repr(deserialize_message(serialize_message(message), kind)) == repr(message)

    survives()


@pytest.mark.parametrize("field_", fields_of(VirtualCamera))
def test_any_camera_is_added_or_refused(street: Street, field_: str) -> None:
    """And updated, listed and removed, by the name it has then."""
    places = sum(path[0] == field_ for path, _ in leaves(VirtualCamera))

    @examples(min(3 + places, 15))
    @given(some(VirtualCamera, field_))
    def answered(applied: list[Change]) -> None:
        camera = changed(wild_camera(), applied)
        added = street.caller.add(camera)
        check_answer(added)
        check_answer(street.caller.call("update_virtual_camera", camera=camera))
        there = {one.name for one in street.caller.call("list_virtual_cameras").cameras}
        assert (camera.name in there) == (added.success or camera.name == "chase")
        if camera.name != "chase":
            removed = street.caller.call("remove_virtual_camera", name=camera.name)
            check_answer(removed)
            assert removed.success == added.success
        else:
            street.caller.call("update_virtual_camera", camera=raised_camera("chase"))
        street.check()

    answered()


@examples(10)
@given(values("string"))
def test_any_name_is_removed_or_refused(street: Street, name: str) -> None:
    if name != "chase":
        removed = street.caller.call("remove_virtual_camera", name=name)
        check_answer(removed)
        assert not removed.success


def clip_of(applied: list[Change]) -> ClipRequest:
    return changed(ClipRequest(camera=wild_camera(), end_time=END), applied)


@pytest.mark.parametrize("field_", fields_of(ClipRequest))
def test_any_clip_is_made_or_refused(street: Street, field_: str) -> None:
    @examples(20 if field_ == "camera" else 5)
    @given(some(ClipRequest, field_))
    def answered(applied: list[Change]) -> None:
        request = clip_of(applied)
        result = street.caller.call_async("synthesize", request=request)
        check_clip(result_of(result).result, request)
        street.check()

    answered()


@examples(12)
@given(some(ClipRequest), st.booleans())
def test_any_goal_ends(street: Street, applied: list[Change], cancelled: bool) -> None:
    request, told = clip_of(applied), list[Any]()
    goal = street.caller.send_goal(request, told.append)
    if goal.accepted:
        if cancelled:
            street.caller.ask_async(goal.cancel_goal_async)
        result = result_of(street.caller.ask_async(goal.get_result_async)).result.result
        check_clip(result, request)
    for said in told:
        assert said.step <= said.steps
        assert said.clip <= said.clips
        assert math.isfinite(said.seconds_left)
    street.check()


PARAMETERS = [p.name for p in NODE_PARAMETERS] + [f"front.{p.name}" for p in CAMERA_PARAMETERS]


@pytest.mark.parametrize("name", PARAMETERS)
def test_any_parameter_is_set_or_refused(street: Street, name: str) -> None:
    """Set it to values of every type, then back; clips are made as before."""
    client = street.opened.node.create_client(SetParameters, "/anyview/set_parameters")
    assert client.wait_for_service(DEADLINE_S)

    def set_to(value: ParameterValue) -> Any:
        asked_for = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        return result_of(client.call_async(asked_for)).results[0]

    @examples(3)
    @given(st.integers(0, 9), messages(ParameterValue))
    def answered(kind: int, value: ParameterValue) -> None:
        value.type = kind
        if not set_to(value).successful:
            street.check()
            return
        assert street.caller.call("list_virtual_cameras").cameras
        back = set_to(before)
        assert back.successful, back.reason
        street.check()

    before = parameter_value(street, name)
    answered()


def parameter_value(street: Street, name: str) -> ParameterValue:
    """Return what a parameter is now; rclpy has no answer about one that is an empty list."""
    client = street.opened.node.create_client(GetParameters, "/anyview/get_parameters")
    assert client.wait_for_service(DEADLINE_S)
    found = result_of(client.call_async(GetParameters.Request(names=[name]))).values
    return found[0] if found else ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY)


def stamped(street: Street) -> int:
    """A stamp that was not sent yet."""
    street.sent += 1
    return SENT[-1] + street.sent * 1_000_000


@examples(12)
@given(st.lists(changes(Image), max_size=2), st.lists(changes(CameraInfo), max_size=2))
def test_any_image_costs_no_other_camera(
    street: Street, image_changes: list[Change], info_changes: list[Change]
) -> None:
    stamp, frame = stamped(street), "wild_optical_frame"
    image = image_message(picture("wild", 1), stamp, frame)
    street.publish("/wild/camera_info", changed(info_message(CAMERA, stamp, frame), info_changes))
    street.publish("/wild/image_raw", changed(image, image_changes))
    request = ClipRequest(camera=VirtualCamera(name="wild", sources=["wild"]))
    check_answer(street.caller.synthesize(request))
    street.check()


@examples(8)
@given(st.lists(changes(CompressedImage), max_size=2), st.lists(changes(CameraInfo), max_size=1))
def test_any_compressed_image_costs_no_other_camera(
    street: Street, image_changes: list[Change], info_changes: list[Change]
) -> None:
    stamp, frame = stamped(street), "packed_optical_frame"
    image = compressed_message(picture("packed", 1), stamp, frame)
    street.publish("/packed/camera_info", changed(info_message(CAMERA, stamp, frame), info_changes))
    street.publish("/packed/image_raw/compressed", changed(image, image_changes))
    request = ClipRequest(camera=VirtualCamera(name="wild", sources=["packed"]))
    check_answer(street.caller.synthesize(request))
    street.check()


@examples(10)
@given(st.lists(changes(TransformStamped), min_size=1, max_size=3))
def test_any_transform_costs_no_other_frame(street: Street, applied: list[Change]) -> None:
    usual = transform("wild_base", "wild_optical_frame", np.eye(4), stamped(street))
    street.publish("/tf", TFMessage(transforms=[changed(usual, applied)]))
    street.check()
