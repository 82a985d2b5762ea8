"""What `anyview check` concludes from what it saw. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anyview_ros.clips.intake.source_health import FAR_S, SourceStatus
from anyview_ros.doctor.dds_profile import VARIABLES
from anyview_ros.frames import Camera

OK, WARN, BAD = "ok", "warn", "bad"
MB = 1_000_000

FAST_DDS = "rmw_fastrtps_cpp"
DEFAULT_SEGMENT = 512 << 10  # of Fast DDS, without a profile
PROFILE_SEGMENT = 64 << 20  # of config/fastdds.xml, for each process
SCARCE_SHM = 4 * PROFILE_SEGMENT  # driver, node, recorder and a viewer
SLOW = 0.8  # of the model's rate: below it, grid points of a clip find no frame


@dataclass(frozen=True)
class Finding:
    """One line of the check: how it is, and what to do when it is not `ok`."""

    level: str
    subject: str
    text: str


@dataclass(frozen=True)
class CameraFacts:
    """One camera, as a node would have seen it in the time of the check.

    Args:
        status: of its stream.
        reliability: offered for the images.
        camera: of the last image that was understood, None if none was.
        frame_id: of that image.
        deaf: nodes that subscribe to its topics and cannot hear them, with the reason.
        optical_doubt: about that frame, see `geometry.optical_doubt`.
    """

    status: SourceStatus
    reliability: str
    camera: Camera | None = None
    frame_id: str = ""
    deaf: tuple[str, ...] = ()
    optical_doubt: str = ""


@dataclass(frozen=True)
class GraphFacts:
    """What is in the graph.

    Args:
        domain: ROS_DOMAIN_ID.
        fixed_frame: in which cameras are placed.
        lonely: image topics without a camera_info beside them.
        refused: cameras that could not be subscribed to, with the reason.
        simulated_time: whether somebody publishes /clock.
        now_s: of this machine's clock.
    """

    domain: str
    fixed_frame: str
    cameras: tuple[CameraFacts, ...]
    lonely: tuple[str, ...]
    refused: tuple[str, ...]
    simulated_time: bool
    now_s: float


@dataclass(frozen=True)
class TransportFacts:
    """How images travel on this machine.

    Args:
        middleware: RMW implementation.
        profile: file that the environment names, empty if none.
        unset: variables for the profile that are not set.
        profile_exists: whether that file is there.
        shipped_profile: the file that came with this package.
        shm_total, shm_free: bytes of /dev/shm.
        container: whether this runs in a container.
    """

    middleware: str
    profile: str
    unset: tuple[str, ...]
    profile_exists: bool
    shipped_profile: str
    shm_total: int
    shm_free: int
    container: bool


@dataclass(frozen=True)
class ModelFacts:
    """The model package and what would run it.

    Args:
        model: as asked for.
        problem: why it cannot be used, empty if it can.
        frame_period: seconds between the frames of its clips.
        asked: provider asked for.
        provider: that would run, empty if none.
        provider_problem: why none would.
        gpu: whether this machine has an NVIDIA device.
    """

    model: str
    problem: str
    frame_period: float
    asked: str
    provider: str
    provider_problem: str
    gpu: bool


def findings(graph: GraphFacts, transport: TransportFacts, model: ModelFacts) -> Iterator[Finding]:
    """Every line of the check, in the order of the images' way."""
    yield from _graph(graph)
    for facts in graph.cameras:
        yield from _camera(facts, graph, model.frame_period)
    yield from _clocks(graph)
    yield from _transport(transport, graph.cameras)
    yield from _model(model)


def _graph(graph: GraphFacts) -> Iterator[Finding]:
    if not graph.cameras:
        yield Finding(
            BAD,
            "cameras",
            f"no Image topic with a camera_info beside it in ROS_DOMAIN_ID {graph.domain}; start "
            "the camera drivers, on this domain and with the same ROS_AUTOMATIC_DISCOVERY_RANGE "
            "(no robot? `anyview rig` is a simulated one)",
        )
    for topic in graph.lonely:
        yield Finding(
            WARN,
            "cameras",
            f"'{topic}' has no camera_info beside it and is not used; publish it, or name the "
            "camera in cameras, and the topic of its camera_info in <camera>.camera_info_topic",
        )
    for reason in graph.refused:
        yield Finding(BAD, "cameras", reason)


def _camera(facts: CameraFacts, graph: GraphFacts, frame_period: float) -> Iterator[Finding]:
    status = facts.status
    subject = f"camera {status.name}"
    placed = status.ledger.buffered
    for problem in status.problems:
        yield Finding(WARN if placed else BAD, subject, problem.text)
    if not placed and not status.problems:
        yield Finding(
            BAD, subject, f"no image of '{status.topic}' in time; give the check more --seconds"
        )
    for listener in facts.deaf:
        yield Finding(BAD, subject, f"{listener}; make its QoS weaker or the driver's stronger")
    if facts.camera is None or not placed:
        return
    size = f"{facts.camera.width}x{facts.camera.height}"
    yield Finding(
        OK,
        subject,
        f"'{status.topic}' {facts.reliability}, {size}, {_rate(status)}, camera info fits, "
        f"'{facts.frame_id}' is placed in '{graph.fixed_frame}'",
    )
    if facts.optical_doubt:
        remedy = "If not, publish one and name it in the images' frame_id"
        yield Finding(WARN, subject, f"{facts.optical_doubt} {remedy}")
    yield from _pace(status, subject, frame_period)


def _pace(status: SourceStatus, subject: str, frame_period: float) -> Iterator[Finding]:
    if not status.rate_hz:
        text = "too few images came to tell the rate; give the check more --seconds"
        yield Finding(WARN, subject, text)
    if 0 < status.rate_hz * frame_period < SLOW:
        yield Finding(
            BAD,
            subject,
            f"{status.rate_hz:.1f} Hz is slower than the {1 / frame_period:.1f} Hz of the model's "
            f"clips; raise the camera's rate to {1 / frame_period:.1f} Hz or more",
        )


def _rate(status: SourceStatus) -> str:
    return f"{status.rate_hz:.1f} Hz" if status.rate_hz else "rate not known"


def _clocks(graph: GraphFacts) -> Iterator[Finding]:
    stamps = [c.status.newest_stamp_ns for c in graph.cameras]
    ages_s = [graph.now_s - stamp / 1e9 for stamp in stamps if stamp is not None]
    oldest_s = max(ages_s, key=abs, default=0.0)
    if abs(oldest_s) < FAR_S:
        return
    if graph.simulated_time:
        yield Finding(OK, "clock", "stamps follow /clock; start the node with use_sim_time:=true")
        return
    yield Finding(
        WARN,
        "clock",
        f"stamps are {oldest_s:.0f} s behind this machine's clock and nobody publishes /clock; "
        "latencies will be wrong: synchronise the clocks, or play the recording with --clock",
    )


def _transport(facts: TransportFacts, cameras: Sequence[CameraFacts]) -> Iterator[Finding]:
    sizes = [3 * c.camera.width * c.camera.height for c in cameras if c.camera]
    yield _profile(facts, max(sizes, default=0))
    if facts.middleware == FAST_DDS:
        yield _shared_memory(facts)


def _profile(facts: TransportFacts, image_bytes: int) -> Finding:
    """The trap: large images are lost without a word (Fast DDS's default segment)."""
    if facts.middleware != FAST_DDS:
        text = f"{facts.middleware} is used; the profile for large images is for {FAST_DDS} only"
        return Finding(OK, "DDS profile", text)
    if facts.profile and not facts.profile_exists:
        text = f"{VARIABLES[0]} names '{facts.profile}', which is not there; {_export(facts)}"
        return Finding(BAD, "DDS profile", text)
    if facts.profile and facts.unset:
        text = (
            f"{facts.unset[0]} is not set: Fast DDS 2 (Jazzy) reads {VARIABLES[0]} alone, Fast "
            f"DDS 3 (Kilted) {VARIABLES[1]} alone; set both"
        )
        return Finding(WARN, "DDS profile", text)
    if facts.profile:
        text = f"{facts.profile}; the camera drivers need it too: the segment is the sender's"
        return Finding(OK, "DDS profile", text)
    if image_bytes <= DEFAULT_SEGMENT // 2:
        text = f"none is set; images up to {DEFAULT_SEGMENT // 2 / MB:.2f} MB arrive without"
        return Finding(OK, "DDS profile", text)
    return Finding(
        WARN,
        "DDS profile",
        f"none is set, and raw images of {image_bytes / MB:.1f} MB do not fit into the "
        f"{DEFAULT_SEGMENT >> 10} KB of shared memory that Fast DDS takes by default: best-effort "
        "readers lose nearly all of them, and nothing says so. The memory is the sender's: in the "
        f"camera drivers' environment and in this one {_export(facts)}",
    )


def _export(facts: TransportFacts) -> str:
    names = " ".join(f"{name}=$profile" for name in VARIABLES)
    return f"do: profile={facts.shipped_profile}; export {names}"


def _shared_memory(facts: TransportFacts) -> Finding:
    text = f"/dev/shm has {facts.shm_free / MB:.0f} of {facts.shm_total / MB:.0f} MB free"
    remedy = (
        "start the container with --shm-size=1g, or with --ipc=host if the drivers run outside of "
        "it: shared memory reaches only those who share /dev/shm"
        if facts.container
        else "remove what fills it, or remount it larger: mount -o remount,size=1g /dev/shm"
    )
    need = f"each process takes {PROFILE_SEGMENT / MB:.0f} MB under the profile"
    if facts.shm_free < PROFILE_SEGMENT:
        return Finding(BAD if facts.profile else WARN, "shared memory", f"{text}, {need}; {remedy}")
    if facts.shm_free < SCARCE_SHM:
        return Finding(WARN, "shared memory", f"{text}, {need}; {remedy}")
    return Finding(OK, "shared memory", text)


def _model(facts: ModelFacts) -> Iterator[Finding]:
    if facts.problem:
        yield Finding(BAD, "model", facts.problem)
    else:
        yield Finding(OK, "model", f"'{facts.model}' is whole, every sha256 as in its manifest")
    if facts.provider_problem:
        yield Finding(BAD, "provider", facts.provider_problem)
    elif facts.gpu and facts.provider == "cpu" and facts.asked != "cpu":
        yield Finding(
            WARN,
            "provider",
            "cpu although there is an NVIDIA GPU; install onnxruntime-gpu in place of onnxruntime",
        )
    else:
        yield Finding(OK, "provider", f"{facts.provider} (asked: {facts.asked})")
