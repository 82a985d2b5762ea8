"""Statuses as people read them; what is measured of streams is tested with the streams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anyview_ros.clips.intake.source_health import Problem, SourceStatus, with_clock_problems
from anyview_ros.clips.ledger import LedgerSnapshot
from anyview_ros.clips.streaming.stream import StreamStatus
from anyview_ros.clips.streaming.stream_ledger import StreamLedger
from anyview_ros.clips.virtual.camera_request import StreamRequest
from anyview_ros.node import diagnostics
from anyview_ros.node.inference.served_model import RunningModel
from anyview_ros.node.inference.watchdog import Silence
from anyview_ros.packages import load_package
from tests.node.rig import values_of
from tests.packages import make_package

LEDGER = LedgerSnapshot(10, 1, 5, 2, 1, {"tf_expired": 1})
PROBLEM = Problem("stamp_gaps", "3 images missing; start the driver with our DDS profile")


def stream(ledger: LedgerSnapshot, *problems: Problem) -> SourceStatus:
    return SourceStatus("front", "/front/image_raw", ledger, 10.0, 12_300_000_000, problems)


def test_a_camera_that_is_well() -> None:
    status = diagnostics.camera_status(stream(LEDGER))
    assert (status.name, status.level) == ("anyview: camera front", diagnostics.OK)
    assert status.message == "10.0 Hz, 5 frames buffered"
    values = values_of(status)
    assert (values["received"], values["dropped.tf_expired"], values["balanced"]) == (
        *("10", "1"),
        "True",
    )
    assert values["newest_stamp"] == "12.300 s"


@pytest.mark.parametrize(
    ("simulated", "has_clock", "remedy"),
    [
        (False, True, "start the node with use_sim_time:=true"),
        (False, False, "synchronise the clocks, or play the recording with --clock"),
        (True, True, "play the recording with --clock"),
        (True, False, "start the node with use_sim_time:=false"),
    ],
)
def test_a_clock_that_is_far_from_the_stamps_is_told(
    simulated: bool, has_clock: bool, remedy: str
) -> None:
    status = diagnostics.clock_status(1_795_894_467.0, simulated, has_clock)
    assert (status.name, status.level) == ("anyview: clock", diagnostics.WARN)
    assert status.message.startswith("stamps are 1795894467 s behind ")
    assert status.message.endswith(remedy) or remedy in status.message


def newest(name: str, stamp_s: float, *problems: Problem) -> SourceStatus:
    topic, stamp_ns = f"/{name}/image_raw", round(stamp_s * 1e9)
    return SourceStatus(name, topic, LEDGER, 10.0, stamp_ns, problems)


def test_a_camera_with_another_clock_is_named_with_the_offset_that_it_needs() -> None:
    three = [newest("front", 100.0), newest("left", 100.3), newest("rear", 42.1)]
    front, left, rear = with_clock_problems(three)
    assert (front.problems, left.problems) == ((), ())
    (problem,) = rear.problems
    assert problem.code == "other_clock"
    assert problem.text == (
        "the newest stamp of '/rear/image_raw' is 57.900 s before that of '/front/image_raw': "
        "synchronise their clocks (PTP, chrony), or set rear.clock_offset_s to about 57.900 more"
    )


def test_a_camera_that_has_stopped_has_no_other_clock() -> None:
    stopped = newest("rear", 42.1, Problem("no_images", "no image came for 60.000 s"))
    assert with_clock_problems([newest("front", 100.0), stopped])[1] == stopped
    assert with_clock_problems([newest("front", 100.0)]) == [newest("front", 100.0)]


def test_a_problem_is_told_with_its_remedy_and_is_worse_when_nothing_is_left() -> None:
    warned = diagnostics.camera_status(stream(LEDGER, PROBLEM))
    assert (warned.level, warned.message) == (diagnostics.WARN, PROBLEM.text)
    assert values_of(warned)["problem.stamp_gaps"] == PROBLEM.text
    empty = LedgerSnapshot(1, 0, 0, 0, 0, {"uncalibrated_camera": 1})
    assert diagnostics.camera_status(stream(empty, PROBLEM)).level == diagnostics.ERROR


@pytest.fixture
def served(tmp_path: Path) -> Any:
    """A model that was asked to run anywhere, and its worker, as diagnostics see them."""
    worker: Any = SimpleNamespace(
        provider="cpu",
        requested_provider="auto",
        pid=7,
        deaths=0,
        last_death="",
        silence=None,
    )
    running = RunningModel("tiny", load_package(make_package(tmp_path / "tiny")), worker, 0)
    return SimpleNamespace(name="tiny", current=running, absence="", loading="", refused=None)


def test_the_cpu_beside_an_idle_gpu_is_a_warning(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "nvidiactl"
    monkeypatch.setattr(diagnostics, "NVIDIA_DEVICE", device)
    assert diagnostics.model_status(served).level == diagnostics.OK
    device.touch()
    warned = diagnostics.model_status(served)
    assert warned.level == diagnostics.WARN
    assert "install onnxruntime-gpu in place of onnxruntime" in warned.message
    served.current.worker.requested_provider = "cpu"
    assert diagnostics.model_status(served).level == diagnostics.OK, "it was asked for"


def test_a_worker_that_died_is_told_until_it_runs_again(served: Any) -> None:
    served.current.worker.pid = None
    served.current.worker.last_death = "the inference process ended with exit code 1"
    status = diagnostics.model_status(served)
    assert status.level == diagnostics.WARN
    assert status.message.startswith("the inference process ended with exit code 1")


@pytest.mark.parametrize(
    ("is_stopped", "said"),
    [(True, "is stopped (SIGSTOP) for 4 s"), (False, "is in one step (denoise) for 4 s")],
)
def test_a_worker_that_may_hang_is_told(served: Any, is_stopped: bool, said: str) -> None:
    served.current.worker.silence = Silence("denoise", 4.2, 10.0, is_stopped)
    status = diagnostics.model_status(served)
    assert status.level == diagnostics.WARN
    assert status.message == f"the inference process {said}; after 10 s it is replaced"
    assert {pair.key: pair.value for pair in status.values}["code"] == "worker_silent"


@pytest.mark.parametrize(
    ("latency_s", "told"), [(1.5, True), (1_795_894_467.0, False), (-90.0, False)]
)
def test_a_latency_between_two_clocks_is_no_latency(latency_s: float, told: bool) -> None:
    """Stamps of a simulation beside a node on wall time: `clock` tells it, in its own words."""
    ledger = replace(StreamLedger().snapshot(0), rate_hz=5.0, clips=3, latency_s=latency_s)
    stream = StreamStatus(StreamRequest(10.0, False, 0), ("front",), ledger, None, 0.0)
    slow = diagnostics.slow_stream(stream)
    assert slow is not None
    assert slow.code == "rate_not_reached"
    assert (f"clips come {latency_s:.1f} s after their newest frame" in slow.message) == told
    assert ("after" in slow.message) == told


@pytest.mark.parametrize(
    ("sources", "code", "text"),
    [
        (("rear",), "unknown_source", "no source camera 'rear'; there are: front, left"),
        (("front",), "source_silent", "no usable frame of its source 'front' came for 73 s"),
        ((), "source_silent", "no usable frame of any source came for 73 s"),
    ],
)
def test_a_source_that_there_is_not_is_told_from_one_that_sends_nothing(
    sources: tuple[str, ...], code: str, text: str
) -> None:
    request, ledger = StreamRequest(10.0, True, 0), StreamLedger().snapshot(0)
    problem = diagnostics.silent_source(
        StreamStatus(request, sources, ledger, None, 73.0), ("left", "front")
    )
    assert problem is not None
    assert problem.code == code
    assert problem.message.startswith(text)
    arriving = StreamStatus(request, sources, ledger, None, 0.1)
    assert diagnostics.silent_source(arriving, ("left", "front")) is None
