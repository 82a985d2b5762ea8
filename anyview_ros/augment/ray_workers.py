"""Workers of a Ray cluster: local processes, or those of other machines."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from anyview_ros.augment.fleet import UNEXPECTED, Outcome, Task, Worker
from anyview_ros.errors import AnyviewError

OBJECTS = 100 << 20  # bytes of Ray's store on this machine: tasks and outcomes are small


class RayWorkers:
    """Workers by Ray, each with an engine of its own. Use in a `with` block.

    Args:
        make: makes a worker in its process.
        count: of workers.
        address: of a cluster; empty = a local one, which ends with the block.
        gpus: share of a GPU that each worker takes.

    Raises:
        AnyviewError: `no_ray`, `no_worker`.
    """

    def __init__(
        self, make: Callable[[], Worker], count: int, address: str = "", gpus: float = 0.0
    ) -> None:
        self._make, self._count, self._gpus = make, count, gpus
        self._address = address
        self._idle: list[Any] = []
        self._running: dict[Any, tuple[Any, Task]] = {}

    def __enter__(self) -> Self:
        self._ray = _imported()
        try:
            if self._address:
                self._ray.init(self._address, log_to_driver=False)
            else:
                self._ray.init(
                    "local",
                    num_cpus=self._count,
                    object_store_memory=OBJECTS,
                    include_dashboard=False,
                    log_to_driver=False,
                )
        except Exception as error:  # of the network, or whatever Ray throws
            raise _no_worker(self._address, error) from None
        self._actor = self._ray.remote(_Actor)
        self._idle = [self._started() for _ in range(self._count)]
        self._check(self._idle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for actor in (*self._idle, *(actor for actor, _ in self._running.values())):
            self._ray.kill(actor)
        self._ray.shutdown()

    @property
    def count(self) -> int:
        return self._count

    def start(self, task: Task) -> None:
        actor = self._idle.pop()
        self._running[actor.augment.remote(task)] = actor, task

    def finished(self) -> tuple[Task, Outcome | None]:
        (reference,), _ = self._ray.wait(list(self._running), num_returns=1)
        actor, task = self._running.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            another = self._started()
            self._check([another])
            self._idle.append(another)
            return task, None
        except self._ray.exceptions.RayError as error:
            outcome = Outcome(0, UNEXPECTED, f"{type(error).__name__}: {error}")
        self._idle.append(actor)
        return task, outcome

    def _started(self) -> Any:
        return self._actor.options(num_cpus=1, num_gpus=self._gpus).remote(self._make)

    def _check(self, actors: list[Any]) -> None:
        """Wait until actors are there: one that cannot begin is no recording's fault."""
        try:
            self._ray.get([actor.ready.remote() for actor in actors])
        except self._ray.exceptions.RayError as error:
            raise _no_worker(self._address, error) from None


class _Actor:
    """Holds a worker in its process."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._worker = make()

    def ready(self) -> bool:
        return True

    def augment(self, task: Task) -> Outcome:
        return self._worker.augment(task)


def _imported() -> Any:
    try:
        import ray
    except ImportError:
        raise AnyviewError(
            "no_ray",
            "workers are Ray's, which is not installed: pip install 'anyview_ros[ray]'; or pass "
            "--workers 0: one recording after the other, in this process",
        ) from None
    return ray


def _no_worker(address: str, error: Exception) -> AnyviewError:
    where = f"at '{address}'" if address else "on this machine"
    text = str(error).strip().splitlines()
    reason = text[-1][:300] if text else type(error).__name__
    return AnyviewError(
        "no_worker",
        f"Ray has no worker {where}: {reason}; anyview_ros must be installed on every machine "
        "of the cluster, with the model and the recordings at the same paths",
    )
