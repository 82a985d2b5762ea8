"""The SROS2 policy and the graph of a node: what one has, the other has too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rclpy.node import Node

from anyview_ros.cli.__main__ import main
from anyview_ros.node.access_policy import Access
from tests.graph import CHECKOUT, graph
from tests.node.driver import Driver
from tests.node.rig import Caller, Rig, anyview, raised_camera, wait_for
from tests.packages import make_package

DOMAIN = 58
NODE = "/anyview"
CAMERAS = ("/front/image_raw", "/rear/image_raw/compressed")
PREFIXES = ("rt", "rq", "rr")  # of topics, requests and replies in DDS


def dds_names(policy: str) -> tuple[set[str], set[str]]:
    """What a policy lets a node write and read, as permissions of DDS name it."""
    written, read = set[str](), set[str]()
    (profile,) = ElementTree.fromstring(policy).iter("profile")
    for group in profile:
        ((right, allowed),) = group.attrib.items()
        assert allowed == "ALLOW"
        for entry in group:
            name = full_name(str(entry.text))
            if right in ("publish", "subscribe"):
                (written if right == "publish" else read).add(f"rt{name}")
            elif right in ("reply", "request"):
                answers = right == "reply"
                (written if answers else read).add(f"rr{name}Reply")
                (read if answers else written).add(f"rq{name}Request")
            else:
                assert right == "execute"
                for service in ("send_goal", "cancel_goal", "get_result"):
                    written.add(f"rr{name}/_action/{service}Reply")
                    read.add(f"rq{name}/_action/{service}Request")
                written |= {f"rt{name}/_action/{topic}" for topic in ("feedback", "status")}
    return written, read


def full_name(name: str) -> str:
    if name.startswith("~/"):
        return f"{NODE}{name[1:]}"
    return name if name.startswith("/") else f"/{name}"


def endpoints(node: Node) -> tuple[set[str], set[str]]:
    """What the node writes and reads in DDS."""
    written = node.get_publisher_names_and_types_by_node("anyview", "/", True)
    read = node.get_subscriber_names_and_types_by_node("anyview", "/", True)
    return {name for name, _ in written}, {name for name, _ in read}


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Node]:
    """Beside a node that has all it can have: simulated time, both transports, a camera."""
    model = make_package(
        tmp_path / "tiny", plane_sweep=(0.5, 1.0), sweep_weights=True, max_sources=2
    )
    parameters = ("use_sim_time:=true", "cameras:=[front, rear]", "rear.transport:=compressed")
    with graph(DOMAIN) as opened, anyview(DOMAIN, model, *parameters):
        rig, rear = Rig(opened), Driver(opened.node, "rear", compressed=True)
        caller = Caller(opened)
        front = rig.images["front"]
        wait_for(lambda: bool(front.get_subscription_count()), "front", timeout_s=90.0)
        wait_for(lambda: rear.is_heard, "rear")
        wait_for(lambda: rig.clock_is_heard, "a listener to /clock")
        assert caller.add(raised_camera("chase")).success
        yield opened.node


@pytest.mark.graph
def test_the_policy_grants_what_the_graph_has_and_no_more(peer: Node) -> None:
    granted = dds_names(Access(images=CAMERAS).policy())

    def not_used_or_not_granted() -> list[str]:
        found = []
        for patterns, names in zip(granted, endpoints(peer), strict=True):
            names = {name for name in names if name[:2] in PREFIXES}
            found += [n for n in names if not any(fnmatchcase(n, p) for p in patterns)]
            found += [p for p in patterns if not any(fnmatchcase(n, p) for n in names)]
        return found

    with suppress(AssertionError):
        wait_for(lambda: not not_used_or_not_granted(), "all that it has")
    assert not_used_or_not_granted() == []


def test_the_policy_that_is_installed_is_that_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["policy"]) == 0
    printed = capsys.readouterr().out
    assert (CHECKOUT / "config" / "policy.xml").read_text() == printed, (
        "run anyview policy > config/policy.xml"
    )


def test_any_camera_is_granted_where_none_is_named() -> None:
    _, read = dds_names(Access().policy())
    for camera in ("/front", "/rig/left"):
        for topic in ("image_raw", "image_raw/compressed", "camera_info"):
            assert any(fnmatchcase(f"rt{camera}/{topic}", pattern) for pattern in read)
    assert not any(fnmatchcase("rt/cmd_vel", pattern) for pattern in read)
    _, named = dds_names(Access(images=CAMERAS).policy())
    assert not any(fnmatchcase("rt/left/image_raw", pattern) for pattern in named)


def test_what_holds_a_player_back_is_granted_where_it_is_asked_for() -> None:
    written, read = dds_names(Access(called=["/rosbag2_player/pause"]).policy())
    assert "rq/rosbag2_player/pauseRequest" in written
    assert "rr/rosbag2_player/pauseReply" in read
    assert not any("player" in name for name in set().union(*dds_names(Access().policy())))


def test_a_namespace_is_in_the_enclave() -> None:
    (enclave,) = ElementTree.fromstring(Access(namespace="/two").policy()).iter("enclave")
    assert enclave.get("path") == "/two/anyview"
