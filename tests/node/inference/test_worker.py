"""The supervised inference process: same bytes as in-process, and no death goes unnoticed."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from anyview_ros.engine.pipeline import Pipeline, Synthesis, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.node.inference import watchdog
from anyview_ros.node.inference import worker as worker_module
from anyview_ros.node.inference.shared_pixels import SharedPixels
from anyview_ros.node.inference.worker import InferenceProcess, Worker
from anyview_ros.node.inference.worker_messages import ClipHeader, JobHeader
from anyview_ros.node.inference.worker_process import OOM_SCORE, answer, first_to_be_killed
from anyview_ros.packages import ModelPackage, load_package
from tests.packages import make_package, seal

DEADLINE_S = 20.0
SOURCE = Camera.from_fov(32, 24, 1.2)
TARGET = View(Camera.from_fov(64, 48, 1.4), np.stack([np.eye(4)] * 5))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return load_package(make_package(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def slow_package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """Steps of about 50 ms, hundreds of them."""
    levels = tuple(float(level) for level in np.linspace(80, 0, 400))
    folder = tmp_path_factory.mktemp("models") / "slow"
    return load_package(make_package(folder, work=10, sigmas={"exact": levels}))


@pytest.fixture
def worker(package: ModelPackage) -> Iterator[Worker]:
    with started(package) as worker:
        yield worker


@contextmanager
def started(package: ModelPackage) -> Iterator[Worker]:
    worker = Worker(package, "cpu")
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def source(seed: int) -> Clip:
    rng = np.random.default_rng(seed)
    return Clip(
        tuple(
            Frame(10**9 + k * 10**8, pixels, SOURCE, np.eye(4))
            for k, pixels in enumerate(rng.integers(0, 255, (5, 24, 32, 3), dtype=np.uint8))
        )
    )


def wait_for_end(pid: int) -> None:
    """Return when the process is gone; it need not be a child of this one."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, *_ = select.select([descriptor], [], [], DEADLINE_S)
        assert ready, f"process {pid} still runs after {DEADLINE_S} s"
    finally:
        os.close(descriptor)


def test_same_bytes_as_the_pipeline_in_process(worker: Worker, package: ModelPackage) -> None:
    pipeline = Pipeline(package, "cpu")
    for seed in range(3):
        options = SynthesisOptions(seed=seed, uncertainty_samples=2 * (seed == 1))
        expected = pipeline.synthesize([source(seed)], TARGET, options)
        answer = worker.synthesize([source(seed)], TARGET, options)
        np.testing.assert_array_equal(answer.frames, expected.frames)
        np.testing.assert_array_equal(answer.uncertainty, expected.uncertainty)
        assert len(answer.uncertainty) == (5 if seed == 1 else 0)
        assert (answer.steps, answer.generated_size) == (expected.steps, expected.generated_size)


def test_answers_stay_apart(worker: Worker) -> None:
    first = worker.synthesize([source(0)], TARGET, SynthesisOptions())
    kept = first.frames.copy()
    worker.synthesize([source(1)], TARGET, SynthesisOptions())
    np.testing.assert_array_equal(first.frames, kept)


def test_jobs_of_any_size_follow_each_other(worker: Worker, package: ModelPackage) -> None:
    """They share their memory: what is left of a larger one must not show."""
    pipeline = Pipeline(package, "cpu")
    for width, height in ((64, 48), (160, 120), (32, 24), (160, 120)):
        target = View(Camera.from_fov(width, height, 1.4), np.stack([np.eye(4)] * 5))
        expected = pipeline.synthesize([source(width)], target, SynthesisOptions())
        answer = worker.synthesize([source(width)], target, SynthesisOptions())
        np.testing.assert_array_equal(answer.frames, expected.frames)


def test_a_frame_that_is_held_still_travels_once(tmp_path: Path) -> None:
    package = load_package(make_package(tmp_path / "two", max_sources=2))
    held = Clip.held(source(7).frames[2], 5)
    assert ClipHeader.of(held).shapes == ((1, 24, 32, 3),)
    told = Clip.held(source(7).frames[2], 5, source(7).frames[3:])
    header = ClipHeader.of(told)
    assert header.shapes == ((1, 24, 32, 3), (2, 24, 32, 3))
    again = header.with_images(
        iter([told.images[:1], np.stack([frame.image for frame in told.around])])
    )
    assert again.is_held
    assert again.stamps_ns == told.stamps_ns
    np.testing.assert_array_equal(again.images, told.images)
    for found, given in zip(again.around, told.around, strict=True):
        assert (found.stamp_ns, found.camera) == (given.stamp_ns, given.camera)
        np.testing.assert_array_equal(found.image, given.image)
    pipeline = Pipeline(package, "cpu")
    with started(package) as worker:
        for first in (0, 1, 0):  # beside clips that change, and alone
            for clips in (
                [source(first), told],
                [source(first), held],
                [source(first)],
                [source(first), source(7)],
            ):
                expected = pipeline.synthesize(clips, TARGET, SynthesisOptions())
                answer = worker.synthesize(clips, TARGET, SynthesisOptions())
                np.testing.assert_array_equal(answer.frames, expected.frames)


def test_what_lies_in_the_shared_pixels_is_not_written_again() -> None:
    process: Any = SimpleNamespace(_written=[])
    places = [np.zeros((5, 24, 32, 3), np.uint8), np.zeros((1, 24, 32, 3), np.uint8)]
    clip, held = source(0), Clip.held(source(1).frames[0], 5)
    InferenceProcess.write_sources(process, places, [clip, held])
    np.testing.assert_array_equal(places[0], clip.images)
    np.testing.assert_array_equal(places[1][0], held.images[0])
    for place in places:
        place[:] = 77
    InferenceProcess.write_sources(process, places, [source(2), held])
    np.testing.assert_array_equal(places[0], source(2).images)
    assert (places[1] == 77).all(), "as it lies there"
    InferenceProcess.write_sources(process, places[:1], [clip])
    InferenceProcess.write_sources(process, places, [clip, held])
    np.testing.assert_array_equal(places[1][0], held.images[0])


def test_depth_comes_back_where_it_was_asked_for(worker: Worker, package: ModelPackage) -> None:
    plain = worker.synthesize([source(0)], TARGET, SynthesisOptions())
    assert plain.depth.shape == (0, 48, 64)
    depth = np.linspace(0.5, 70, 5 * 48 * 64, dtype=np.float32).reshape(5, 48, 64)
    depth[0, 0, :9] = np.nan
    pipeline: Any = Mock(synthesize=Mock(return_value=replace(plain, depth=depth)))
    options, shared = SynthesisOptions(depth=True), SharedPixels()
    job = JobHeader((ClipHeader.of(source(0)),), TARGET, options, known=0)
    said = answer(pipeline, job, shared, Mock(), threading.Event())
    assert isinstance(said, Synthesis)
    assert not said.depth.size, "it does not go through the pipe"
    *_, told = SharedPixels(os.dup(shared.file)).arrays(job.shapes)
    np.testing.assert_array_equal(told.view(np.float32)[..., 0], depth)


def test_memory_that_cannot_be_had_fails_the_job_by_name() -> None:
    """Not the process: the next job may be smaller."""
    shared: Any = Mock(arrays=Mock(side_effect=OSError(12, "Cannot allocate memory")))
    job = JobHeader((ClipHeader.of(source(0)),), TARGET, SynthesisOptions(), known=0)
    said = answer(Mock(), job, shared, Mock(), threading.Event())
    assert isinstance(said, AnyviewError)
    assert said.code == "inference_failed"
    assert "Cannot allocate memory" in said.message


def hung_package(folder: Path) -> ModelPackage:
    """Its decoder counts to 2^62."""
    package = make_package(folder)
    counted = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["on"]),
            helper.make_node("Identity", ["x"], ["y"]),
        ],
        "counted",
        [
            helper.make_tensor_value_info("k", TensorProto.INT64, []),
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    model = onnx.load(package / "decode.onnx")
    model.graph.node.insert(
        0, helper.make_node("Loop", ["rounds", "", "latent"], ["counted"], body=counted)
    )
    model.graph.initializer.append(helper.make_tensor("rounds", TensorProto.INT64, [], [1 << 62]))
    model.graph.node[1].input[0] = "counted"
    onnx.save(model, package / "decode.onnx")
    seal(package)
    return load_package(package)


def test_a_graph_without_end_is_ended_in_the_stated_time(tmp_path: Path) -> None:
    worker = Worker(hung_package(tmp_path / "hung"), "cpu", lambda: 3.0)
    worker.start()
    try:
        pid, began = worker.pid, time.monotonic()
        with pytest.raises(AnyviewError, match=r"in one step \(decode\) for 3 s, 3 s are") as hung:
            worker.synthesize([source(0)], TARGET, SynthesisOptions())
        assert hung.value.code == "worker_hung"
        assert hung.value.retry == "new_process"
        assert 3 < time.monotonic() - began < 3 + 3
        assert (worker.pid, worker.deaths) == (None, 1)
        wait_for_end(pid or 0)
        worker.start()
        assert worker.pid not in (None, pid)
    finally:
        worker.stop()


def test_a_stopped_process_is_replaced_and_the_next_job_works(
    slow_package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "STOPPED_S", 1.0)
    short = SynthesisOptions(steps=2)
    with started(slow_package) as worker:
        before = worker.synthesize([source(0)], TARGET, short)

        def stop(stage: str, step: int, steps: int) -> None:
            if stage == "denoise" and worker.pid is not None:
                os.kill(worker.pid, signal.SIGSTOP)

        with pytest.raises(AnyviewError, match="was stopped") as hung:
            worker.synthesize([source(0)], TARGET, SynthesisOptions(), stop)
        assert hung.value.code == "worker_hung"
        assert worker.silence is None
        after = worker.synthesize([source(0)], TARGET, short)
        np.testing.assert_array_equal(after.frames, before.frames)


def test_who_cancels_does_not_wait_for_a_step_that_does_not_end(
    slow_package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is awaited by the next job, and its late answer is taken for no other."""
    monkeypatch.setattr(worker_module, "CANCEL_WAIT_S", 0.5)
    short = SynthesisOptions(steps=2)
    with started(slow_package) as worker:
        pid, expected = worker.pid, worker.synthesize([source(1)], TARGET, short)
        assert pid is not None
        cancelled = threading.Event()

        def stop(stage: str, step: int, steps: int) -> None:
            os.kill(pid, signal.SIGSTOP)
            cancelled.set()

        began = time.monotonic()
        with pytest.raises(AnyviewError) as refused:
            worker.synthesize([source(0)], TARGET, SynthesisOptions(), stop, cancelled.is_set)
        assert refused.value.code == "cancelled"
        assert time.monotonic() - began < 2
        with pytest.raises(AnyviewError) as refused:  # nor does who cancels behind it
            worker.synthesize([source(0)], TARGET, short, cancelled=lambda: True)
        assert refused.value.code == "cancelled"
        threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
        after = worker.synthesize([source(1)], TARGET, short)
        np.testing.assert_array_equal(after.frames, expected.frames)
        assert (worker.pid, worker.deaths) == (pid, 0)


def test_a_process_that_hangs_for_a_cancelled_job_is_replaced_for_the_next(
    slow_package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "CANCEL_WAIT_S", 0.2)
    monkeypatch.setattr(watchdog, "STOPPED_S", 1.0)
    with started(slow_package) as worker:
        pid = worker.pid
        assert pid is not None
        cancelled = threading.Event()

        def stop(stage: str, step: int, steps: int) -> None:
            os.kill(pid, signal.SIGSTOP)
            cancelled.set()

        with pytest.raises(AnyviewError):
            worker.synthesize([source(0)], TARGET, SynthesisOptions(), stop, cancelled.is_set)
        worker.synthesize([source(1)], TARGET, SynthesisOptions(steps=1))
        assert worker.pid not in (None, pid)
        assert worker.deaths == 1


def test_progress_counts_the_steps(worker: Worker) -> None:
    seen: list[tuple[str, int, int]] = []
    worker.synthesize([source(0)], TARGET, SynthesisOptions(), lambda *p: seen.append(p))
    assert seen[0] == ("condition", 0, 4)
    assert seen[-1] == ("decode", 4, 4)
    assert [step for stage, step, _ in seen if stage == "denoise"] == [0, 1, 2, 3]


def test_a_refusal_crosses_with_its_code_and_the_process_stays(worker: Worker) -> None:
    pid = worker.pid
    with pytest.raises(AnyviewError, match=r"takes 1\.\.4 steps, got 5") as refused:
        worker.synthesize([source(0)], TARGET, SynthesisOptions(steps=5))
    assert refused.value.code == "invalid_steps"
    worker.synthesize([source(0)], TARGET, SynthesisOptions())
    assert worker.pid == pid


def test_cancel_ends_within_one_step(slow_package: ModelPackage) -> None:
    steps: list[int] = []
    with started(slow_package) as worker:
        with pytest.raises(AnyviewError) as cancelled:
            worker.synthesize(
                [source(0)],
                TARGET,
                SynthesisOptions(),
                lambda stage, step, count: steps.append(step),
                lambda: bool(steps) and steps[-1] >= 3,
            )
        assert cancelled.value.code == "cancelled"
        assert max(steps) <= 4
        worker.synthesize([source(0)], TARGET, SynthesisOptions(steps=1))


def test_a_killed_process_fails_its_job_and_the_next_job_works(slow_package: ModelPackage) -> None:
    short = SynthesisOptions(steps=2)
    with started(slow_package) as worker:
        before = worker.synthesize([source(0)], TARGET, short)

        def kill(stage: str, step: int, steps: int) -> None:
            if stage == "denoise" and worker.pid is not None:
                os.kill(worker.pid, signal.SIGKILL)

        with pytest.raises(AnyviewError) as died:
            worker.synthesize([source(0)], TARGET, SynthesisOptions(), kill)
        assert died.value.code == "worker_died"
        assert "signal 9 (SIGKILL, usually because memory ran out)" in died.value.message
        assert worker.deaths == 1
        after = worker.synthesize([source(0)], TARGET, short)
        np.testing.assert_array_equal(after.frames, before.frames)


def test_a_process_that_died_between_jobs_is_replaced(worker: Worker) -> None:
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    worker.synthesize([source(0)], TARGET, SynthesisOptions())
    assert worker.pid not in (None, pid)


def test_the_start_of_a_process_is_excused_and_no_job(worker: Worker) -> None:
    """Else the camera in whose turn it is started waits until the others had as much time."""
    started_s = worker.excused_s
    assert started_s > 0
    worker.synthesize([source(0)], TARGET, SynthesisOptions())
    assert worker.excused_s == started_s
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    began = time.monotonic()
    worker.synthesize([source(0)], TARGET, SynthesisOptions())
    assert 0 < worker.excused_s - started_s < time.monotonic() - began


def test_a_failed_inference_gets_a_fresh_process(tmp_path: Path) -> None:
    """Rows that are added to columns show when they are not as many."""
    folder = make_package(tmp_path / "torn")
    model = onnx.load(folder / "decode.onnx")
    turn = helper.make_node("Transpose", ["latent"], ["turned"], perm=[0, 1, 2, 4, 3])
    model.graph.node.insert(0, helper.make_node("Add", ["latent", "turned"], ["torn"]))
    model.graph.node.insert(0, turn)
    model.graph.node[2].input[0] = "torn"
    onnx.save(model, folder / "decode.onnx")
    torn = load_package(seal(folder))
    with started(torn) as worker:
        pid = worker.pid
        with pytest.raises(AnyviewError) as failed:
            worker.synthesize([source(0)], TARGET, SynthesisOptions())
        assert failed.value.code == "inference_failed"
        assert worker.pid is None, "a process that failed once is not trusted again"
        worker.start()
        assert worker.pid not in (None, pid)


def test_a_caller_that_fails_does_not_leave_its_answer_to_the_next(worker: Worker) -> None:
    def fail(stage: str, step: int, steps: int) -> None:
        raise KeyError(stage)

    with pytest.raises(KeyError):
        worker.synthesize([source(0)], TARGET, SynthesisOptions(seed=1), fail)
    fresh = worker.synthesize([source(1)], TARGET, SynthesisOptions(seed=2))
    again = worker.synthesize([source(1)], TARGET, SynthesisOptions(seed=2))
    np.testing.assert_array_equal(fresh.frames, again.frames)


def test_a_model_damaged_on_disk_is_refused_by_the_process(tmp_path: Path) -> None:
    package = load_package(make_package(tmp_path / "tiny"))
    graph = package.graph("denoise")
    content = bytearray(graph.read_bytes())
    content[100] ^= 1
    graph.write_bytes(content)
    with pytest.raises(AnyviewError, match=r"'denoise.onnx' .* has sha256") as refused:
        Worker(package, "cpu").start()
    assert refused.value.code == "model_damaged"


def test_a_process_that_cannot_load_is_given_no_job(tmp_path: Path) -> None:
    """It takes a while to end by itself."""
    package = load_package(make_package(tmp_path / "tiny"))
    with started(package) as worker:
        os.kill(worker.pid or 0, signal.SIGKILL)
        wait_for_end(worker.pid or 0)
        (package.path / "decode.onnx").write_bytes(b"cut")
        for _ in range(3):
            with pytest.raises(AnyviewError) as refused:
                worker.synthesize([source(0)], TARGET, SynthesisOptions())
            assert refused.value.code == "model_damaged"
            assert worker.pid is None
        assert worker.deaths == 0


def test_who_cancels_does_not_wait_for_a_process_that_starts(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads on, and is there for the next job."""
    monkeypatch.setattr(worker_module, "CANCEL_WAIT_S", 0.1)
    worker, cancelled = Worker(package, "cpu"), threading.Event()
    starts = Mock(side_effect=InferenceProcess)
    monkeypatch.setattr(worker_module, "InferenceProcess", starts)

    def stop() -> None:
        while worker.pid is None:
            pass
        os.kill(worker.pid, signal.SIGSTOP)
        cancelled.set()

    threading.Thread(target=stop).start()
    try:
        with pytest.raises(AnyviewError) as refused:
            worker.synthesize([source(0)], TARGET, SynthesisOptions(), cancelled=cancelled.is_set)
        assert refused.value.code == "cancelled"
        with pytest.raises(AnyviewError) as refused:
            worker.start(cancelled=cancelled.is_set)
        assert refused.value.code == "cancelled"
        os.kill(worker.pid or 0, signal.SIGCONT)
        worker.synthesize([source(0)], TARGET, SynthesisOptions())
        assert starts.call_count == 1
    finally:
        worker.stop()


def test_another_model_under_the_same_path_is_refused(tmp_path: Path) -> None:
    package = load_package(make_package(tmp_path / "tiny"))
    make_package(tmp_path / "tiny", licence="CC0-1.0")
    worker = Worker(package, "cpu")
    with pytest.raises(AnyviewError, match="changed on disk since it was loaded"):
        worker.start()
    worker.stop()


def test_while_a_model_loads_its_process_is_the_first_that_the_kernel_ends() -> None:
    before = OOM_SCORE.read_text()
    with first_to_be_killed():
        assert OOM_SCORE.read_text() == "1000\n"
    assert OOM_SCORE.read_text() == before


def test_stop_from_another_thread_ends_a_running_job(slow_package: ModelPackage) -> None:
    with started(slow_package) as worker:
        pid = worker.pid
        assert pid is not None

        def stop_at_step_two(stage: str, step: int, steps: int) -> None:
            if step == 2:
                threading.Thread(target=worker.stop).start()

        with pytest.raises(AnyviewError) as died:
            worker.synthesize([source(0)], TARGET, SynthesisOptions(), stop_at_step_two)
        assert died.value.code == "worker_died"
        wait_for_end(pid)
        with pytest.raises(AnyviewError) as refused:
            worker.synthesize([source(0)], TARGET, SynthesisOptions())
        assert refused.value.code == "no_model"


NODE_STAND_IN = """
import sys
from pathlib import Path
from anyview_ros.packages import load_package
from anyview_ros.node.inference.worker import InferenceProcess, Worker
worker = Worker(load_package(Path(sys.argv[1])), "cpu")
worker.start()
print(worker.pid, flush=True)
sys.stdin.read()
"""


def test_no_process_survives_a_killed_node(package: ModelPackage) -> None:
    node = subprocess.Popen(
        [sys.executable, "-c", NODE_STAND_IN, str(package.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert node.stdin is not None
    assert node.stdout is not None
    with node, node.stdin, node.stdout:
        pid = int(node.stdout.readline())
        node.kill()
        wait_for_end(pid)


def test_the_process_imports_neither_rclpy_nor_torch() -> None:
    code = (
        "import sys, anyview_ros.node.inference.worker_process;"
        "print(sorted({'rclpy', 'torch'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_process_imports_nothing_of_the_folder_where_the_node_was_started(
    package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    worker = Worker(package, "cpu")
    worker.start()
    worker.stop()
