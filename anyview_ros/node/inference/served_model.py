"""The model a node serves: its package, its worker, and why it is not there when it is not."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from anyview_ros.contract import Contract
from anyview_ros.engine.onnx.memory import needed
from anyview_ros.engine.onnx.providers import ProviderChoice, device_of
from anyview_ros.errors import AnyviewError
from anyview_ros.node.inference.worker import Worker
from anyview_ros.node.inference.worker_messages import NO_ROOM, Room
from anyview_ros.packages import ModelPackage, find_package, load_package

LOAD_WAIT_S = 30.0
UNCONFIGURED = "configure and activate the node: ros2 lifecycle set NODE configure"


@dataclass(frozen=True)
class RunningModel:
    """A loaded model and the process it runs in.

    Args:
        name: by which it was asked for.
        needed: bytes of memory, an estimate.
    """

    name: str
    package: ModelPackage
    worker: Worker
    needed: int

    @property
    def contract(self) -> Contract:
        return self.package.contract

    @property
    def room(self) -> Room:
        """What is free when it ends."""
        return Room(device_of(self.worker.provider), self.needed)

    def again(self) -> RunningModel:
        """The same model, not started yet."""
        return replace(self, worker=Worker(self.package, self.worker.requested_provider))


class ServedModel:
    """Loads, replaces and unloads a model while requests come in. Thread-safe.

    A model that cannot run never takes the place of one that did: the last good one is served on.
    """

    def __init__(self) -> None:
        self.name = ""  # of the last that was asked for
        self.loading = ""  # it, while another one is served
        self.refused: AnyviewError | None = None  # why it does not run, while another one does
        self._one_at_a_time = threading.Lock()
        self._guard = threading.Lock()  # of what follows
        self._settled = threading.Event()  # cleared where what is served next is being decided
        self._running: RunningModel | None = None
        self._starting: RunningModel | None = None
        self._good: RunningModel | None = None  # the last that ran, also after it was unloaded
        self._unloads = 0
        self._absence = f"no model is loaded; {UNCONFIGURED}"

    def load(
        self, name: str, provider: ProviderChoice, make_way: Callable[[], object] = lambda: None
    ) -> RunningModel:
        """Find, check and start a model, and serve it; else go on with the last good one.

        The new one is loaded beside the old one. Where memory does not hold both, everything of
        it that can be is checked first; then the old one ends, and comes back if the new one
        fails after all.

        Args:
            name: of a package on the search path, or a path.
            provider: what is to run it.
            make_way: called once before the model that runs now is ended, if one is.

        Returns:
            What is served: another one than was asked for where `refused` says why.

        Raises:
            AnyviewError: why it cannot run, where no other one can either; `required` repeats it
                from then on. Whatever `make_way` raises.
        """
        unloads = self._unloads
        with self._one_at_a_time:
            self.name = self.loading = name
            self.refused = None
            if self._running is None:
                self._settled.clear()
            try:
                return self._replaced(name, provider, functools.cache(make_way), unloads)
            except AnyviewError as error:
                return self._kept(error, unloads)
            finally:
                self.loading = ""
                self._settled.set()

    def _replaced(
        self, name: str, provider: ProviderChoice, make_way: Callable[[], object], unloads: int
    ) -> RunningModel:
        old = self._running

        def make_room() -> None:
            make_way()
            self._settled.clear()
            self._end(f"model '{name}' is loading")

        package = load_package(find_package(name))
        model = RunningModel(name, package, Worker(package, provider), needed(package).total)
        self._start(model, old.room if old else NO_ROOM, make_room)
        try:
            if old is not None:
                make_way()
            self._serve(model, unloads)
        except BaseException:
            model.worker.stop()
            raise
        if old is not None:
            old.worker.stop()
        return model

    def _kept(self, error: AnyviewError, unloads: int) -> RunningModel:
        """The last good model; where there is none, `error` is raised."""
        if self._unloads != unloads:
            raise error
        why = f"model '{self.name}' cannot run: {error.message}"
        good = self._good
        if self._running is None and good is not None and good.name != self.name:
            try:
                self._start(again := good.again())
                self._serve(again, unloads)
            except AnyviewError as worse:
                why += f"; nor can '{good.name}', which was served before: {worse.message}"
        running = self._running
        if running is None:
            self._absence = why
            raise error
        self.refused = AnyviewError(error.code, f"{why}; '{running.name}' is served on")
        return running

    def _start(
        self,
        model: RunningModel,
        room: Room = NO_ROOM,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._starting = model  # for `unload`
        try:
            model.worker.start(room, make_room)
        except BaseException:
            model.worker.stop()
            raise
        finally:
            self._starting = None

    def _serve(self, model: RunningModel, unloads: int) -> None:
        with self._guard:
            if self._unloads != unloads:
                raise AnyviewError("no_model", f"the model was unloaded; {UNCONFIGURED}")
            self._running = self._good = model

    def unload(self) -> None:
        """End the process, also one that is starting; a request that it works on fails."""
        with self._guard:
            self._unloads += 1
            starting, self.refused = self._starting, None
        if starting is not None:
            starting.worker.stop()
        if self._running is not None or starting is not None:
            self._end(f"model '{self.name}' was unloaded; {UNCONFIGURED}")
        self._settled.set()

    def _end(self, absence: str) -> None:
        running, self._running = self._running, None
        self._absence = absence
        if running is not None:
            running.worker.stop()

    def required(self) -> RunningModel:
        """The model; waits while it is loading.

        Raises:
            AnyviewError: `no_model` with the reason.
        """
        if not self._settled.wait(LOAD_WAIT_S):
            raise AnyviewError("no_model", f"model '{self.name}' is still loading; ask again later")
        running = self._running
        if running is None:
            raise AnyviewError("no_model", self._absence)
        return running

    @property
    def current(self) -> RunningModel | None:
        """The model if it is loaded and started, without waiting."""
        return self._running if self._settled.is_set() else None

    @property
    def absence(self) -> str:
        """Why `current` is None, in words."""
        return self._absence if self._settled.is_set() else f"model '{self.name}' is loading"
