"""Cameras of a running node as its page shows them, and what people ask of them there."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.placements import FramePose


@dataclass(frozen=True, eq=False)
class LiveCamera:
    """A camera as it is now.

    Args:
        fov: vertical, in radians.
        aspect: width over height.
        world_from_cam: (4, 4), where its newest image was taken.
        pose: the same in the TF frame that carries it.
        steerable: whether a hand may move it: a virtual camera without a trajectory.
        says: what the node says of it, for people.
    """

    name: str
    is_virtual: bool
    fov: float
    aspect: float
    world_from_cam: NDArray[np.float64]
    pose: FramePose
    steerable: bool
    says: str

    @property
    def key(self) -> str:
        """Return what tells it from all others."""
        return key_of(self.name, self.is_virtual)


def key_of(name: str, is_virtual: bool) -> str:
    """Return what tells a camera from all others: a source may have a virtual camera's name."""
    return name if is_virtual else f"{name} (source)"


@dataclass(frozen=True, eq=False)
class Add:
    """Add a virtual camera that streams.

    Args:
        hfov: horizontal field of view in radians.
        rate_hz: frames a second of the sources' time.
    """

    name: str
    pose: FramePose
    hfov: float
    rate_hz: float


@dataclass(frozen=True, eq=False)
class Steer:
    """Move a virtual camera, from the newest image on."""

    name: str
    pose: FramePose


@dataclass(frozen=True)
class Remove:
    """Remove a virtual camera and its topics."""

    name: str


Order = Add | Steer | Remove


class Orders:
    """A mailbox from the page's threads to the one that speaks with the node."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Order] = queue.SimpleQueue()

    def put(self, order: Order) -> None:
        self._queue.put(order)

    def take(self, limit_s: float) -> list[Order]:
        """Return what was ordered, as soon as there is something; of steps, each camera's last.

        Args:
            limit_s: after which the list is empty.
        """
        orders: list[Order] = []
        with suppress(queue.Empty):
            orders.append(self._queue.get(timeout=limit_s))
            while True:
                orders.append(self._queue.get_nowait())
        return _last_steps(orders)


def _last_steps(orders: Sequence[Order]) -> list[Order]:
    last = {order.name: order for order in orders if isinstance(order, Steer)}
    return [o for o in orders if not isinstance(o, Steer) or last[o.name] is o]
