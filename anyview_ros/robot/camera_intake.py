"""From image, camera info and TF to posed frames at the model's size in the buffer. No rclpy."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image

from anyview_ros.contract import Contract
from anyview_ros.engine.conditioning import model_size, resize_camera, resize_image
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.robot.frame_buffer import BufferLimits, FrameBuffer, GridFilter
from anyview_ros.robot.info_pairing import ImageHeader, InfoPairing
from anyview_ros.robot.ledger import Ledger
from anyview_ros.robot.messages import (
    JUMP_NS,
    RectifiedCamera,
    camera_from_info,
    check_image,
    rgb_from_image,
    seconds,
    stamp_ns,
)
from anyview_ros.robot.stream_health import StreamHealth, StreamStatus

INFO_PATIENCE_NS = 100_000_000  # how long the camera info of an image's stamp is waited for
MAX_PENDING = 64
WORTH_WAITING = {
    "no_camera_info",
    "tf_unknown_frame",
    "tf_disconnected",
    "tf_loop",
    "tf_waiting",
    "tf_expired",  # after a jump the old transforms go and the right ones come
}
INFO_NOT_PAIRED = AnyviewError(
    "camera_info_not_paired",
    "camera info does not come with the stamps of the images, so the latest one of the same frame "
    "and size is used; publish both with one stamp",
)
PENDING_OVERFLOW = AnyviewError(
    "pending_overflow",
    f"more than {MAX_PENDING} frames waited for their pose, the oldest is dropped: check TF, or "
    "lower tf_timeout_s",
)
CLOCK_REMEDY = "does everything run on one clock, see use_sim_time?"

Lookup = Callable[[str, str, int], NDArray[np.float64]]  # FrameTree.lookup


@dataclass(frozen=True)
class StreamOptions:
    """One camera of the robot, as the parameters say.

    Args:
        name: of the camera.
        image_topic, info_topic: fully qualified.
        fixed_frame: frame in which poses are kept.
        limits: of the frame buffer.
        reliable: whether images are asked for reliably; best effort matches every publisher.
        rectify: see `messages.declared_rectified`.
        tf_timeout_s: how long a frame waits for its pose and camera info, on a steady clock.
    """

    name: str
    image_topic: str
    info_topic: str
    fixed_frame: str
    limits: BufferLimits
    reliable: bool = False
    rectify: str = "auto"
    tf_timeout_s: float = 1.0


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An image at the model's size that waits for its camera info and pose.

    Args:
        header: of the image as it came.
        arrived_ns: of the steady clock.
    """

    header: ImageHeader
    image: NDArray[np.uint8]
    arrived_ns: int


class CameraIntake:
    """The way of one camera's images; every arrival is accounted for in the ledger.

    Thread-safe: one lock; the buffer and the ledger have their own, taken inside of it.

    Args:
        options: of this camera.
        contract: size, resampler and frame period of the model.
        lookup: of the frame tree.
        on_epoch: called with the camera's name and the reason, after header stamps jumped back
            and the buffer was cleared, outside of the lock.
        now_ns: steady clock.
    """

    def __init__(
        self,
        options: StreamOptions,
        contract: Contract,
        lookup: Lookup,
        on_epoch: Callable[[str, str], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.options = options
        self.ledger = Ledger()
        self.buffer = FrameBuffer(options.image_topic, options.limits, self.ledger)
        self._contract = contract
        self._lookup = lookup
        self._on_epoch = on_epoch
        self._now_ns = now_ns
        self._timeout_ns = int(options.tf_timeout_s * 1e9)
        self._lock = threading.Lock()
        self._grid = GridFilter(round(contract.frame_period * 1e9))
        self._infos = InfoPairing(options.info_topic)
        self._health = StreamHealth(options.image_topic)
        self._pending: deque[_Waiting] = deque()
        self._newest_ns: int | None = None
        self._seen: tuple[RectifiedCamera, str] | None = None

    def on_image(self, message: Image) -> None:
        """An image came: refuse it, pass over it, or let it wait for its camera info and pose."""
        jump = ""
        with self._lock:
            try:
                check_image(message)
                jump = self._check_order(stamp_ns(message.header.stamp))
                self._admit(message)
            except AnyviewError as error:
                self._note(error)
                self.ledger.drop_arrival(error.code)
        if jump:
            self._on_epoch(self.options.name, jump)

    def on_info(self, message: CameraInfo) -> None:
        """A camera info came; images may wait for it."""
        with self._lock:
            self._infos.add(message)
            self._advance()

    def retry(self) -> None:
        """Transforms came, or time has passed: waiting images may move on, or be given up."""
        with self._lock:
            self._advance()

    def reset(self, reason: str) -> None:
        """Start a new epoch because the clock jumped; `reason` is for diagnostics."""
        with self._lock:
            self._new_epoch(reason)

    @property
    def seen(self) -> tuple[RectifiedCamera, str] | None:
        """The camera at its own size and its frame_id, of the last image that was understood."""
        with self._lock:
            return self._seen

    def status(self) -> StreamStatus:
        """An instant for diagnostics."""
        with self._lock:
            return StreamStatus(
                self.options.name,
                self.options.image_topic,
                self.ledger.snapshot(),
                self._health.rate_hz,
                self._newest_ns,
                tuple(self._health.problems(self._now_ns())),
            )

    def _check_order(self, stamp: int) -> str:
        """The reason when the stamp starts a new epoch, else nothing.

        Raises:
            AnyviewError: `out_of_order` or `duplicate_stamp`.
        """
        newest = self._newest_ns
        if newest is None or stamp > newest:
            return ""
        if stamp < newest - JUMP_NS:
            reason = f"header stamps jumped back from {seconds(newest)} to {seconds(stamp)}"
            self._new_epoch(reason)
            return reason
        if stamp == newest:
            raise AnyviewError(
                "duplicate_stamp",
                f"a second image of {seconds(stamp)}; do two publishers share the topic?",
            )
        raise AnyviewError(
            "out_of_order", f"image of {seconds(stamp)} came after the one of {seconds(newest)}"
        )

    def _admit(self, message: Image) -> None:
        """Decode an image that may be on a grid, and let it wait.

        Raises:
            AnyviewError: `off_grid`, which is no trouble but the way of most frames of a fast
                stream.
        """
        header = _header(message)
        self._newest_ns = header.stamp_ns
        self._health.saw(header.stamp_ns)
        if not self._grid.keep(header.stamp_ns):
            raise AnyviewError("off_grid", "no clip grid needs this frame")
        # Decoded before its info is known: what waits must be small, and the size alone decides.
        nominal = Camera.from_fov(header.width, header.height, 1.0)
        size = model_size(self._contract, nominal)
        image = resize_image(rgb_from_image(message), size, self._contract.resampler)
        self.ledger.accept()
        self._pending.append(_Waiting(header, image, self._now_ns()))
        if len(self._pending) > MAX_PENDING:
            self._give_up(self._pending[0], PENDING_OVERFLOW)
        self._advance()

    def _advance(self) -> None:
        """Move every waiting image as far as it can go, in order of stamps."""
        now = self._now_ns()
        stuck = False
        for waiting in list(self._pending):
            overdue = now - waiting.arrived_ns >= self._timeout_ns
            if stuck and not overdue:
                continue  # transforms that lack for one frame lack for the later ones
            try:
                frame = self._posed(waiting, now)
            except AnyviewError as error:
                if error.code not in WORTH_WAITING:
                    self._give_up(waiting, error)
                elif overdue:
                    self._give_up(waiting, self._overdue(error))
                else:
                    stuck = error.code != "tf_expired"
                continue
            if frame is not None:
                self._pending.remove(waiting)
                self.buffer.add(frame)

    def _posed(self, waiting: _Waiting, now: int) -> Frame | None:
        """The finished frame, or None while its camera info may still come."""
        header = waiting.header
        patient = now - waiting.arrived_ns < min(INFO_PATIENCE_NS, self._timeout_ns)
        matched = self._infos.match(header, patient)
        if matched is None:
            return None
        info, exact = matched
        if not exact:
            self._note(INFO_NOT_PAIRED)
        options = self.options
        view = camera_from_info(info, options.rectify, options.image_topic)
        self._seen = view, header.frame_id
        fixed_from_frame = self._lookup(options.fixed_frame, header.frame_id, header.stamp_ns)
        rows, columns = waiting.image.shape[:2]
        camera = resize_camera(view.camera, (rows, columns), self._contract.pixel_rule)
        world_from_cam = fixed_from_frame @ view.frame_from_cam
        return Frame(header.stamp_ns, waiting.image, camera, world_from_cam)

    def _overdue(self, error: AnyviewError) -> AnyviewError:
        waited = f"waited {self.options.tf_timeout_s:.1f} s"
        return AnyviewError(error.code, f"{error.message} ({waited}; {CLOCK_REMEDY})")

    def _give_up(self, waiting: _Waiting, error: AnyviewError) -> None:
        self._pending.remove(waiting)
        self.ledger.give_up(error.code)
        self._note(error)

    def _new_epoch(self, reason: str) -> None:
        for waiting in list(self._pending):
            self._give_up(waiting, AnyviewError("clock_jump", f"{reason}: starting over"))
        self.buffer.clear()
        self._grid.reset()
        self._infos.new_epoch()
        self._health.new_epoch()
        self._newest_ns = None

    def _note(self, error: AnyviewError) -> None:
        if error.code != "off_grid":
            self._health.note(error.code, error.message, self._now_ns())


def _header(message: Image) -> ImageHeader:
    header = message.header
    return ImageHeader(stamp_ns(header.stamp), header.frame_id, message.width, message.height)
