"""The node's states, by the rules of ROS 2's managed nodes (design.ros2.org, node_lifecycle).

configure loads the model, activate subscribes, deactivate ends requests and subscriptions and keeps
the model, cleanup ends the inference process and with it what it holds of the GPU. A transition
that fails leaves the node in the state it was in; diagnostics say why.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from anyview_ros.errors import AnyviewError

GLANCE_S = 0.1
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
INACTIVE = "activate the node: ros2 lifecycle set NODE activate"


class Managed(Protocol):
    """What the transitions do; each may raise an AnyviewError, and all may be called twice."""

    def load(self) -> None: ...

    def start(self) -> None: ...

    def stop(self, reason: AnyviewError) -> None: ...

    def unload(self) -> None: ...


class ManagedNode(LifecycleNodeMixin, Node):  # type: ignore[misc] # rclpy has no types
    """A node with the services `~/change_state`, `~/get_state` and their like.

    `LifecycleNode` itself puts them beside the parameters' services, which then wait for a model
    to load. Here the state can be requested at any time, and one transition is made at a time.

    Args:
        name: of the node.
        options: of `rclpy.node.Node`.
    """

    def __init__(self, name: str, **options: Any) -> None:
        self._managed: Managed | None = None
        self._changing = threading.Lock()
        Node.__init__(self, name, **options)
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        service = self._service_change_state
        service.callback = self._guarded(service.callback)

    def manage(self, managed: Managed) -> None:
        """Let the transitions act; before the node spins."""
        self._managed = managed

    @property
    def state(self) -> str:
        """Return unconfigured, inactive, active, finalized, or a transition as configuring."""
        return str(self._state_machine.current_state[1])

    def autostart(self) -> None:
        """Configure and activate, as far as that goes, unless somebody else has begun it."""
        with self._changing:
            if self.state == "unconfigured" and self.trigger_configure() == SUCCESS:
                self.trigger_activate()

    @contextmanager
    def unchanged(self, still: Callable[[], bool]) -> Iterator[None]:
        """Block transitions as long as the context lasts.

        Args:
            still: whether there is reason to; called while it waits for a transition, and after.

        Raises:
            AnyviewError: `inactive`, where there is none.
        """
        acquired = False
        while not acquired and still():
            acquired = self._changing.acquire(timeout=GLANCE_S)
        try:
            if not still():
                raise AnyviewError("inactive", f"the node is {self.state}; {INACTIVE}")
            yield
        finally:
            if acquired:
                self._changing.release()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done("configure", self._required().load)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done("activate", self._required().start)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done("deactivate", self._stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done("cleanup", self._required().unload)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done("shutdown", self._stop_and_unload)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done("recover", self._stop_and_unload)

    def _required(self) -> Managed:
        assert self._managed is not None, "manage() comes before any transition"
        return self._managed

    def _stop(self) -> None:
        self._required().stop(AnyviewError("inactive", f"the node was deactivated; {INACTIVE}"))

    def _stop_and_unload(self) -> None:
        self._stop()
        self._required().unload()

    def _done(self, transition: str, act: Callable[[], None]) -> TransitionCallbackReturn:
        """Act, and return how the transition ended; errors go to the log.

        FAILURE keeps the state. rclpy itself would log nothing.
        """
        self.get_logger().info(f"{transition} ...")
        try:
            self._while_ros_is_up(act)
        except AnyviewError as error:
            self.get_logger().error(f"cannot {transition}: {error.message}")
            return FAILURE
        except Exception:
            self.get_logger().error(f"cannot {transition}: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        self.get_logger().info(f"{transition}: done")
        return SUCCESS

    def _while_ros_is_up(self, act: Callable[[], None]) -> None:
        """Act on a daemon thread: checking gigabytes of a model must not delay the node's end."""
        raised: list[BaseException] = []

        def run() -> None:
            try:
                act()
            except Exception as error:
                raised.append(error)

        thread = threading.Thread(target=run, name="transition", daemon=True)
        thread.start()
        while thread.is_alive() and self.context.ok():
            thread.join(GLANCE_S)
        if raised:
            raise raised[0]

    def _guarded(self, change_state: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return `change_state` with transitions refused that the state does not allow.

        rclpy (Jazzy) would end the node.
        """

        def changed(request: Any, response: Any) -> Any:
            response.success = False
            if not self._changing.acquire(blocking=False):
                self.get_logger().error("a transition is refused: another one is going on")
                return response
            try:
                return change_state(request, response)
            except _rclpy.RCLError:
                wanted = request.transition.label or request.transition.id
                self.get_logger().error(f"transition {wanted} is refused: the node is {self.state}")
                return response
            finally:
                self._changing.release()

        return changed
