"""What every demo does with its processes: starts the node and the rig, and waits for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from anyview_ros.contract import Contract
from anyview_ros.demo.parameter_words import Value, parameter_words
from anyview_ros.demo.session import Session
from anyview_ros.demo.subprocesses import Children
from anyview_ros.doctor.dds_profile import with_profile
from anyview_ros.errors import AnyviewError
from anyview_ros.msg import VirtualCamera
from anyview_ros.srv import AddVirtualCamera

NODE, RIG = "node", "rig"
CLOCK = "/clock"
GRAPH = ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE")  # which graph it is, in the environment
START_TIMEOUT_S = 300.0  # the first start compiles the renderer and loads the model
ANSWER_TIMEOUT_S = 20.0


class Harness:
    """The node and the rig as processes, and a session that waits for them."""

    def __init__(self, children: Children, session: Session) -> None:
        self.session = session
        self._children = children

    def start(self, node: Mapping[str, Value], rig: Mapping[str, Value]) -> None:
        """Start both processes with these parameters, on simulated time."""
        node = {**node, "use_sim_time": True}
        self._children.start(NODE, "anyview_ros.node.node_process", parameter_words(node))
        self._children.start(RIG, "anyview_ros.node.simulation.sim_rig", parameter_words(rig))

    def wait(self, wait_for: Callable[[float], bool], timeout_s: float, what: str) -> None:
        """Wait as `Session.wait`; a timeout names the logs of both processes."""
        self.session.wait(wait_for, timeout_s, what, self.logs)

    @property
    def logs(self) -> str:
        """Return where the logs of both processes are, in words."""
        return f"see {self._children.log(NODE)} and {self._children.log(RIG)}"

    def add(self, camera: VirtualCamera, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Add a virtual camera to the node.

        Raises:
            AnyviewError: `timeout`, and what the node answers.
        """
        client = self.session.node.create_client(AddVirtualCamera, "/anyview/add_virtual_camera")
        self.wait(client.wait_for_service, ANSWER_TIMEOUT_S, "the node's services")
        request = AddVirtualCamera.Request(camera=camera)
        answer = self.session.answer(
            lambda: client.call_async(request), timeout_s, f"the answer for '{camera.name}'"
        )
        if not answer.success:
            raise AnyviewError(answer.code, f"'{camera.name}' was not added: {answer.message}")


@contextmanager
def harness(name: str, out: Path, domain: int) -> Iterator[Harness]:
    """Yield the harness of a demo; its processes and its session end with the block.

    Says where results go, and how to see the graph: by then all arguments are checked.

    Args:
        name: of the session's node.
        out: folder of the processes' logs.
        domain: ROS_DOMAIN_ID of all of them.
    """
    environment = graph_environment(domain)
    shown = " ".join(f"{name}={environment[name]}" for name in GRAPH)
    print(f"results go to {out}; ROS tools see the graph after: export {shown}", flush=True)
    with Children(out, environment) as children:
        os.environ.update(environment)  # Fast DDS reads it when the session starts
        with Session(name, domain, children.check) as session:
            yield Harness(children, session)


def check_seconds(seconds: float, contract: Contract, most_s: float) -> None:
    """Refuse a demo that is shorter than a clip or longer than it can be.

    Raises:
        AnyviewError: `invalid_seconds`.
    """
    clip_s = max(contract.frames) * contract.frame_period
    if not clip_s <= seconds <= most_s:
        raise AnyviewError(
            "invalid_seconds",
            f"seconds must be {clip_s:g} (one clip of the model '{contract.name}') to "
            f"{most_s:g}, got {seconds:g}",
        )


def graph_environment(domain: int) -> dict[str, str]:
    """Return a graph of the demo's own on this machine, and the profile for large images."""
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    return with_profile(environment)
