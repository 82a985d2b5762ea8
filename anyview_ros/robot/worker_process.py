"""The inference process: owns the pipeline and runs one job after another.

It is a fresh interpreter (a fork after DDS or CUDA is broken) that imports neither rclpy nor the
node.
"""

from __future__ import annotations

import mmap
import os
import queue
import signal
import sys
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path

from anyview_ros.contract import load_package
from anyview_ros.engine.pipeline import Pipeline, Synthesis
from anyview_ros.errors import AnyviewError
from anyview_ros.robot.worker_messages import NO_PIXELS, Cancel, Job, Progress, Ready, pixel_views


class Inbox(threading.Thread):
    """Receives jobs and cancellations while the main thread computes.

    The end of the pipe means that the node is gone, however it ended: then so is this process.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="inbox", daemon=True)
        self._connection = connection
        self.jobs: queue.SimpleQueue[tuple[Job, mmap.mmap]] = queue.SimpleQueue()
        self.cancelled = threading.Event()

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
            return
        file = recv_handle(self._connection)
        memory = mmap.mmap(file, 0)
        os.close(file)
        self.cancelled.clear()  # of the job before: the node sends the next after its answer
        self.jobs.put((message, memory))


def serve(connection: Connection, package: Path, provider: str) -> None:
    """Load the model, say so, then answer jobs until the pipe ends."""
    inbox = Inbox(connection)
    inbox.start()
    try:
        pipeline = Pipeline(load_package(package), provider)
    except AnyviewError as error:
        connection.send(error)
        return
    connection.send(Ready(pipeline.provider, pipeline.package.sha256))
    while True:
        job, memory = inbox.jobs.get()
        connection.send(answer(pipeline, job, memory, connection, inbox.cancelled))


def answer(
    pipeline: Pipeline,
    job: Job,
    memory: mmap.mmap,
    connection: Connection,
    cancelled: threading.Event,
) -> Synthesis | AnyviewError:
    """The job's synthesis with its frames left in `memory`, or why there is none."""
    *images, known, frames, uncertainty = pixel_views(memory, job.shapes)
    try:
        synthesis = pipeline.synthesize(
            [
                source.with_images(pixels)
                for source, pixels in zip(job.sources, images, strict=True)
            ],
            job.target,
            job.options,
            lambda stage, step, steps: connection.send(Progress(stage, step, steps)),
            cancelled.is_set,
            known if job.known else None,
        )
    except AnyviewError as error:
        return error
    except Exception as error:  # a job fails by name whatever the cause, out of memory included
        return AnyviewError("inference_failed", f"{type(error).__name__}: {error}")
    frames[:], uncertainty[..., 0] = synthesis.frames, synthesis.uncertainty
    return replace(synthesis, frames=NO_PIXELS, uncertainty=NO_PIXELS)


def main() -> None:
    """`python -m anyview_ros.robot.worker_process FILE_DESCRIPTOR PACKAGE PROVIDER`."""
    # Ctrl-C reaches every process of a terminal; the node ends this one by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file_descriptor, package, provider = sys.argv[1:]
    serve(Connection(int(file_descriptor)), Path(package), provider)


if __name__ == "__main__":
    main()
