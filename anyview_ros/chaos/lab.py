"""A robot, a relay and a node under test; one fault after another is done to them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from anyview_ros import diagnostic_keys as keys
from anyview_ros.chaos.effects import passed_on
from anyview_ros.chaos.fault import Fault, Outcome
from anyview_ros.chaos.goals import UNNAMED, Goal, Goals
from anyview_ros.chaos.own_folder import take_folder
from anyview_ros.chaos.relay import Relay
from anyview_ros.chaos.watcher import Watcher
from anyview_ros.contract import Contract
from anyview_ros.datasets.bag import Bag
from anyview_ros.demo.harness import (
    ANSWER_TIMEOUT_S,
    START_TIMEOUT_S,
    graph_environment,
)
from anyview_ros.demo.parameter_words import Value, parameter_words
from anyview_ros.demo.recorder import Recorder
from anyview_ros.demo.session import Session
from anyview_ros.demo.subprocesses import Children
from anyview_ros.doctor.dds_profile import with_profile
from anyview_ros.errors import RETRIES, AnyviewError
from anyview_ros.msg import VirtualCamera
from anyview_ros.packages import find_package, load_package
from anyview_ros.srv import AddVirtualCamera
from anyview_ros.topics import camera_name
from anyview_ros.worlds.street.street_rig import STREET_RIG

NAMESPACE, NODE_NAME = "/chaos", "/chaos/anyview"
RIG = "rig"
BAG, SOURCES, MODEL = "bag", "sources", "model"  # in the folder of results
STREAMS = 4  # virtual cameras that stream, whatever number of sources there is
ASKED = "asked"  # the one that does not
BESIDE_M = 0.3
UNDISTURBED = 3  # times that the way through is measured before the first fault
CALM_S = 8.0  # problems are told for five seconds after they were seen
NAMED_S = 6.0
ANSWER_S = 30.0
CALL_S = 5.0
LONGER = 3  # times what is allowed a return is waited for, so that it is measured if it is late
MEMORY_MB = 96.0  # that node and inference process may hold more than when undisturbed
MEMORY_SHARE = 1.25
# Remapped first, so that the relay stands where the robot was.
REMAPPED = ("__ns:=/chaos", "/tf:=tf", "/tf_static:=tf_static", "/clock:=clock")


@dataclass(frozen=True)
class LabPlan:
    """Say what is disturbed.

    Args:
        out: folder of logs, and of what is recorded.
        model: package, by name or path; a copy of it is served.
        domain: ROS_DOMAIN_ID of a graph of its own; None: that of the environment.
        topics: of raw images; empty: a rig is started, in a graph of its own.
        ros_args: of ROS, for the relay and the node, as behind `--ros-args`.
        rate: of the virtual cameras, in Hz; None: that of the model's frames.
    """

    out: Path
    model: str
    domain: int | None = None
    topics: tuple[str, ...] = ()
    ros_args: tuple[str, ...] = ()
    rate: float | None = None


class View(NamedTuple):
    """Say where a virtual camera stands: so many metres to the left of a source."""

    source: str
    beside_m: float


class Lab:
    """Everything that a fault may be done to.

    Args:
        plan, contract: what runs.
        children, session: its processes, and the node of relay and watcher.
        say: called with a line of progress.
    """

    def __init__(
        self,
        plan: LabPlan,
        contract: Contract,
        children: Children,
        session: Session,
        say: Callable[[str], None],
    ) -> None:
        self.plan, self.children, self.session, self._say = plan, children, session, say
        topics = plan.topics or tuple(f"/{camera.name}/image_raw" for camera in STREET_RIG)
        self.topics = {camera_name(topic, "/"): topic for topic in topics}
        self._rate = 1 / contract.frame_period
        self.views = _views(tuple(self.topics))
        shows = {name: "" if view.beside_m else view.source for name, view in self.views.items()}
        self.watcher = Watcher(session, NAMESPACE, shows, NODE_NAME.removeprefix("/"))
        self.relay = Relay(session.node, self.topics, NAMESPACE, self.watcher.note_sent)
        self.goals = Goals(session, NODE_NAME, ASKED)
        self._add = session.node.create_client(AddVirtualCamera, f"{NODE_NAME}/add_virtual_camera")
        self.model = plan.out / MODEL / contract.name
        self._lives = {"node": 0, RIG: 0}
        self.undisturbed_s = 0.0
        self._memory_mb = 0.0
        self._recorder: Recorder | None = None
        self._has_sources = False
        self._counted: dict[str, int] = {}  # messages of the recording when the node was killed

    def start(self) -> None:
        """Start everything, and measure it undisturbed.

        Raises:
            AnyviewError: `timeout`, `child_ended`, and what the node answers.
        """
        if not self.plan.topics:
            self.start_rig()
        self._wait(
            lambda: all(map(self.watcher.sent, self.topics)),
            START_TIMEOUT_S,
            f"an image on each of {', '.join(self.topics.values())}",
        )
        self.start_node()
        self.add_cameras()
        self._settle()

    def start_rig(self) -> None:
        """Start the robot: a simulated car."""
        rig: dict[str, Value] = {"rate": self._rate, "readers": 1, "world": "street"}
        self._start(RIG, "anyview_ros.node.simulation.sim_rig", parameter_words(rig))

    def start_node(self) -> None:
        """Start the node under test, with the topics of the relay."""
        has_clock = not self.plan.topics or self.session.node.count_publishers("/clock") > 0
        parameters: dict[str, Value] = {
            "model": str(self.model),
            "cameras": list(self.topics),
            "diagnostics_period_s": 0.5,
            "buffer_s": 10.0,
            "use_sim_time": has_clock,
            **{f"{camera}.reliability": "reliable" for camera in self.topics},
        }
        remaps = [word for rule in REMAPPED for word in ("-r", rule)]
        words = [*parameter_words(parameters), *remaps, *self.plan.ros_args]
        self._start("node", "anyview_ros.node.node_process", words)

    def crash(self, process: str) -> None:
        """Kill "node" or "rig", as a machine does that loses power."""
        self.children.crash(self._child(process))

    def pid(self, process: str) -> int:
        """Return the id of "node" or "rig"."""
        return self.children.pid(self._child(process))

    def worker_pid(self) -> int:
        """Return the id of the inference process, once there is one that diagnostics know."""
        self._wait(lambda: bool(self._worker()), ANSWER_S, "an inference process")
        return self._worker() or 0

    def add_cameras(self) -> None:
        """Add the virtual cameras, once the node takes them."""
        cameras = [self.camera(name, view) for name, view in self.views.items()]
        for camera in cameras:
            camera.rate = self.plan.rate or self._rate
        for camera in (*cameras, self.camera(ASKED, View(next(iter(self.topics)), BESIDE_M))):
            self._added(camera)

    def camera(self, name: str, view: View) -> VirtualCamera:
        """Return a virtual camera, to be added or to be asked for."""
        frame = self.relay.frame_ids[view.source]
        camera = VirtualCamera(name=name, parent_frame=frame, sources=[view.source])
        camera.pose.position.x = -view.beside_m
        return camera

    def record(self) -> None:
        """Begin to record what the virtual cameras publish; it ends with the fault."""
        folder = self.plan.out / BAG
        shutil.rmtree(folder, ignore_errors=True)
        virtual = f"{NAMESPACE}/virtual/"
        node = self.session.node
        self._recorder = Recorder(node, folder, wanted=lambda topic: topic.startswith(virtual))
        infos = {f"{virtual}{name}/synthesis_info" for name in self.views}
        counts = self._recorder.counts
        if not self._recorder.wait_until(lambda: all(counts[each] for each in infos), ANSWER_S):
            raise AnyviewError("timeout", f"no frame was recorded in {ANSWER_S:g} s")

    def note_recorded(self) -> None:
        """Note how much was recorded until now."""
        assert self._recorder is not None
        self._counted = dict(self._recorder.counts)

    def recorded_sources(self, seconds: float) -> Path:
        """Return a bag of what the robot's cameras send, with its TF; recorded once."""
        folder = self.plan.out / SOURCES
        if not self._has_sources:
            shutil.rmtree(folder, ignore_errors=True)
            infos = {f"{topic.rpartition('/')[0]}/camera_info" for topic in self.topics.values()}
            wanted = {"/tf", "/tf_static", *self.topics.values(), *infos}
            recorder = Recorder(self.session.node, folder, wanted=wanted.__contains__)
            count = round(seconds * self._rate)
            enough = recorder.wait_until(
                lambda: all(recorder.counts[topic] >= count for topic in infos), START_TIMEOUT_S
            )
            recorder.close()
            if not enough:
                raise AnyviewError("timeout", f"{count} images did not come in time")
            self._has_sources = True
        return folder

    def measure(self, times: int = UNDISTURBED) -> None:
        """Measure, undisturbed, the longest way through of some, and the usual latency of frames.

        Raises:
            AnyviewError: `timeout`.
        """
        before = len(self.watcher.latencies)
        self.undisturbed_s = max(self.seconds_to_show(START_TIMEOUT_S) for _ in range(times))
        latencies = self.watcher.latencies[before:]
        self.watcher.usual_latency_s = median(latencies) if latencies else 0.0

    def seconds_to_show(self, limit_s: float) -> float:
        """Return how long it takes until every camera shows what is sent from now on.

        Raises:
            AnyviewError: `timeout`.
        """
        seconds = self._return(time.monotonic(), limit_s)
        if seconds is None:
            raise AnyviewError("timeout", f"no frame of each camera in {limit_s:g} s")
        return seconds

    def run(self, fault: Fault) -> Outcome:
        """Do one fault to all this, and say what came of it."""
        if fault.needs_rig and self.plan.topics:
            return Outcome(fault.name, fault.does, skipped="it is for the laboratory's own robot")
        try:
            return self._run(fault)
        except AnyviewError as error:  # the node ended, or never came to where it is disturbed
            self.relay.effect = passed_on
            self._mend()
            said = f"{error.code}: {error.message}"
            return Outcome(fault.name, fault.does, broken=(said,))

    def _run(self, fault: Fault) -> Outcome:
        self.watcher.wait(lambda: not self.watcher.reported.now & set(fault.named_by), CALM_S)
        self.watcher.begin()
        with fault.inject(self):
            if fault.asks:
                self.goals.ask()
            self.watcher.wait(lambda: False, fault.lasts_s)
        ended_s = time.monotonic()
        if fault.ends_node:
            self._begin_new_life()
        allowed_s = fault.within_s + 2 * self.undisturbed_s
        recovery_s = self._return(ended_s, LONGER * allowed_s)
        broken = [*self._answers(), *self._recorded(), *self._unreturned(recovery_s, allowed_s)]
        named = self._named(fault.named_by)
        broken += self.watcher.broken(paired=not fault.ends_node)
        if fault.named_by and not named:
            broken.append(f"diagnostics named it by none of {', '.join(fault.named_by)}")
        if recovery_s is None:
            self._mend()
        broken += self._kept_memory()
        return Outcome(
            name=fault.name,
            does=fault.does,
            broken=tuple(broken),
            named=tuple(sorted(named)),
            recovery_s=recovery_s,
            allowed_s=allowed_s,
        )

    def _start(self, process: str, module: str, words: Sequence[str]) -> None:
        self._lives[process] += 1
        self.children.start(self._child(process), module, words)

    def _child(self, process: str) -> str:
        """Return the name of a process in its present life, and of its log."""
        return process if self._lives[process] < 2 else f"{process}_{self._lives[process]}"

    def _worker(self) -> int | None:
        pid = self.watcher.reported.pid(keys.WORKER)
        return pid if pid and Path(f"/proc/{pid}").exists() else None

    def _added(self, camera: VirtualCamera) -> None:
        """Add a camera, asked for again where a call is lost: a dead node is found for a while."""
        request = AddVirtualCamera.Request(camera=camera)
        what = f"the answer for '{camera.name}'"
        deadline = time.monotonic() + START_TIMEOUT_S
        while (answer := self._answer_to(request)) is None or not answer.success:
            code = answer.code if answer is not None else "timeout"
            if code == "name_taken":  # by a call before, whose answer was late
                return
            if code not in (*RETRIES, "timeout") or time.monotonic() > deadline:
                said = answer.message if answer is not None else f"{what} did not come"
                raise AnyviewError(code, f"'{camera.name}' was not added: {said}")
            self.watcher.wait(lambda: False, 0.2)

    def _answer_to(self, request: AddVirtualCamera.Request) -> AddVirtualCamera.Response | None:
        """Return the answer, None if none comes in time."""
        answers: list[AddVirtualCamera.Response] = []

        def call() -> None:
            self._add.call_async(request).add_done_callback(
                lambda future: answers.append(future.result())
            )

        self.session.call_soon(call)
        self.watcher.wait(lambda: bool(answers), CALL_S)
        return answers[0] if answers else None

    def _settle(self) -> None:
        """Measure how long the way through takes, and what memory it takes."""
        self._wait(lambda: all(self.watcher.counts().values()), START_TIMEOUT_S, "virtual frames")
        self.watcher.new_life()
        self.measure()
        heard = self.watcher.reported.messages
        self._wait(lambda: self.watcher.reported.messages > heard, ANSWER_TIMEOUT_S, "diagnostics")
        self._memory_mb = self._held_mb()
        self._say(f"undisturbed, all cameras show a moment after {self.undisturbed_s:.1f} s")

    def _return(self, since_s: float, limit_s: float) -> float | None:
        """Return the seconds until every camera showed what was sent later; None if one did not."""
        self.watcher.expect_return(since_s)
        came = self.watcher.wait(lambda: len(self.watcher.returned()) == len(self.views), limit_s)
        return max(self.watcher.returned().values()) - since_s if came else None

    def _named(self, words: Sequence[str]) -> set[str]:
        if words:
            self.watcher.wait(lambda: bool(self.watcher.named() & set(words)), NAMED_S)
        return self.watcher.named() & set(words)

    def _unreturned(self, recovery_s: float | None, allowed_s: float) -> Iterator[str]:
        if recovery_s is None:
            missing = sorted(self.views.keys() - self.watcher.returned().keys())
            yield f"{', '.join(missing)} did not come back in {LONGER * allowed_s:.0f} s"
        elif recovery_s > allowed_s:
            yield f"all cameras were back after {recovery_s:.1f} s, {allowed_s:.1f} s are allowed"

    def _answers(self) -> Iterator[str]:
        """Yield what is wrong with the answers; one more clip is asked for, which must be made."""
        for goal in self.goals.settle(ANSWER_S):
            self.watcher.reported.named.add(goal.code or "")
            if goal.code is None:
                yield f"a goal was not answered in {ANSWER_S:g} s"
            elif goal.code in UNNAMED:
                yield f"a goal was answered by {goal.code}: {goal.message}"
        last = self._made_in_the_end()
        if last.code != "":
            yield f"a clip that was asked for afterwards was not made: {last.code} {last.message}"

    def _made_in_the_end(self) -> Goal:
        deadline = time.monotonic() + ANSWER_S
        while True:
            self.goals.ask()
            (goal,) = self.goals.settle(ANSWER_S)
            if not goal.code or goal.code not in RETRIES or time.monotonic() > deadline:
                return goal

    def _kept_memory(self) -> Iterator[str]:
        most_mb = self._memory_mb * MEMORY_SHARE + MEMORY_MB
        if not self.watcher.wait(lambda: self._held_mb() <= most_mb, CALM_S):
            before_mb = self._memory_mb
            yield f"{self._held_mb():.0f} MB are held, {before_mb:.0f} MB were before the faults"

    def _held_mb(self) -> float:
        return self.watcher.reported.memory_mb() or 0.0

    def _begin_new_life(self) -> None:
        self.goals.forget()
        self.watcher.new_life()
        self.add_cameras()

    def _mend(self) -> None:
        """Start the node again, so that the next fault has one that is well."""
        self._say("the node is started again")
        self.crash("node")
        self.start_node()
        self._begin_new_life()
        self._settle()

    def _recorded(self) -> Iterator[str]:
        """End the recording, if there is one; yield what is wrong with it."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        recorder.close()
        with Bag(self.plan.out / BAG) as bag:
            for topic in (f"{NAMESPACE}/virtual/{name}/image_raw" for name in self.views):
                stamps, wanted = len(bag.stamps(topic)), recorder.counts[topic]
                if stamps != wanted:
                    yield f"{stamps} of {wanted} images of {topic} can be read of the bag"
                if not 0 < self._counted.get(topic, 0) < wanted:
                    yield f"the bag lacks {topic} of before or after the kill"

    def _wait(self, holds: Callable[[], bool], limit_s: float, what: str) -> None:
        def wait_for(seconds: float) -> bool:
            return self.watcher.wait(holds, seconds)

        remedy = f"see the logs in {self.plan.out}"
        self.session.wait(wait_for, limit_s, what, remedy)


@contextmanager
def laboratory(plan: LabPlan, say: Callable[[str], None] = lambda line: None) -> Iterator[Lab]:
    """Yield a laboratory that runs; everything that it started ends with the block.

    Raises:
        AnyviewError: those of the package, of `take_folder` and of `Lab.start`.
    """
    package = load_package(find_package(plan.model))
    take_folder(plan.out)
    shutil.rmtree(plan.out / MODEL, ignore_errors=True)
    shutil.copytree(package.path, plan.out / MODEL / package.contract.name)
    environment = with_profile(os.environ)
    if plan.domain is not None:
        environment = graph_environment(plan.domain)
    arguments = ["--ros-args", *plan.ros_args] if plan.ros_args else []
    with Children(plan.out, environment) as children:
        os.environ.update(environment)  # Fast DDS reads it when the session starts
        with Session("chaos", plan.domain, children.check, arguments) as session:
            session.be_quiet()
            lab = Lab(plan, package.contract, children, session, say)
            lab.start()
            yield lab


def _views(cameras: Sequence[str]) -> dict[str, View]:
    """Return the virtual cameras that stream: at the place of each source, and beside them."""
    views = {f"echo_{camera}": View(camera, 0.0) for camera in cameras[:STREAMS]}
    for k in range(STREAMS - len(views)):
        source = cameras[k % len(cameras)]
        views[f"beside_{source}_{k + 1}"] = View(source, (k + 1) * BESIDE_M)
    return views
