"""What `anyview check` looks at: the live graph, this machine, the model."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier

from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.datasets.bag import sibling
from anyview_ros.doctor.dds_profile import VARIABLES, named_profile, profile_file
from anyview_ros.doctor.rules import CameraFacts, GraphFacts, ModelFacts, TransportFacts
from anyview_ros.engine.onnx.runtime import choose_provider
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import optical_doubt
from anyview_ros.node.diagnostics import NVIDIA_DEVICE
from anyview_ros.node.parameters import Settings
from anyview_ros.node.qos_matching import mismatch
from anyview_ros.node.sources.camera_stream import CameraStream
from anyview_ros.node.sources.inputs import Inputs
from anyview_ros.node.sources.intake_settings import intake_config
from anyview_ros.packages import find_package, load_package
from anyview_ros.topics import IMAGE_TYPE, INFO_TOPIC, no_camera

SHARED_MEMORY = "/dev/shm"
PATIENCE_S = 2.0  # beyond tf_timeout_s, for a verdict on frames that wait for their pose
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
# What cameras are looked at with when the model itself is the trouble.
NO_MODEL = IntakeConfig(
    frame_period=0.1, sizes=((96, 160),), resampler="area", pixel_rule="pixel_centre"
)


def look_at_model(settings: Settings) -> tuple[ModelFacts, IntakeConfig]:
    """Verify the package and ask for the provider, as the node would."""
    config, problem = NO_MODEL, ""
    try:
        config = intake_config(settings, load_package(find_package(settings.model)).contract)
    except AnyviewError as error:
        problem = error.message
    provider, provider_problem = "", ""
    try:
        provider = choose_provider(settings.provider)
    except AnyviewError as error:
        provider_problem = error.message
    facts = ModelFacts(
        model=settings.model,
        problem=problem,
        frame_period=config.frame_period,
        asked=settings.provider,
        provider=provider,
        provider_problem=provider_problem,
        gpu=NVIDIA_DEVICE.exists(),
    )
    return facts, config


def look_at_graph(
    node: Node, settings: Settings, config: IntakeConfig, seconds: float
) -> GraphFacts:
    """Listen for a while through the node's own inputs: what they understand, the node will.

    Args:
        node: spun by another thread.
    """
    inputs = Inputs(node, settings, config, on_epoch=lambda camera, reason: None)
    try:
        time.sleep(seconds)
        streams = inputs.streams()
        _await_verdicts(list(streams.values()), settings.tf_timeout_s + PATIENCE_S)
        return GraphFacts(
            domain=os.environ.get("ROS_DOMAIN_ID", "0"),
            fixed_frame=settings.fixed_frame,
            cameras=tuple(_camera(node, stream) for stream in streams.values()),
            lonely=tuple(_lonely(node, {stream.image_topic for stream in streams.values()})),
            refused=tuple(error.message for error in inputs.refused.values()),
            simulated_time=node.count_publishers("/clock") > 0,
            now_s=time.time(),
        )
    finally:
        inputs.close()


def _await_verdicts(streams: Sequence[CameraStream], seconds: float) -> None:
    """Let frames that wait for their pose find it, or be given up with the reason."""
    deadline = time.monotonic() + seconds
    while any(map(_undecided, streams)) and time.monotonic() < deadline:
        time.sleep(0.1)


def _undecided(stream: CameraStream) -> bool:
    status = stream.status()
    return status.ledger.pending_tf > 0 and not (status.ledger.buffered or status.problems)


def look_at_transport() -> TransportFacts:
    """The middleware, its profile, and the shared memory of this machine."""
    memory = os.statvfs(SHARED_MEMORY)
    profile = named_profile(os.environ)
    return TransportFacts(
        middleware=get_rmw_implementation_identifier(),
        profile=profile,
        unset=tuple(name for name in VARIABLES if not os.environ.get(name)),
        profile_exists=Path(profile).is_file(),
        shipped_profile=str(profile_file() or "config/fastdds.xml of anyview_ros"),
        shm_total=memory.f_blocks * memory.f_frsize,
        shm_free=memory.f_bavail * memory.f_frsize,
        container=any(mark.exists() for mark in CONTAINER_MARKS),
    )


def _camera(node: Node, stream: CameraStream) -> CameraFacts:
    status, seen = stream.status(), stream.latest_info
    topics = (status.topic, stream.info_topic)
    return CameraFacts(
        status=status,
        reliability=_reliability(node, status.topic),
        camera=seen.camera if seen else None,
        frame_id=stream.source_frame_id or "",
        deaf=tuple(reason for topic in topics for reason in _deaf(node, topic)),
        optical_doubt=_optical_doubt(stream),
    )


def _optical_doubt(stream: CameraStream) -> str:
    """Return that about the newest frame's pose; empty where there is none."""
    newest = stream.buffer.newest_ns
    frame = stream.buffer.nearest(newest) if newest is not None else None
    return optical_doubt(stream.source_frame_id or "", frame.world_from_cam) if frame else ""


def _reliability(node: Node, topic: str) -> str:
    """What the publishers offer, in words; they may differ."""
    offered = {p.qos_profile.reliability.name for p in node.get_publishers_info_by_topic(topic)}
    return " and ".join(sorted(offered)).lower().replace("_", " ")


def _deaf(node: Node, topic: str) -> Iterator[str]:
    """Who subscribes with a QoS that no publisher of the topic fulfils."""
    for listener in node.get_subscriptions_info_by_topic(topic):
        for publisher in node.get_publishers_info_by_topic(topic):
            if policy := mismatch(publisher.qos_profile, listener.qos_profile):
                who = f"{listener.node_namespace.rstrip('/')}/{listener.node_name}"
                yield f"'{who}' cannot hear '{topic}': {policy}"


def _lonely(node: Node, used: Collection[str]) -> Iterator[str]:
    """Image topics of cameras without camera info, but for those that are used nevertheless."""
    topics = dict(node.get_topic_names_and_types())
    for topic, types in sorted(topics.items()):
        is_camera = IMAGE_TYPE in types and not no_camera(topic)
        if is_camera and topic not in used and sibling(topic, INFO_TOPIC) not in topics:
            yield topic
