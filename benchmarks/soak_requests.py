"""What users ask a node for meanwhile: cameras that come, move and go, clips, and bad calls."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

from anyview_ros.msg import VirtualCamera
from anyview_ros.srv import (
    AddVirtualCamera,
    ListVirtualCameras,
    RemoveVirtualCamera,
    UpdateVirtualCamera,
)

from anyview_ros.chaos.goals import UNNAMED, Goals
from anyview_ros.chaos.lab import ASKED, NODE_NAME, Lab, View
from anyview_ros.errors import RETRIES, AnyviewError

PAUSE_S = (2.0, 10.0)  # between two requests, at random
MOST = 2  # cameras beside those of the laboratory
LIMIT_S = 60.0  # for any answer: a process that hangs is replaced after ten seconds
NEW_NODE_S = 30.0  # in which calls may go to the node that died
SIZES = ((160, 96), (256, 144), (320, 192))  # pixels, width and height
FOV = (0.8, 1.6)  # radians
BAD = (  # the codes that refuse them
    "invalid_name",
    "name_taken",
    "invalid_pose",
    "invalid_rate",
    "invalid_camera",
    "invalid_sources",
    "unknown_camera",
    "too_large",
)
NO_SERVICE = "no_service"
EXCUSES = ("busy", NO_SERVICE, *RETRIES)  # that any call may be refused by
SERVICES = {
    "add_virtual_camera": AddVirtualCamera,
    "update_virtual_camera": UpdateVirtualCamera,
    "remove_virtual_camera": RemoveVirtualCamera,
    "list_virtual_cameras": ListVirtualCameras,
}


class Answer(NamedTuple):
    """Hold what was answered; `code` is None where nothing was, empty where it was done."""

    code: str | None
    message: str = ""


class Requests:
    """Asks at random, from a thread of its own.

    Args:
        lab: whose node is asked.
        seed: of what is drawn.
        say: called with what was broken.
    """

    def __init__(self, lab: Lab, seed: int, say: Callable[[str], None]) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()  # by what was asked, and the code
        self._lab, self._say, self._drawn = lab, say, Random(seed)
        node = lab.session.node
        self._clients = {
            name: node.create_client(kind, f"{NODE_NAME}/{name}") for name, kind in SERVICES.items()
        }
        self._goals = Goals(lab.session, NODE_NAME, ASKED)
        self._extra: list[str] = []
        self._number = 0
        self._node_pid, self._ready_s = self._pid(), 0.0
        self._stopped = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask meanwhile."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._drawn.uniform(*PAUSE_S)):
            pid = self._pid()
            if pid != self._node_pid:  # a new node has none of the cameras
                self._node_pid, self._ready_s = pid, time.monotonic() + NEW_NODE_S
                self._extra.clear()
            if pid is None or time.monotonic() < self._ready_s:
                continue
            ask = self._drawn.choice((self._add, self._add, self._remove, self._move, self._list))
            ask = self._drawn.choice((ask, self._clip, self._bad))
            try:
                ask()
            except AnyviewError:  # a process has ended: the laboratory says so
                return

    def _add(self) -> None:
        if len(self._extra) == MOST:
            self._remove()
            return
        camera = self._camera("extra")
        streams = self._drawn.random() < 0.5
        camera.rate = (self._lab.plan.rate or 0.0) if streams else 0.0
        answer = self._call("add_virtual_camera", AddVirtualCamera.Request(camera=camera))
        if not answer.code:  # or it may have been added
            self._extra.append(camera.name)
        self._note("add a stream" if streams else "add a camera", answer)

    def _remove(self) -> None:
        if not self._extra:
            return
        request = RemoveVirtualCamera.Request(name=self._extra.pop(0))
        self._note("remove", self._call("remove_virtual_camera", request))

    def _move(self) -> None:
        if not self._extra:
            return
        camera = self._camera("moved")
        camera.name = self._extra[0]
        request = UpdateVirtualCamera.Request(camera=camera)
        self._note("move", self._call("update_virtual_camera", request))

    def _list(self) -> None:
        self._note("list", self._call("list_virtual_cameras", ListVirtualCameras.Request()))

    def _clip(self) -> None:
        self._note("clip", self._goal(self._camera("clip")))

    def _bad(self) -> None:
        camera, add = self._camera("bad"), True
        wanted = self._drawn.choice(BAD)
        match wanted:
            case "invalid_name":
                camera.name = "Bad name"
            case "name_taken":
                camera.name = ASKED
            case "invalid_pose":
                camera.pose.position.y = float("nan")
            case "invalid_rate":
                camera.rate = 1e6
            case "invalid_camera":
                camera.camera_info.height = 0
            case "invalid_sources":
                camera.sources *= 2
            case "unknown_camera":
                camera, add = VirtualCamera(name="nobody"), False
            case "too_large":
                camera.camera_info.width = camera.camera_info.height = 8000
                add = False
        if add:
            answer = self._call("add_virtual_camera", AddVirtualCamera.Request(camera=camera))
        else:
            answer = self._goal(camera)
        self._note(f"bad: {wanted}", answer, wanted)

    def _camera(self, kind: str) -> VirtualCamera:
        """Return a camera beside a source, of a name that never was."""
        self._number += 1
        source = self._drawn.choice(list(self._lab.topics))
        camera = self._lab.camera(
            f"{kind}_{self._number}", View(source, self._drawn.uniform(0.0, 1.0))
        )
        camera.camera_info.width, camera.camera_info.height = self._drawn.choice(SIZES)
        camera.horizontal_fov = self._drawn.uniform(*FOV)
        return camera

    def _call(self, service: str, request: Any) -> Answer:
        client, answered, answers = self._clients[service], threading.Event(), list[Any]()
        if not client.service_is_ready():
            return Answer(NO_SERVICE)

        def call() -> None:
            future = client.call_async(request)
            future.add_done_callback(lambda done: (answers.append(done.result()), answered.set()))

        self._lab.session.call_soon(call)
        if not answered.wait(LIMIT_S):
            return Answer(None)
        (answer,) = answers
        if service == "list_virtual_cameras":
            return Answer("")
        return Answer("" if answer.success else answer.code, answer.message)

    def _goal(self, camera: VirtualCamera) -> Answer:
        self._goals.ask(camera=camera)
        (goal,) = self._goals.settle(LIMIT_S)
        return Answer(goal.code, goal.message)

    def _note(self, what: str, answer: Answer, wanted: str = "") -> None:
        """Count an answer, and say what is wrong with it.

        Args:
            wanted: the code that must refuse it; empty where it may be done.
        """
        if self._stopped.is_set() or self._pid() != self._node_pid:  # it died with its calls
            return
        self.counts[what, "none" if answer.code is None else answer.code] += 1
        if answer.code is None:
            self._say(f"{what}: no answer in {LIMIT_S:g} s")
        elif answer.code in UNNAMED or (wanted and answer.code not in (wanted, *EXCUSES)):
            self._say(f"{what}: answered by '{answer.code}': {answer.message}")

    def _pid(self) -> int | None:
        try:
            return self._lab.pid("node")
        except KeyError:  # it was killed, and is not started yet
            return None
