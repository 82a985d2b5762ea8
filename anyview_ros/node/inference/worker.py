"""Supervises the inference process: starts it, feeds it, replaces it when it dies or hangs."""

from __future__ import annotations

import itertools
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.onnx.providers import Provider, ProviderChoice
from anyview_ros.engine.pipeline import Progress as OnProgress
from anyview_ros.engine.pipeline import Synthesis, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, View
from anyview_ros.node.allocator import ONE_HEAP
from anyview_ros.node.inference.shared_pixels import SharedPixels
from anyview_ros.node.inference.watchdog import LOADING, Silence, Watchdog
from anyview_ros.node.inference.worker_messages import (
    NOTHING_RECLAIMABLE,
    Cancel,
    ClipHeader,
    JobHeader,
    MemoryFreed,
    NeedsMemory,
    Progress,
    Ready,
    ReclaimableMemory,
    distinct,
)
from anyview_ros.packages import ModelPackage

POLL_S = 0.02  # how late a cancellation is noticed
CANCEL_WAIT_S = (
    2.0  # for the step that runs; then the caller is answered, and the step awaited later
)
WORKER_PROCESS = "anyview_ros.node.inference.worker_process"
GRACE_S = 1.0  # between asking a process to end and killing it
Reply = NeedsMemory | Ready | Synthesis


def ignore_progress(stage: str, step: int, steps: int) -> None:
    """Take a report of progress and do nothing."""


class Worker:
    """One model in a process of its own. Thread-safe; one job at a time.

    Args:
        package: the checked model package; the process loads and checks it again.
        provider: the requested one.
        step_timeout_s: how long a step may take of which nothing is known, see `Watchdog`.
    """

    def __init__(
        self,
        package: ModelPackage,
        provider: ProviderChoice,
        step_timeout_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._package = package
        self.step_timeout_s = step_timeout_s
        self._watchdog = Watchdog(step_timeout_s)
        self.requested_provider = provider
        self._busy = threading.Lock()
        self._process: InferenceProcess | None = None
        self._stopped = False
        self._provider: Provider | None = None
        self._starting_s = 0.0
        self.deaths = 0
        self.last_death = ""

    @property
    def provider(self) -> Provider:
        """Return the provider that the model runs on. Only after `start`."""
        assert self._provider is not None, "not started"
        return self._provider

    @property
    def pid(self) -> int | None:
        """Return the id of the process; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.is_alive else None

    @property
    def is_ready(self) -> bool:
        """Return whether the process is there and has loaded the model."""
        process = self._process
        return process is not None and process.is_ready and process.is_alive

    @property
    def silence(self) -> Silence | None:
        """Return since when the process has not reported, once that is long; else None."""
        return self._watchdog.silence

    @property
    def excused_s(self) -> float:
        """Return the seconds of all jobs that no job causes: a start, or a stop of the node."""
        return self._starting_s + self._watchdog.missed_s

    def start(
        self,
        reclaimable: ReclaimableMemory = NOTHING_RECLAIMABLE,
        free_memory: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start the process and wait until it has loaded the model.

        Args:
            reclaimable: memory that `free_memory` frees.
            free_memory: called if the model fits only after that, and everything else of it is in
                order.
            cancelled: whether the caller waits no longer; the process goes on loading.

        Raises:
            AnyviewError: why the model cannot run; `worker_died` when the process ended,
                `worker_hung` when it did nothing more, `cancelled`.
        """
        with self._busy:
            self._ready_process(reclaimable, free_memory, cancelled)

    def synthesize(
        self,
        sources: Sequence[Clip],
        target: View,
        options: SynthesisOptions,
        on_progress: OnProgress = ignore_progress,
        cancelled: Callable[[], bool] = lambda: False,
        known: NDArray[np.uint8] | None = None,
    ) -> Synthesis:
        """Run `Pipeline.synthesize` in the process, which is started again if it has ended.

        Raises:
            AnyviewError: those of the pipeline, `cancelled` within one step or CANCEL_WAIT_S;
                `worker_died` if the process ended, `worker_hung` if it hung: this job is lost, and
                the next one gets a new process.
        """
        headers = tuple(ClipHeader.of(clip) for clip in sources)
        given = 0 if known is None else len(known)
        job = JobHeader(headers, target, options, given)
        with self._busy:
            self._settle(cancelled)
            process = self._ready_process(cancelled=cancelled)
            *videos, begin, frames, uncertainty, depth = process.pixels.arrays(job.shapes)
            process.write_sources(videos, sources)
            if known is not None:
                begin[:] = known
            process.send(job)
            self._watchdog.begin("begin", (job.shapes, options.speed))
            synthesis = self._reply(process, on_progress, cancelled)
            assert isinstance(synthesis, Synthesis)
            return replace(
                synthesis,
                frames=frames.copy(),
                uncertainty=uncertainty[..., 0].copy(),
                depth=depth.view(np.float32)[..., 0].copy(),
            )

    def stop(self) -> None:
        """End the process, from any thread, also while a job or the start is running."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.end()

    def _ready_process(
        self,
        reclaimable: ReclaimableMemory = NOTHING_RECLAIMABLE,
        free_memory: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> InferenceProcess:
        process = self._process
        if process is None or not process.is_alive:
            if self._stopped:
                raise AnyviewError("no_model", "the model was unloaded; load it again")
            process = InferenceProcess(self._package, self.requested_provider, reclaimable)
            self._process = process
            if self._stopped:  # meanwhile, before there was a process to end
                process.end()
            self._watchdog.begin(LOADING)
        if process.is_ready:
            return process
        try:
            ready = self._loaded(process, free_memory, cancelled)
            if ready.model_sha256 != self._package.sha256:
                raise AnyviewError(
                    "model_damaged",
                    f"{self._package.path} changed on disk since it was loaded; restart the node",
                )
        except AnyviewError as error:
            if error.code != "cancelled":
                process.end()  # it may take a while to end by itself, and the next job would get it
            raise
        self._provider, process.is_ready = ready.provider, True
        return process

    def _loaded(
        self,
        process: InferenceProcess,
        free_memory: Callable[[], None],
        cancelled: Callable[[], bool],
    ) -> Ready:
        """Wait until a process has loaded the model; of one that loads on, wait for the rest."""
        began, missed_s = time.monotonic(), self._watchdog.missed_s
        try:
            ready = self._reply(process, cancelled=cancelled)
            if isinstance(ready, NeedsMemory):
                free_memory()
                process.send(MemoryFreed())
                self._watchdog.begin(LOADING)
                ready = self._reply(process, cancelled=cancelled)
            assert isinstance(ready, Ready)
            return ready
        finally:  # what is missed of it counts already
            self._starting_s += time.monotonic() - began - (self._watchdog.missed_s - missed_s)

    def _reply(
        self,
        process: InferenceProcess,
        on_progress: OnProgress = ignore_progress,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        try:
            return process.reply(self._watchdog, on_progress, cancelled)
        except AnyviewError as error:
            if error.code in ("worker_died", "worker_hung") and not self._stopped:
                self.deaths += 1
                self.last_death = error.message
            if error.code in ("inference_failed", "out_of_memory", "worker_hung"):
                # After a CUDA fault or out of memory every later call would fail too.
                process.end()
            raise
        except BaseException:
            process.end()  # its answer to this job would be taken for that to the next
            raise
        finally:
            if not process.owes_answer:
                self._watchdog.end()

    def _settle(self, cancelled: Callable[[], bool]) -> None:
        """Wait until the process has ended the job before, whose caller was answered already.

        Raises:
            AnyviewError: `cancelled`.
        """
        process = self._process
        while process is not None and process.is_ready and process.owes_answer:
            if cancelled():
                raise AnyviewError("cancelled", "cancelled while another job was being ended")
            with suppress(AnyviewError):  # that job is cancelled, and the next process is new
                self._reply(process, cancelled=cancelled)


class InferenceProcess:
    """A started process, the pipe to it, and the pixels shared with it."""

    def __init__(
        self, package: ModelPackage, provider: ProviderChoice, reclaimable: ReclaimableMemory
    ) -> None:
        self.pixels = SharedPixels()
        ours, theirs = socket.socketpair()
        with theirs:
            pipes = theirs.fileno(), self.pixels.file
            model = package.path, provider, reclaimable.device, reclaimable.bytes
            # As we import, and nothing (-P) of the folder in which the node was started.
            path = os.pathsep.join(filter(None, sys.path))
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-m", WORKER_PROCESS, *map(str, (*pipes, *model))],
                pass_fds=pipes,
                env={**ONE_HEAP, **os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C in a terminal is for the node alone
            )
        self._connection = Connection(ours.detach())
        self._written: list[list[NDArray[np.uint8]]] = []  # images in the pixels, by source
        self.is_ready = False  # it has loaded the model
        self.owes_answer = False  # to a job whose caller does not wait any more

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def write_sources(self, videos: Sequence[NDArray[np.uint8]], sources: Sequence[Clip]) -> None:
        """Write the frames of sources to the shared pixels, except those that are there already.

        Several virtual cameras are made from one clip, and keyframes are used many times.

        Args:
            videos: places of the frames, at the beginning of the pixels.
        """
        groups = [group for clip in sources for group in (distinct(clip), clip.around) if group]
        written = [[frame.image for frame in group] for group in groups]
        shapes = [[image.shape for image in images] for images in written]
        before = self._written
        if shapes != [[image.shape for image in images] for images in before]:
            before = [[] for _ in written]  # in other places
        self._written = written
        for video, images, there in zip(videos, written, before, strict=True):
            for place, image, old in itertools.zip_longest(video, images, there):
                if image is not old:
                    place[:] = image

    def send(self, message: JobHeader | MemoryFreed) -> None:
        """Send a message; if the process has died, `reply` finds out how."""
        with suppress(OSError):
            self._connection.send(message)

    def reply(
        self, watchdog: Watchdog, on_progress: OnProgress, cancelled: Callable[[], bool]
    ) -> Reply:
        """Wait for the process's next message that is not progress, and return it.

        Args:
            watchdog: was told what the process begins with.

        Raises:
            AnyviewError: the one the process answered with, `worker_died`, `worker_hung`, or
                `cancelled` if the step that runs has not ended in CANCEL_WAIT_S: then
                `owes_answer` is set, and the next call waits for that answer.
        """
        cancelled_at = 0.0
        was_cancelled, self.owes_answer = self.owes_answer, False
        try:
            while True:
                if not cancelled_at and cancelled():
                    if not was_cancelled:
                        self._connection.send(Cancel())
                    cancelled_at = time.monotonic()
                if cancelled_at and time.monotonic() - cancelled_at > CANCEL_WAIT_S:
                    self.owes_answer = True
                    raise AnyviewError("cancelled", "cancelled; the step that runs ends later")
                if not self._connection.poll(POLL_S):
                    watchdog.check(self.pid)
                    continue
                message = self._connection.recv()
                watchdog.note(message.stage if isinstance(message, Progress) else "")
                if isinstance(message, Progress):
                    on_progress(message.stage, message.step, message.steps)
                elif isinstance(message, Reply):
                    return message
                else:
                    raise message
        except (EOFError, OSError):
            raise AnyviewError("worker_died", self._death()) from None

    def end(self) -> None:
        """End the process and wait until it is gone."""
        with suppress(OSError):
            # Not closed: another thread may be reading. It sees the end of the pipe.
            socket.socket(fileno=os.dup(self._connection.fileno())).shutdown(socket.SHUT_RDWR)
        try:
            self._popen.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _death(self) -> str:
        try:
            status = self._popen.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            status = self._popen.wait()
        return f"the inference process ended with {_words(status)}; the next request gets a new one"


def _words(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    name = signal.Signals(-status).name
    hint = ", usually because memory ran out" if -status == signal.SIGKILL else ""
    return f"signal {-status} ({name}{hint})"
