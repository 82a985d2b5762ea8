"""The model a node serves: its package, its worker, and why it is not there when it is not."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from anyview_ros.contract import Contract, ModelPackage, find_package, load_package
from anyview_ros.errors import AnyviewError
from anyview_ros.robot.worker import Worker

LOAD_WAIT_S = 30.0
UNCONFIGURED = "configure and activate the node: ros2 lifecycle set NODE configure"


@dataclass(frozen=True)
class RunningModel:
    """A loaded model and the process it runs in."""

    package: ModelPackage
    worker: Worker

    @property
    def contract(self) -> Contract:
        return self.package.contract


class ServedModel:
    """Loads and unloads a model while requests come in. Thread-safe."""

    def __init__(self) -> None:
        self.name = self.provider = ""  # of the last that was asked for
        self._settled = threading.Event()  # set by the first load or unload
        self._running: RunningModel | None = None
        self._absence = f"no model is loaded; {UNCONFIGURED}"

    def load(self, name: str, provider: str) -> RunningModel:
        """Find, check and start a model.

        Args:
            name: of a package on the search path, or a path.
            provider: `auto`, `cpu` or `cuda`.

        Raises:
            AnyviewError: why it cannot run; `required` repeats it from then on.
        """
        self._settled.clear()
        self.name, self.provider = name, provider
        try:
            package = load_package(find_package(self.name))
            self._running = RunningModel(package, Worker(package, self.provider))
            self._running.worker.start()
            return self._running
        except AnyviewError as error:
            self._end(f"model '{self.name}' cannot run: {error.message}")
            raise
        finally:
            self._settled.set()

    def unload(self) -> None:
        """End the process, also one that is starting; a request that it works on fails."""
        if self._running is not None:
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
