"""The same frames through the live node, LOSSLESS, and through augment: the same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anyview_ros.msg import SynthesisInfo, VirtualCamera
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import CameraInfo, Image

from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.node.messages import time_message
from tests.augment.bags import MOVING, RAISED, augmented, cameras_file, read
from tests.datasets.rig_bag import FIRST_NS, MS, RigRecording, stamps
from tests.graph import graph
from tests.node.player import Player
from tests.node.rig import Caller, anyview, values_of, wait_for
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 186
WARM_UP = stamps(3)  # a reader may miss the first frames: they go before the cameras are added
BEGIN_NS = FIRST_NS + 30_000 * MS  # later than anything is remembered
FRAMES = [s for k, s in enumerate(stamps(45, BEGIN_NS)) if k not in (30, 31, 32, 33)]
# Behind the vehicle: it sees what the camera saw before.
FOLLOWING = MOVING.replace("x: 30.0", "x: 17.0").replace("x: 80.0", "x: 242.0")
KINDS = {"image_raw": Image, "camera_info": CameraInfo, "synthesis_info": SynthesisInfo}


def recorded(path: Path, frames: list[int]) -> Path:
    rig = RigRecording()
    rig.front.stamps_ns, rig.left.stamps_ns = frames, []
    first, last = frames[0] - 95 * MS, frames[-1] + 100 * MS
    rig.transforms_ns = list(range(first, last, 50 * MS))
    return rig.write(path)


def raised() -> VirtualCamera:
    """As in RAISED."""
    camera = VirtualCamera(name="raised", parent_frame="base_link", sources=["front"])
    camera.pose.position.x, camera.pose.position.z = 1.0, 2.5
    _look_ahead(camera.pose)
    camera.camera_info.width, camera.camera_info.height = 96, 64
    camera.horizontal_fov = 1.2
    return camera


def moving() -> VirtualCamera:
    """As in FOLLOWING."""
    camera = VirtualCamera(name="moving", sources=["front"])
    for second, x in ((5, 17.0), (50, 242.0)):
        pose = PoseStamped()
        pose.header.stamp = time_message(second * 10**9)
        pose.pose.position.x, pose.pose.position.z = x, 2.5
        _look_ahead(pose.pose)
        camera.trajectory = [*camera.trajectory, pose]
    camera.camera_info.width, camera.camera_info.height = 96, 64
    return camera


def _look_ahead(pose: Any) -> None:
    turn = pose.orientation
    turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5


def test_augment_gives_what_the_live_node_publishes(tmp_path: Path) -> None:
    """Two sources a clip: the second is a keyframe, so that memory is compared too."""
    model = make_package(tmp_path / "two", max_sources=2)
    warm_up, bag = recorded(tmp_path / "up", WARM_UP), recorded(tmp_path / "drive", FRAMES)
    heard = live(model, warm_up, bag)
    out = augmented(bag, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED, FOLLOWING))
    for camera, topics in heard.items():
        for topic, messages in topics.items():
            found = [message for _, message in read(out, f"/virtual/{camera}/{topic}")]
            stamped = [stamp_ns(message.header.stamp) for message in found]
            assert stamped == [stamp_ns(message.header.stamp) for message in messages] == FRAMES
        images = read(out, f"/virtual/{camera}/image_raw")
        for (_, image), published in zip(images, topics["image_raw"], strict=True):
            assert bytes(image.data) == bytes(published.data)
            assert (image.width, image.height) == (published.width, published.height)
        infos = read(out, f"/virtual/{camera}/camera_info")
        for (_, info), published in zip(infos, topics["camera_info"], strict=True):
            assert list(info.k) == list(published.k)
        origins = read(out, f"/virtual/{camera}/synthesis_info")
        for (_, origin), published in zip(origins, topics["synthesis_info"], strict=True):
            assert list(origin.sources) == list(published.sources)
            assert [stamp_ns(s) for s in origin.source_stamps] == [
                stamp_ns(s) for s in published.source_stamps
            ]
            assert origin.model_sha256 == published.model_sha256
    pasts = {tuple(origin.sources) for _, origin in read(out, "/virtual/moving/synthesis_info")}
    assert ("front", "front") in pasts  # else no keyframe was compared


def live(model: Path, warm_up: Path, bag: Path) -> dict[str, dict[str, list[Any]]]:
    """What the node publishes of the bag, by camera and topic."""
    parameters = ["cameras:=[front]", "use_sim_time:=true", "back_pressure:=player"]
    with graph(DOMAIN) as opened, anyview(DOMAIN, model, *parameters):
        caller = Caller(opened)
        first, player = Player(opened, warm_up, "/warm_up"), Player(opened, bag)
        wait_for(lambda: all(p.get_subscription_count() for p in player.publishers.values()), "us")

        def warm(status: Any) -> bool:
            first.play(0.02)
            return values_of(status)["buffered"] != "0"

        caller.status("camera front", warm)
        heard = {}
        for camera in (raised(), moving()):
            topics = {t: opened.listen(k, f"/virtual/{camera.name}/{t}") for t, k in KINDS.items()}
            heard[camera.name] = topics
            camera.rate, camera.mode = 10.0, VirtualCamera.LOSSLESS
            added = caller.add(camera)
            assert added.success, added.message
        player.play(0.03)
        for camera, topics in heard.items():
            caller.status(
                f"virtual camera {camera}",
                lambda s: values_of(s)["published"] == str(len(FRAMES)),
                timeout_s=120.0,
            )
            for messages in topics.values():
                opened.wait_until(lambda m=messages: len(m) >= len(FRAMES), f"frames of {camera}")
    return heard
