"""The whole system in one run: a rig and the node as processes, virtual cameras, a recording."""

from __future__ import annotations

import math
import shutil
import struct
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from rclpy.action import ActionClient
from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.action import SynthesizeClip
from anyview_ros.contract import Contract
from anyview_ros.demo.demo_cameras import DemoScene, scene_of
from anyview_ros.demo.harness import (
    ANSWER_TIMEOUT_S,
    CLOCK,
    START_TIMEOUT_S,
    Harness,
    check_seconds,
    harness,
)
from anyview_ros.demo.parameter_words import Value
from anyview_ros.demo.plan import DemoPlan
from anyview_ros.demo.recorder import Recorder
from anyview_ros.errors import AnyviewError
from anyview_ros.msg import ClipRequest, ClipResult, VirtualCamera
from anyview_ros.node.messages import time_message
from anyview_ros.node.simulation.rig_sources import ASSUMED_POSE, VideoSource
from anyview_ros.packages import find_package, load_package

BAG = "bag"
MAX_SECONDS = 100.0  # the node's frame buffer keeps 120
CLIP_TIMEOUT_S = 300.0
NOT_THERE_YET = ("not_yet", "tf_waiting", "too_few_frames", "empty_buffer")


def run_demo(plan: DemoPlan) -> Path:
    """Run it, and return the folder of the recorded bag.

    Raises:
        AnyviewError: `unknown_model` and others of the package, those of `VideoSource` and of
            `scene_of`, `invalid_seconds`, `child_ended`, `timeout`, and whatever the node answers.
    """
    contract = load_package(find_package(plan.model)).contract
    check_seconds(plan.seconds, contract, MAX_SECONDS)
    scene = scene_of(plan.source, contract.max_sources)
    if plan.plays_video:  # refuse here, in one line, what the rig would refuse in its log
        period_ns = round(contract.frame_period * 1e9)
        VideoSource(Path(plan.source), math.radians(plan.hfov_deg), plan.poses, period_ns)
    if plan.assumes_pose:
        print(f"note: {ASSUMED_POSE}", file=sys.stderr)
    plan.out.mkdir(parents=True, exist_ok=True)
    _remove_earlier(plan.out / BAG)
    with ExitStack() as stack:
        processes = stack.enter_context(harness("demo", plan.out, plan.domain))
        demo = _Demo(plan, scene, contract, processes)
        stack.enter_context(closing(demo.recorder))
        demo.run()
    return plan.out / BAG


def node_parameters(plan: DemoPlan, scene: DemoScene) -> dict[str, Value]:
    """Return what the node is told of a scene."""
    return {"model": plan.model, "scene_scale": float(scene.scene_scale)}


def rig_parameters(plan: DemoPlan, frame_period: float, readers: int) -> dict[str, Value]:
    """Return what the rig is told.

    Args:
        frame_period: of the model, in seconds.
        readers: of every camera, that it waits for.
    """
    rig: dict[str, Value] = {
        "seed": plan.seed,
        "rate": 1 / frame_period,
        "seconds": float(plan.seconds),
        "readers": readers,
    }
    if plan.plays_video:
        rig |= {"source": plan.source, "hfov": float(plan.hfov_deg)}
    else:
        rig |= {"world": plan.source}
    if plan.poses:
        rig |= {"poses": str(plan.poses)}
    return rig


class _Demo:
    """The steps, in order."""

    def __init__(
        self,
        plan: DemoPlan,
        scene: DemoScene,
        contract: Contract,
        processes: Harness,
    ) -> None:
        self._plan, self._contract, self._processes = plan, contract, processes
        self._scene, self._cameras, self._source = scene, scene.cameras, scene.source
        self._stamps: dict[str, int] = {}  # newest of each topic that matters
        self._first_ns = 0
        self.recorder = Recorder(
            processes.session.node,
            plan.out / BAG,
            self._note_stamp,
            lambda: self._stamps.get(CLOCK, 0),
        )

    def run(self) -> None:
        self._start_processes()
        first = f"images of '{self._source}' (a world's renderer is compiled the first time)"
        self._wait(lambda: self._first_ns > 0, START_TIMEOUT_S, first)
        for camera in self._cameras:
            self._processes.add(camera)
        self._wait(self._followed, ANSWER_TIMEOUT_S, "the virtual cameras' topics")
        frames = self._request_clips()
        self._wait(lambda: self._recorded(frames), CLIP_TIMEOUT_S, "the last virtual frames")
        before = self.recorder.counts["/diagnostics"]
        self._wait(lambda: self.recorder.counts["/diagnostics"] > before, 10.0, "the last ledger")

    def _start_processes(self) -> None:
        plan = self._plan
        node = node_parameters(plan, self._scene) | {"buffer_s": plan.seconds + 5.0}
        rig = rig_parameters(plan, self._contract.frame_period, readers=2)  # the node, the recorder
        self._processes.start(node, rig)

    def _request_clips(self) -> int:
        """Request consecutive clips of every camera until the source ends; return the frames of
        each."""
        period_ns = round(self._contract.frame_period * 1e9)
        num_frames = max(self._contract.frames)
        clips = int(self._plan.seconds * 1e9 / period_ns + 1e-6) // num_frames
        action = ActionClient(
            self._processes.session.node, SynthesizeClip, "/anyview/synthesize_clip"
        )
        with tqdm(total=clips * len(self._cameras), unit="clip", disable=None) as bar:
            for k in range(clips):
                end_ns = self._first_ns + ((k + 1) * num_frames - 1) * period_ns
                if not self._source_reaches(end_ns):
                    return k * num_frames
                for camera in self._cameras:
                    self._request(action, camera.name, end_ns, num_frames, bar)
                    bar.update()
        return clips * num_frames

    def _source_reaches(self, end_ns: int) -> bool:
        """Wait for a stamp of the source; False when its video has ended before."""
        ended_ns = end_ns + 2_000_000_000
        self._wait(
            lambda: self._newest >= end_ns or self._stamps.get(CLOCK, 0) > ended_ns,
            CLIP_TIMEOUT_S,
            f"an image of '{self._source}' of {end_ns / 1e9:.1f} s",
        )
        return self._newest >= end_ns

    def _request(
        self, action: ActionClient, camera: str, end_ns: int, num_frames: int, bar: tqdm[Any]
    ) -> None:
        """Request one clip, as soon as the node has all frames of it."""
        request = ClipRequest(
            camera=VirtualCamera(name=camera),
            end_time=time_message(end_ns),
            num_frames=num_frames,
        )
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while not (result := self._result(action, request, bar)).success:
            if result.code not in NOT_THERE_YET or time.monotonic() > deadline:
                raise AnyviewError(result.code, f"no clip of '{camera}': {result.message}")
            self._wait_a_tick()  # the images take another way to the node than to us

    def _wait_a_tick(self) -> None:
        before_ns = self._stamps[CLOCK]
        self._wait(lambda: self._stamps[CLOCK] > before_ns, ANSWER_TIMEOUT_S, "the clock")

    def _result(self, action: ActionClient, request: ClipRequest, bar: tqdm[Any]) -> ClipResult:
        name = request.camera.name

        def show(message: Any) -> None:
            stage = message.feedback
            steps = f" {stage.step}/{stage.steps}" if stage.stage == "denoise" else ""
            bar.set_postfix_str(f"{name}: {stage.stage}{steps}")

        session = self._processes.session
        self._processes.wait(action.wait_for_server, ANSWER_TIMEOUT_S, "the node's action")
        goal = SynthesizeClip.Goal(request=request)
        accepted = session.answer(
            lambda: action.send_goal_async(goal, feedback_callback=show),
            ANSWER_TIMEOUT_S,
            what=f"the start of '{name}'",
        )
        done = accepted.get_result_async
        return session.answer(done, CLIP_TIMEOUT_S, f"the clip of '{name}'").result.result

    def _followed(self) -> bool:
        """Return whether the recorder listens: frames of a quick model would be gone before it
        does."""
        return self._virtual_topics <= self.recorder.listened

    def _recorded(self, frames: int) -> bool:
        return all(self.recorder.counts[topic] >= frames for topic in self._virtual_topics)

    @property
    def _virtual_topics(self) -> set[str]:
        topics = "image_raw", "camera_info", "synthesis_info"
        return {f"/virtual/{c.name}/{topic}" for c in self._cameras for topic in topics}

    def _note_stamp(self, topic: str, serialized: bytes) -> None:
        """Keep the newest stamps of the clock and of the source."""
        if topic in (CLOCK, f"/{self._source}/image_raw"):
            # CDR, little endian: 4 bytes of encoding, then the time that both messages start with.
            sec, nanosec = struct.unpack_from("<iI", serialized, 4)
            self._stamps[topic] = sec * 1_000_000_000 + nanosec
            if topic != CLOCK and not self._first_ns:
                self._first_ns = self._newest

    @property
    def _newest(self) -> int:
        return self._stamps.get(f"/{self._source}/image_raw", 0)

    def _wait(self, holds: Callable[[], bool], timeout_s: float, what: str) -> None:
        def wait_for(limit_s: float) -> bool:
            return self.recorder.wait_until(holds, limit_s)

        self._processes.wait(wait_for, timeout_s, what)


def _remove_earlier(bag: Path) -> None:
    """Remove the bag of an earlier demo; anything else in its place stays, and is refused later."""
    if bag.is_dir() and {file.name for file in bag.iterdir()} <= {"metadata.yaml", f"{BAG}.mcap"}:
        shutil.rmtree(bag)
