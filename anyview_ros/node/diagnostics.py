"""What is said of each part of the node on /diagnostics: nothing fails silently."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from anyview_ros import diagnostic_keys as keys
from anyview_ros.clips.clip_sources import unknown_source
from anyview_ros.clips.intake.source_health import FAR_S, SourceStatus
from anyview_ros.clips.source_choice import Choice
from anyview_ros.clips.streaming.stream import StreamStatus
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.engine.onnx.runtime import AUTO, PROVIDERS
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import seconds
from anyview_ros.node.inference.served_model import ServedModel
from anyview_ros.node.process_load import Load
from anyview_ros.node.streaming.back_pressure import BackPressure
from anyview_ros.node.virtual.virtual_cameras import VirtualCamera

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
SILENT_S = 3.0  # without a frame; longer than the period of any model
FULL_RATE = 0.8  # of the requested rate; less is a problem
NVIDIA_DEVICE = Path("/dev/nvidiactl")


def named(status: DiagnosticStatus, node: str) -> DiagnosticStatus:
    """Return a status with the node's fully qualified name in its own."""
    status.hardware_id = node.removeprefix("/")
    status.name = keys.named(status.hardware_id, status.name.partition(": ")[2])
    return status


def state_status(state: str, node: str, nodes: Sequence[str]) -> DiagnosticStatus:
    """Report the state of the node's life, and whether another node has its name."""
    values = {keys.STATE: state}
    if nodes.count(node) > 1:
        text = (
            f"{nodes.count(node)} nodes are called '{node}', and any of them may answer; start the "
            "others in a namespace"
        )
        return _status(keys.STATE, ERROR, text, values)
    return _status(keys.STATE, OK if state == "active" else WARN, state, values)


def camera_status(status: SourceStatus) -> DiagnosticStatus:
    """Report one source camera: its problems with their remedies, its rate, its ledger."""
    ledger = status.ledger
    level = OK
    if status.problems:
        level = WARN if ledger.buffered else ERROR
    newest = status.newest_stamp_ns
    values = {
        keys.TOPIC: status.topic,
        keys.RATE_HZ: f"{status.rate_hz:.2f}",
        "newest_stamp": seconds(newest) if newest is not None else "none",
        keys.RECEIVED: ledger.received,
        keys.PENDING_TF: ledger.pending_tf,
        keys.BUFFERED: ledger.buffered,
        "keyframes": status.keyframes,
        keys.RETIRED_USED: ledger.retired_used,
        keys.RETIRED_UNUSED: ledger.retired_unused,
        **{f"{keys.DROPPED}{reason}": count for reason, count in sorted(ledger.dropped.items())},
        keys.BALANCED: ledger.balanced,
        **{f"problem.{problem.code}": problem.text for problem in status.problems},
    }
    well = f"{status.rate_hz:.1f} Hz, {ledger.buffered} frames buffered"
    problems = "; ".join(problem.text for problem in status.problems)
    return _status(f"{keys.CAMERA}{status.name}", level, problems or well, values)


def refused_camera_status(name: str, refusal: AnyviewError) -> DiagnosticStatus:
    """Report a source camera that cannot be subscribed to."""
    return _status(f"{keys.CAMERA}{name}", ERROR, refusal.message, {"code": refusal.code})


def no_camera_status() -> DiagnosticStatus:
    """Report that there is no source camera at all."""
    text = "no Image topic with a camera_info beside it is published; start the cameras"
    return _status("cameras", WARN, text, {})


def clock_status(behind_s: float, simulated: bool, has_clock: bool) -> DiagnosticStatus:
    """Report images whose stamps are far from the node's clock.

    Args:
        behind_s: of the stamps, behind that clock.
        simulated: whether the node's clock is /clock.
        has_clock: whether somebody publishes it.
    """
    far = f"stamps are {abs(behind_s):.0f} s {'behind' if behind_s > 0 else 'ahead of'}"
    if simulated:
        remedy = "/clock, which is the node's time: play the recording with --clock"
        if not has_clock:
            remedy = "/clock, which nobody publishes: start the node with use_sim_time:=false"
    elif has_clock:
        remedy = "this machine's clock, and there is /clock: start the node with use_sim_time:=true"
    else:
        remedy = (
            "this machine's clock, and latencies are wrong by that: synchronise the clocks, or "
            "play the recording with --clock and start the node with use_sim_time:=true"
        )
    return _status("clock", WARN, f"{far} {remedy}", {"behind_s": f"{behind_s:.3f}"})


def model_status(model: ServedModel) -> DiagnosticStatus:
    """Report the model, its provider, and the process it runs in."""
    running = model.current
    if running is None:
        return _status(keys.MODEL, ERROR, model.absence, {keys.MODEL: model.name})
    worker, contract = running.worker, running.contract
    values: dict[str, object] = {
        keys.MODEL: contract.name,
        "sha256": running.package.sha256,
        keys.PROVIDER: (provider := PROVIDERS[worker.provider]),
        keys.WORKER_PID: worker.pid or "none",
        "worker_deaths": worker.deaths,
        **({"loading": model.loading} if model.loading else {}),
    }
    if worker.pid is None:  # died, or was ended because it hung
        text = f"{worker.last_death or 'the inference process ended'}; the next request starts it"
        return _status(keys.MODEL, WARN, text, values)
    if (silence := worker.silence) is not None:
        allowed = f"after {silence.limit_s:.0f} s it is replaced"
        text = f"the inference process is {silence.words}; {allowed}"
        return _status(keys.MODEL, WARN, text, {**values, "code": "worker_silent"})
    if model.refused is not None:
        values |= {"asked": model.name, "code": model.refused.code}
        return _status(keys.MODEL, WARN, model.refused.message, values)
    if running.distrust is not None:
        code = {"code": running.distrust.code}
        return _status(keys.MODEL, WARN, running.distrust.message, values | code)
    if worker.provider == "cpu" and worker.requested_provider == AUTO and NVIDIA_DEVICE.exists():
        return _status(
            keys.MODEL,
            WARN,
            "runs on the CPU although there is an NVIDIA GPU: install onnxruntime-gpu in place of "
            "onnxruntime, or set the parameter provider to 'cpu'",
            values,
        )
    text = f"'{contract.name}' runs on {provider}"
    return _status(keys.MODEL, OK, text, values)


def load_status(pids: Mapping[str, int | None], loads: Mapping[str, Load]) -> DiagnosticStatus:
    """Report CPU and memory of the node and its inference process."""
    values: dict[str, object] = {f"{name}{keys.PID}": pid or "none" for name, pid in pids.items()}
    for name, load in loads.items():
        values[f"{name}{keys.CPU_PERCENT}"] = f"{load.cpu_percent:.0f}"
        values[f"{name}{keys.MEMORY_MB}"] = f"{load.memory_mb:.0f}"
    text = ", ".join(f"{name} {load.cpu_percent:.0f} % of a core" for name, load in loads.items())
    return _status(keys.LOAD, OK, text, values)


def parameters_status(without_effect: Mapping[str, str]) -> DiagnosticStatus:
    """Name parameters that were set and change nothing, and say why."""
    text = "; ".join(f"{name}: {why}" for name, why in without_effect.items())
    return _status("parameters", WARN, text, without_effect)


def requests_status(waiting: int) -> DiagnosticStatus:
    """Report how many requests there are, the running one included."""
    return _status("requests", OK, f"{waiting} requests", {"requests": waiting})


def virtual_camera_status(
    camera: VirtualCamera,
    state: str,
    refused_pose: AnyviewError | None,
    stream: StreamStatus | None,
    cameras: Collection[str],
) -> DiagnosticStatus:
    """Report an added virtual camera, its stream, and why its last pose was refused.

    Args:
        cameras: the source cameras that there are.
    """
    request, choice = camera.request, camera.choice
    values: dict[str, object] = {
        keys.STATE: state,
        "frame": request.frame_id,
        keys.SOURCES: ", ".join(request.sources or (choice.names if choice else ())),
        "sources_reason": source_reason(request, choice),
        "keyframes": camera.memory or "none",
    }
    problem = None
    if stream is not None:
        values |= stream_values(stream)
        state = stream_text(stream)
        problem = stream.problem or silent_source(stream, cameras) or slow_stream(stream)
    if refused_pose is not None:
        state, problem = f"{state}, at its last good pose", refused_pose
    name = f"{keys.VIRTUAL_CAMERA}{request.name}"
    if problem is None:
        return _status(name, OK, state, values)
    text = f"{state}: {problem.message}"
    return _status(name, WARN, text, {**values, "code": problem.code})


def source_reason(request: CameraRequest, choice: Choice | None) -> str:
    """Return why a virtual camera is made from these sources."""
    if request.sources:
        return "named by the caller"
    return choice.reason if choice else "not chosen yet"


def stream_text(stream: StreamStatus) -> str:
    """Return the rate of a stream beside the requested one, or the counts of a lossless one."""
    if stream.request.lossless:
        return f"{stream.ledger.published} frames answered, {stream.ledger.waiting} wait"
    return f"{stream.ledger.rate_hz:.1f} Hz of {stream.request.rate_hz:g} Hz"


def stream_values(stream: StreamStatus) -> dict[str, object]:
    """Return rate and latency beside the request, and the ledger of the source's frames."""
    ledger = stream.ledger
    return {
        keys.MODE: "LOSSLESS" if stream.request.lossless else "LIVE",
        "priority": stream.request.priority,
        keys.RATE_ASKED_HZ: f"{stream.request.rate_hz:g}",
        keys.RATE_HZ: f"{ledger.rate_hz:.2f}",
        keys.LATENCY_S: f"{ledger.latency_s:.3f}",
        "max_latency_s": f"{ledger.max_latency_s:.3f}",
        keys.CLIPS: ledger.clips,
        "wait_s": f"{ledger.wait_s:.3f}",
        "model_s": f"{ledger.model_s:.3f}",
        "overhead_s": f"{ledger.overhead_s:.4f}",
        keys.SEEN: ledger.seen,
        keys.PUBLISHED: ledger.published,
        keys.WAITING: ledger.waiting,
        **{f"{keys.SKIPPED}{reason}": count for reason, count in sorted(ledger.skipped.items())},
        keys.BALANCED: ledger.balanced,
    }


def silent_source(stream: StreamStatus, cameras: Collection[str]) -> AnyviewError | None:
    """Return the problem that the source is no camera or sends nothing, None if it does."""
    if stream.quiet_s < SILENT_S:
        return None
    if stream.sources and stream.sources[0] not in cameras:
        return unknown_source(stream.sources[0], cameras)
    source = f"its source '{stream.sources[0]}'" if stream.sources else "any source"
    return AnyviewError(
        "source_silent",
        f"no usable frame of {source} came for {stream.quiet_s:.0f} s; see the diagnostics of that "
        "camera",
    )


def slow_stream(stream: StreamStatus) -> AnyviewError | None:
    """Return the problem that a live stream has much less than its rate, None if it has it."""
    requested_hz, ledger = stream.request.rate_hz, stream.ledger
    if stream.request.lossless or not ledger.clips or ledger.rate_hz > FULL_RATE * requested_hz:
        return None
    late = f", clips come {ledger.latency_s:.1f} s after their newest frame"
    if abs(ledger.latency_s) > FAR_S:  # of another clock than the stamps', which is told by itself
        late = ""
    return AnyviewError(
        "rate_not_reached",
        f"the model is not fast enough for all that is asked of it{late}: lower the rate of this "
        "or other cameras, raise its priority, remove cameras, or use a faster model or machine",
    )


def back_pressure_status(pressure: BackPressure) -> DiagnosticStatus:
    """Report whether the source is held back for lossless cameras."""
    values = {"holding": pressure.holding, "calls": pressure.calls}
    if pressure.problem is not None:
        code = {"code": pressure.problem.code}
        return _status("back pressure", WARN, pressure.problem.message, {**values, **code})
    text = "the source is held" if pressure.holding else "the source may send"
    return _status("back pressure", OK, text, values)


def tf_status(implementation: str, frames: int, problem: AnyviewError | None) -> DiagnosticStatus:
    """Report the frame tree, and the last transform that was refused."""
    values = {"implementation": implementation, "frames": frames}
    if problem is not None:
        return _status("tf", WARN, problem.message, {**values, "code": problem.code})
    return _status("tf", OK, f"{frames} frames", values)


def _status(
    name: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    return DiagnosticStatus(
        name=keys.named(keys.NODE_NAME, name),
        hardware_id=keys.NODE_NAME,
        level=level,
        message=message,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
