"""The faults that are done to a running node, by name."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from anyview_ros.chaos import effects
from anyview_ros.chaos.effects import STAMPED, Effect, Kind, Passed
from anyview_ros.chaos.fault import Fault
from anyview_ros.chaos.lab import NAMESPACE, RIG, Lab
from anyview_ros.chaos.listener import HEARD
from anyview_ros.chaos.processes import busy_neighbours, kill, limited, stopped, worker_of
from anyview_ros.errors import AnyviewError

Inject = Callable[[Lab], AbstractContextManager[None]]

NODE = "node"
HALF_A_CLIP_S, TF_TOO_LATE_S = 0.7, 2.0  # a frame waits a second for its transforms
REORDERED_S = 0.15
JUMP_NS, AHEAD_NS, LOOP_NS = 5_000_000_000, 1000_000_000_000, 2_000_000_000
STAGE_S, WORKER_S = 30.0, 30.0  # that a stage, and a new inference process, are waited for
LARGE = (1280, 960)  # pixels, of a clip that takes memory
LOADING_S = 0.3  # after the start of a process, in the midst of its loading
HUNG_S = 15.0  # ten that it may be stopped, and a start
START_S = 45.0  # of a node, with its model
RIG_S = 60.0  # of a rig, whose renderer is compiled
BURNING = 2 * (os.cpu_count() or 1)


def with_effect(make: Callable[[], Effect]) -> Inject:
    """Return a fault that is done to the messages on their way."""

    @contextmanager
    def inject(lab: Lab) -> Iterator[None]:
        lab.relay.effect = make()
        try:
            yield
        finally:
            lab.relay.effect = effects.passed_on

    return inject


@contextmanager
def nothing(lab: Lab) -> Iterator[None]:
    """Do nothing: what is measured then is the machine."""
    yield


@contextmanager
def static_frames_repeated(lab: Lab) -> Iterator[None]:
    """Publish the static transforms again with every transform that moves."""

    def effect(kind: Kind, camera: str, message: object) -> Iterator[Passed]:
        yield Passed(message)
        if kind == "tf":
            lab.relay.repeat_static()

    with with_effect(lambda: effect)(lab):
        yield


@contextmanager
def camera_gone(lab: Lab) -> Iterator[None]:
    """End the publishers of the first camera meanwhile."""
    camera = next(iter(lab.topics))
    lab.session.call_soon(lambda: lab.relay.take_away(camera))
    try:
        yield
    finally:
        lab.session.call_soon(lambda: lab.relay.bring_back(camera))


@contextmanager
def listener_killed(lab: Lab) -> Iterator[None]:
    """Kill a subscriber of a virtual camera, and have it come back."""
    _listen(lab, "listener")
    lab.children.crash("listener")
    yield
    _listen(lab, "listener_2")
    lab.children.crash("listener_2")


@contextmanager
def robot_killed(lab: Lab) -> Iterator[None]:
    """Kill the robot's process, and start it again: its clock begins anew."""
    lab.crash(RIG)
    yield
    before = {camera: lab.watcher.sent(camera) for camera in lab.topics}
    lab.start_rig()
    lab.watcher.wait(lambda: all(lab.watcher.sent(c) > before[c] for c in before), RIG_S)


def worker_killed_in(stage: str) -> Inject:
    """Return a fault that kills the inference process in a stage of a clip."""

    @contextmanager
    def inject(lab: Lab) -> Iterator[None]:
        pid, killed = lab.worker_pid(), threading.Event()

        def on_stage(now: str) -> None:
            if now == stage and not killed.is_set():
                kill(pid)
                killed.set()

        lab.goals.ask(on_stage)
        if not killed.wait(STAGE_S):
            raise AnyviewError("timeout", f"no clip came to the stage '{stage}' in {STAGE_S:g} s")
        yield

    return inject


@contextmanager
def worker_killed_loading(lab: Lab) -> Iterator[None]:
    """Kill the inference process, and the next one while it loads."""
    first = lab.worker_pid()
    kill(first)
    second = worker_of(lab.pid(NODE), first, WORKER_S)
    if second is not None:
        time.sleep(LOADING_S)
        kill(second)
    yield


@contextmanager
def worker_out_of_memory(lab: Lab) -> Iterator[None]:
    """Let the inference process have no more memory than it has, and ask for a large clip."""
    with limited(lab.worker_pid(), resource.RLIMIT_AS, 1):
        large = lab.camera("large", next(iter(lab.views.values())))
        large.camera_info.width, large.camera_info.height = LARGE
        large.horizontal_fov = 1.2
        lab.goals.wait(lab.goals.ask(camera=large), STAGE_S)
        yield


@contextmanager
def worker_hung(lab: Lab) -> Iterator[None]:
    """Stop the inference process for good: it is for the node to end it."""
    kill(lab.worker_pid(), signal.SIGSTOP)
    yield


@contextmanager
def disk_full(lab: Lab) -> Iterator[None]:
    """Let the node write nothing into files, and give it something to log: the time jumps back."""
    jump = with_effect(lambda: effects.shifting(-JUMP_NS))
    with limited(lab.pid(NODE), resource.RLIMIT_FSIZE, 0), jump(lab):
        yield


@contextmanager
def model_damaged(lab: Lab) -> Iterator[None]:
    """Damage a file of the model that is served, and make it be read again."""
    file = lab.model / "decode.onnx"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    kill(lab.worker_pid())
    try:
        yield
    finally:
        file.write_bytes(whole)


@contextmanager
def cpu_taken(lab: Lab) -> Iterator[None]:
    """Compute beside the node, two processes a core."""
    with busy_neighbours(BURNING):
        yield


@contextmanager
def node_stopped(lab: Lab) -> Iterator[None]:
    """Stop the node meanwhile."""
    with stopped(lab.pid(NODE)):
        yield


@contextmanager
def node_killed(lab: Lab) -> Iterator[None]:
    """Kill the node while its frames are recorded, and start it again."""
    lab.record()
    lab.note_recorded()
    lab.crash(NODE)
    yield
    lab.start_node()


def _listen(lab: Lab, name: str) -> None:
    topic = f"{NAMESPACE}/virtual/{next(iter(lab.views))}/image_raw"
    lab.children.start(name, "anyview_ros.chaos.listener", [topic])
    log = lab.children.log(name)
    if not lab.watcher.wait(lambda: HEARD in log.read_text(), WORKER_S):
        raise AnyviewError("timeout", f"a new subscriber of '{topic}' heard nothing; see {log}")


def _stage(stage: str) -> Fault:
    return Fault(
        f"worker_killed_{stage}",
        f"kill -9 of the inference process while it is at '{stage}' of a clip",
        worker_killed_in(stage),
        ("worker_died",),
        lasts_s=0.0,
        asks=False,
    )


LIVE_FAULTS = (
    Fault("nothing", "nothing at all: what the machine does by itself", nothing, lasts_s=1.0),
    Fault(
        "images_dropped",
        "30 % of the images are lost",
        with_effect(lambda: effects.dropping(("image",), 0.3)),
        ("stamp_gaps", "clip_gap"),
    ),
    Fault(
        "infos_missing",
        "no camera info comes any more",
        with_effect(lambda: effects.dropping(("info",))),
        ("camera_info_not_paired", "no_camera_info"),
    ),
    Fault(
        "images_doubled",
        "each image and camera info comes twice",
        with_effect(lambda: effects.doubling),
        ("duplicate_stamp",),
    ),
    Fault(
        "images_reordered",
        "every second image comes after the next one",
        with_effect(lambda: effects.reordering(REORDERED_S)),
        ("out_of_order",),
    ),
    Fault(
        "images_late",
        f"images and camera infos come {HALF_A_CLIP_S:g} s late",
        with_effect(lambda: effects.delaying(("image", "info"), HALF_A_CLIP_S)),
        ("latency_s",),
        lasts_s=10.0,  # each camera has made two clips of them by then
    ),
    Fault(
        "images_damaged",
        "every second image is cut, of no encoding, no size, no frame or no time",
        with_effect(effects.damaging_images),
        ("invalid_image", "unsupported_encoding", "empty_frame_id", "zero_stamp"),
    ),
    Fault(
        "infos_damaged",
        "camera infos without focal length, with NaN, of no lens model or another size",
        with_effect(effects.damaging_infos),
        ("uncalibrated_camera", "invalid_camera", "invalid_distortion", "no_camera_info"),
    ),
    Fault(
        "clock_back",
        "the time of everything jumps back by 5 s, and forward again",
        with_effect(lambda: effects.shifting(-JUMP_NS)),
        ("clock_jump", "clock_jumped"),
    ),
    Fault(
        "clock_forward",
        "the time of everything jumps ahead by 1000 s, and back again",
        with_effect(lambda: effects.shifting(AHEAD_NS)),
        ("stamp_gaps", "clip_gap", "clock_jump"),
    ),
    Fault(
        "bag_looped",
        "the same 2 s come again and again, as from a player with --loop",
        with_effect(lambda: effects.looping(LOOP_NS)),
        ("clock_jump", "clock_jumped"),
        lasts_s=7.0,
    ),
    Fault(
        "time_paused",
        "images, TF and /clock stand still, as when a simulation is paused",
        with_effect(lambda: effects.dropping(STAMPED)),
        ("no_images", "source_silent"),
        lasts_s=5.0,
    ),
    Fault(
        "tf_late",
        f"TF comes {TF_TOO_LATE_S:g} s late, where a frame waits 1 s",
        with_effect(lambda: effects.delaying(("tf",), TF_TOO_LATE_S)),
        ("tf_waiting",),
        lasts_s=5.0,
    ),
    Fault(
        "tf_missing",
        "no TF comes any more",
        with_effect(lambda: effects.dropping(("tf",))),
        ("tf_waiting",),
        lasts_s=4.0,
    ),
    Fault(
        "tf_contradicting",
        "a second publisher places each frame of /tf 50 m away",
        with_effect(lambda: effects.contradicting),
        ("tf_contradiction",),
    ),
    Fault(
        "static_frames_repeated",
        "/tf_static is published again with each message of /tf",
        static_frames_repeated,
    ),
    Fault(
        "camera_gone",
        "the publishers of a camera end, and come back",
        camera_gone,
        ("no_publisher", "source_silent"),
        lasts_s=4.0,
    ),
    Fault(
        "listener_killed",
        "kill -9 of a reliable subscriber of a virtual camera; it comes back",
        listener_killed,
        lasts_s=2.0,
    ),
    Fault(
        "robot_killed",
        "kill -9 of the robot's process; it comes back, and its clock begins anew",
        robot_killed,
        ("no_publisher", "no_images", "source_silent", "clock_jump"),
        lasts_s=4.0,
        needs_rig=True,
    ),
    Fault(
        "worker_killed_loading",
        "kill -9 of the inference process, and of the next one while it loads",
        worker_killed_loading,
        ("worker_died",),
        lasts_s=0.0,
        within_s=6.0,
    ),
    *map(_stage, ("condition", "denoise", "decode")),
    Fault(
        "worker_out_of_memory",
        "the inference process gets no memory more, and is asked for a large clip",
        worker_out_of_memory,
        ("inference_failed", "worker_died"),
    ),
    Fault(
        "worker_hung",
        "the inference process is stopped (SIGSTOP) for good",
        worker_hung,
        ("worker_silent", "worker_hung"),
        lasts_s=0.0,
        within_s=HUNG_S,
    ),
    Fault(
        "disk_full",
        "the node can write no byte into any file, while its clock jumps",
        disk_full,
        ("clock_jump", "clock_jumped"),
    ),
    Fault(
        "model_damaged",
        "a file of the model is cut, and the inference process dies",
        model_damaged,
        ("model_damaged",),
        lasts_s=5.0,
        within_s=6.0,
    ),
    Fault("cpu_taken", "two processes a core compute beside the node", cpu_taken, lasts_s=5.0),
    Fault(
        "node_stopped",
        "the node is stopped (SIGSTOP) for 5 s, and goes on",
        node_stopped,
        ("node_gone",),
        lasts_s=5.0,
    ),
    Fault(
        "node_killed",
        "kill -9 of the node while its frames are recorded; it is started again",
        node_killed,
        ("node_gone",),
        lasts_s=3.0,
        within_s=START_S,
        asks=True,
        ends_node=True,
    ),
)
