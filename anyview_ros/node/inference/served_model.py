"""The model that a node serves: its package, its worker, and why there is none."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from anyview_ros.contract import Contract
from anyview_ros.engine.onnx.memory import needed
from anyview_ros.engine.onnx.providers import ProviderChoice, device_of
from anyview_ros.errors import AnyviewError
from anyview_ros.node.inference.worker import Worker
from anyview_ros.node.inference.worker_messages import NOTHING_RECLAIMABLE, ReclaimableMemory
from anyview_ros.packages import ModelPackage, find_package, load_package

LOAD_WAIT_S, CANCEL_POLL_S = 30.0, 0.05
UNCONFIGURED = "configure and activate the node: ros2 lifecycle set NODE configure"


@dataclass(frozen=True)
class RunningModel:
    """A loaded model and the process it runs in.

    Args:
        name: the name or path that the parameter had.
        needed: estimate of its memory, in bytes.
        distrust: why its signature does not count, where it is served all the same.
    """

    name: str
    package: ModelPackage
    worker: Worker
    needed: int
    distrust: AnyviewError | None = None

    @property
    def contract(self) -> Contract:
        return self.package.contract

    @property
    def wanted(self) -> tuple[str, ProviderChoice]:
        """Return the parameters that it was loaded by."""
        return self.name, self.worker.requested_provider

    @property
    def reclaimable(self) -> ReclaimableMemory:
        """Return the memory that is free once this model has ended."""
        return ReclaimableMemory(device_of(self.worker.provider), self.needed)

    def restarted_copy(self) -> RunningModel:
        """Return the same model with a new worker, which is not started yet."""
        before = self.worker
        worker = Worker(self.package, before.requested_provider, before.step_timeout_s)
        return replace(self, worker=worker)


class ServedModel:
    """Loads, replaces and unloads a model while requests come in. Thread-safe.

    A model that cannot run never takes the place of one that did: the last good one is served on.

    Args:
        step_timeout_s: of its worker, as it is now.
        check: returns why a package is not trusted and may be served all the same, None if it is
            trusted; raises AnyviewError for one that may not.
    """

    def __init__(
        self,
        step_timeout_s: Callable[[], float] = lambda: math.inf,
        check: Callable[[ModelPackage], AnyviewError | None] = lambda package: None,
    ) -> None:
        self._step_timeout_s = step_timeout_s
        self._check = check
        self.name = ""  # of the model that was requested last
        self.loading = ""  # the same name while that model is being loaded
        self.refused: AnyviewError | None = None  # why it does not run, while another one does
        self._load_lock = threading.Lock()  # one load at a time
        self._unload_lock = threading.Lock()  # guards `_running` and `_unloads` against each other
        self._decided = threading.Event()  # cleared while the next model to serve is not known
        self._running: RunningModel | None = None
        self._starting: RunningModel | None = None
        self._last_good: RunningModel | None = None  # the last that ran; unloading does not end it
        self._unloads = 0
        self._absence = f"no model is loaded; {UNCONFIGURED}"

    def load(
        self, name: str, provider: ProviderChoice, before_swap: Callable[[], object] = lambda: None
    ) -> RunningModel:
        """Find, check and start a model, and serve it; if it fails, serve the last good one.

        The new model is loaded beside the old one. If memory does not hold both, everything that
        can be checked of the new one is checked first; then the old one ends, and is started again
        if the new one fails after all.

        Args:
            name: of a package on the search path, or a path.
            provider: what is to run it.
            before_swap: called once, before the model that runs now ends; not if none runs.

        Returns:
            The model that is served; if that is not the requested one, `refused` says why.

        Raises:
            AnyviewError: why it cannot run, if no other model can either; `required` repeats it
                from then on. Those of `before_swap`.
        """
        unloads = self._unloads
        with self._load_lock:
            self.name = self.loading = name
            self.refused = None
            if self._running is None:
                self._decided.clear()
            try:
                return self._replace(name, provider, functools.cache(before_swap), unloads)
            except AnyviewError as error:
                return self._fall_back(error, provider, unloads)
            finally:
                self.loading = ""
                self._decided.set()

    def _replace(
        self, name: str, provider: ProviderChoice, before_swap: Callable[[], object], unloads: int
    ) -> RunningModel:
        old = self._running

        def free_memory() -> None:
            before_swap()
            self._decided.clear()
            self._end(f"model '{name}' is loading")

        package = load_package(find_package(name))
        model = RunningModel(
            name=name,
            package=package,
            worker=Worker(package, provider, self._step_timeout_s),
            needed=needed(package).total,
            distrust=self._check(package),
        )
        self._start(model, old.reclaimable if old else NOTHING_RECLAIMABLE, free_memory)
        try:
            if old is not None:
                before_swap()
            self._serve(model, unloads)
        except BaseException:
            model.worker.stop()
            raise
        if old is not None:
            old.worker.stop()
        return model

    def _fall_back(
        self, error: AnyviewError, provider: ProviderChoice, unloads: int
    ) -> RunningModel:
        """Serve the last good model and return it; raise `error` if there is none."""
        if self._unloads != unloads:
            raise error
        why = f"model '{self.name}' cannot run: {error.message}"
        good = self._last_good
        is_other = good is not None and good.wanted != (self.name, provider)
        if self._running is None and good is not None and is_other:
            try:
                self._start(restarted := good.restarted_copy())
                self._serve(restarted, unloads)
            except AnyviewError as worse:
                why += f"; nor can '{good.name}', which was served before: {worse.message}"
        running = self._running
        if running is None:
            self._absence = why
            raise error
        by = f", by {running.worker.provider}" if running.name == self.name else ""
        served = f"'{running.name}' is served on{by}"
        self.refused = AnyviewError(error.code, f"{why}; {served}")
        return running

    def _start(
        self,
        model: RunningModel,
        reclaimable: ReclaimableMemory = NOTHING_RECLAIMABLE,
        free_memory: Callable[[], None] = lambda: None,
    ) -> None:
        self._starting = model  # for `unload`
        try:
            model.worker.start(reclaimable, free_memory)
        except BaseException:
            model.worker.stop()
            raise
        finally:
            self._starting = None

    def _serve(self, model: RunningModel, unloads: int) -> None:
        with self._unload_lock:
            if self._unloads != unloads:
                raise AnyviewError("no_model", f"the model was unloaded; {UNCONFIGURED}")
            self._running = self._last_good = model

    def leave_unloaded(self) -> None:
        """Answer callers that no model is loaded, unless one is being loaded just now."""
        if self._load_lock.acquire(blocking=False):
            self._decided.set()
            self._load_lock.release()

    def unload(self) -> None:
        """End the process, even while it starts; a request that it works on fails."""
        with self._unload_lock:
            self._unloads += 1
            starting, self.refused = self._starting, None
        if starting is not None:
            starting.worker.stop()
        if self._running is not None or starting is not None:
            self._end(f"model '{self.name}' was unloaded; {UNCONFIGURED}")
        self._decided.set()

    def _end(self, absence: str) -> None:
        running, self._running = self._running, None
        self._absence = absence
        if running is not None:
            running.worker.stop()

    def required(self, cancelled: Callable[[], bool] = lambda: False) -> RunningModel:
        """Return the model; wait for LOAD_WAIT_S at most while it is loading.

        Raises:
            AnyviewError: `no_model` with the reason, `cancelled`.
        """
        end_s = time.monotonic() + LOAD_WAIT_S
        while not self._decided.wait(CANCEL_POLL_S):
            name = f"model '{self.name}'"
            if cancelled():
                raise AnyviewError("cancelled", f"cancelled while {name} was loading")
            if time.monotonic() >= end_s:
                raise AnyviewError("no_model", f"{name} is still loading; ask again later")
        running = self._running
        if running is None:
            raise AnyviewError("no_model", self._absence)
        return running

    @property
    def current(self) -> RunningModel | None:
        """Return the model if it is loaded and started, else None; never wait."""
        return self._running if self._decided.is_set() else None

    @property
    def absence(self) -> str:
        """Return why `current` is None, in words."""
        return self._absence if self._decided.is_set() else f"model '{self.name}' is loading"
