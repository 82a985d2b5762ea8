"""Images and TF on a thread of their own; rclpy's executor runs the rest of the node.

rclpy's executors are built for any callback: for one event they look at every entity of the node
three times over, and the one with several threads wakes them all. At the rate of images that
costs more than the images do (benchmarks/RESULTS.md). Here only subscriptions and timers of one
group are waited for, and their callbacks are plain functions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

IMAGES = (Image, CompressedImage)


class ImageGroup(MutuallyExclusiveCallbackGroup):
    """Subscriptions and timers that an `ImageThread` runs; rclpy's executors pass them over."""

    def can_execute(self, entity: Any) -> bool:
        return False  # what an executor asks before it waits for anything


class ImageThread:
    """Runs the subscriptions and timers of an `ImageGroup`, as rclpy.wait_for_message does it.

    What joins the group later must be created by the group's own callbacks, for nothing else wakes
    the thread. An exception in a callback ends the node, as with rclpy's executors: its context is
    shut down.
    """

    def __init__(self, node: Node, group: ImageGroup) -> None:
        self._node = node
        self._group = group
        self._stopped = False
        self._wake = GuardCondition(None, None, node.context)
        self._thread = threading.Thread(target=self._run, name="images", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the callback that is running. Not for a callback of the group."""
        self._stopped = True
        self._wake.trigger()
        self._thread.join()
        self._wake.destroy()

    def _run(self) -> None:
        context = self._node.context
        try:
            while not self._stopped and context.ok():
                self._turn()
        except Exception:
            if context.ok():  # else it is the wait that broke off, because everything ends
                context.try_shutdown()
                raise

    def _turn(self) -> None:
        """Wait until something is ready, and run the callbacks of all that is.

        Of images one each, of the rest all: where the processor is too slow for the images, poses
        and camera infos must not queue up behind them.
        """
        with ExitStack() as held:  # what is waited for must not be destroyed meanwhile
            subscriptions = list(self._hold(self._node.subscriptions, held))
            timers = list(self._hold(self._node.timers, held))
            ready = self._wait(subscriptions, timers)
        for timer in timers:
            self._tick(timer)
        for subscription in subscriptions:
            if subscription.handle.pointer in ready:
                goes_on = self._receive(subscription)
                while goes_on and subscription.msg_type not in IMAGES:
                    goes_on = self._receive(subscription)

    def _hold(self, entities: Iterable[Any], held: ExitStack) -> Iterator[Any]:
        """Yield the entities of the group, which stay until `held` is closed."""
        for entity in entities:
            if entity.callback_group is self._group:
                try:
                    held.enter_context(entity.handle)
                except InvalidHandle:
                    continue
                yield entity

    def _wait(self, subscriptions: list[Any], timers: list[Any]) -> set[int]:
        """Wait until something is ready; return pointers of the subscriptions with a message."""
        context = self._node.context.handle
        assert context is not None
        with context:
            wait_set = _rclpy.WaitSet(len(subscriptions), 1, len(timers), 0, 0, 0, context)
            wait_set.clear_entities()
            for subscription in subscriptions:
                wait_set.add_subscription(subscription.handle)
            for timer in timers:
                wait_set.add_timer(timer.handle)
            wait_set.add_guard_condition(self._wake.handle)
            wait_set.wait(-1)
            return set(wait_set.get_ready_entities("subscription"))

    def _tick(self, timer: Any) -> None:
        try:
            with timer.handle:
                due = timer.handle.is_timer_ready()
                if due:
                    timer.handle.call_timer()
        except InvalidHandle:
            return
        if due:
            timer.callback()

    def _receive(self, subscription: Any) -> bool:
        """Run the callback of the next message; return whether there was one."""
        try:
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        except InvalidHandle:
            return False
        if taken is None:
            return False
        subscription.callback(taken[0])
        return True
