"""The inference process: owns the pipeline and runs one job after another.

It is a fresh interpreter (a fork after DDS or CUDA is broken) that imports neither rclpy nor the
node.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import numpy as np

from anyview_ros.engine.onnx.memory import check_fits
from anyview_ros.engine.onnx.providers import Device, ProviderChoice, device_of
from anyview_ros.engine.onnx.runtime import choose_provider
from anyview_ros.engine.pipeline import Pipeline, Synthesis, compile_ahead
from anyview_ros.engine.thread_map import thread_map
from anyview_ros.errors import AnyviewError
from anyview_ros.node.allocator import give_back_freed_memory
from anyview_ros.node.inference.shared_pixels import SharedPixels
from anyview_ros.node.inference.worker_messages import (
    NO_DEPTH,
    NO_PIXELS,
    Cancel,
    JobHeader,
    MemoryFreed,
    NeedsMemory,
    Progress,
    Ready,
    ReclaimableMemory,
)
from anyview_ros.packages import load_package

IDLE_S = 1.0  # without a job, after which memory is given back
OOM_SCORE = Path("/proc/self/oom_score_adj")  # man 5 proc: whom the kernel ends first, up to 1000


class Inbox(threading.Thread):
    """Receives jobs and cancellations while the main thread computes.

    The end of the pipe means that the node has ended, however that was: this process ends too.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="inbox", daemon=True)
        self._connection = connection
        self.jobs: queue.SimpleQueue[JobHeader] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self.memory_freed = threading.Event()

    def run(self) -> None:
        try:
            while True:
                self._receive()
        except (EOFError, OSError):
            os._exit(0)

    def _receive(self) -> None:
        message = self._connection.recv()
        if isinstance(message, Cancel):
            self.cancelled.set()
        elif isinstance(message, MemoryFreed):
            self.memory_freed.set()
        else:
            self.cancelled.clear()  # of the job before: the node sends the next after its answer
            self.jobs.put(message)


def serve(
    connection: Connection,
    shared: SharedPixels,
    package: Path,
    provider: ProviderChoice,
    reclaimable: ReclaimableMemory,
) -> None:
    """Load the model, send `Ready`, then answer jobs until the pipe ends."""
    inbox = Inbox(connection)
    inbox.start()
    try:
        with first_to_be_killed():
            pipeline = load_pipeline(connection, inbox, package, provider, reclaimable)
    except AnyviewError as error:
        connection.send(error)
        return
    except BrokenPipeError:
        raise
    except Exception as error:  # a bug, and its cause must not be on stderr alone
        traceback.print_exc()
        said = f"{package} cannot be loaded: {type(error).__name__}: {error}"
        connection.send(AnyviewError("internal_error", said))
        return
    connection.send(Ready(pipeline.provider, pipeline.package.sha256))
    while True:
        job = next_job(inbox.jobs)
        connection.send(answer(pipeline, job, shared, connection, inbox.cancelled))


def next_job(jobs: queue.SimpleQueue[JobHeader]) -> JobHeader:
    """Wait for a job and return it; if none comes for a while, give freed memory back."""
    with suppress(queue.Empty):
        return jobs.get(timeout=IDLE_S)
    give_back_freed_memory()
    return jobs.get()


def load_pipeline(
    connection: Connection,
    inbox: Inbox,
    path: Path,
    provider: ProviderChoice,
    reclaimable: ReclaimableMemory,
) -> Pipeline:
    """Load the model and return it.

    Sends `NeedsMemory` if it is in order but does not fit beside the model that is served now, and
    waits for `MemoryFreed`.

    Raises:
        AnyviewError: why it cannot run.
    """
    package = load_package(
        path, check_files=False
    )  # `Pipeline` reads them, and checks what it read
    device = device_of(choose_provider(provider))
    try:
        check_fits(package, device)
    except AnyviewError:
        check_fits(package, device, reclaimable.bytes if reclaimable.device == device else 0)
        connection.send(NeedsMemory())
        inbox.memory_freed.wait()
    load = partial(Pipeline, package, provider)
    parts: tuple[Callable[[], Any], ...] = (load, partial(compile_ahead, package.contract))
    pipeline: Pipeline = thread_map(lambda part: part(), parts, threads=2)[0]
    return pipeline


@contextmanager
def first_to_be_killed() -> Iterator[None]:
    """Have the kernel end this process first if memory runs out meanwhile."""
    before = ""
    with suppress(OSError):  # if a container forbids it, the kernel decides
        before = OOM_SCORE.read_text()
        OOM_SCORE.write_text("1000")
    try:
        yield
    finally:
        with suppress(OSError):  # it may be forbidden to go below the score of its parent
            if before:
                OOM_SCORE.write_text(before)


def answer(
    pipeline: Pipeline,
    job: JobHeader,
    shared: SharedPixels,
    connection: Connection,
    cancelled: threading.Event,
) -> Synthesis | AnyviewError:
    """Do a job: return its synthesis with the frames left in `shared`, or why there is none."""

    def report(stage: str, step: int, steps: int) -> None:
        connection.send(Progress(stage, step, steps))

    try:
        *images, known, frames, uncertainty, depth = shared.arrays(job.shapes)
        pixels = iter(images)
        synthesis = pipeline.synthesize(
            [source.with_images(pixels) for source in job.sources],
            job.target,
            job.options,
            on_progress=report,
            cancelled=cancelled.is_set,
            known=known if job.known else None,
        )
    except AnyviewError as error:
        return error
    except Exception as error:  # a job fails by name whatever the cause, out of memory included
        return AnyviewError("inference_failed", f"{type(error).__name__}: {error}")
    frames[:], uncertainty[..., 0] = synthesis.frames, synthesis.uncertainty
    depth.view(np.float32)[..., 0] = synthesis.depth
    return replace(synthesis, frames=NO_PIXELS, uncertainty=NO_PIXELS, depth=NO_DEPTH)


def main() -> None:
    """Run `python -m ...inference.worker_process PIPE PIXELS PACKAGE PROVIDER DEVICE BYTES`.

    The first two are file descriptors, the last two are `ReclaimableMemory`.
    """
    # Ctrl-C reaches every process of a terminal; the node ends this one by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe, pixels, package, provider, device, freed = sys.argv[1:]
    connection, shared = Connection(int(pipe)), SharedPixels(int(pixels))
    reclaimable = ReclaimableMemory(
        cast(Device, device), int(freed)
    )  # as `InferenceProcess` wrote them
    with suppress(BrokenPipeError):  # the node has ended, which the inbox may hear of later
        serve(connection, shared, Path(package), cast(ProviderChoice, provider), reclaimable)


if __name__ == "__main__":
    main()
