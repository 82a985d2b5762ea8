"""From image, camera info and TF to posed frames at the size of the buffer."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.frame_buffer import FrameBuffer
from anyview_ros.clips.intake.image_preparation import ImagePreparer, PreparedImage
from anyview_ros.clips.intake.info_pairing import ImageHeader, InfoPairing
from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.clips.intake.source_health import Problem, SourceHealth, SourceStatus
from anyview_ros.clips.intake.source_options import SourceOptions
from anyview_ros.clips.ledger import Ledger
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Frame
from anyview_ros.imaging.lenses import RectifiedCamera
from anyview_ros.imaging.message_fields import JUMP_NS, seconds
from anyview_ros.time_grid import GridFilter

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

INFO_PATIENCE_NS = 100_000_000  # how long the camera info of an image's stamp is waited for
MAX_PENDING = 64
MAX_UNDECODED_BYTES = 128 << 20  # in INFO_PATIENCE_NS four frames of 4K at 30 Hz may come
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
UNDECODED_OVERFLOW = AnyviewError(
    "no_camera_info",
    f"more than {MAX_UNDECODED_BYTES >> 20} MB of images waited for their first camera info, the "
    "oldest is dropped; start its publisher or set the camera's camera_info_topic",
)
CLOCK_REMEDY = "does everything run on one clock, see use_sim_time?"

Lookup = Callable[[str, str, int], NDArray[np.float64]]  # FrameTree.lookup
OnFrame = Callable[[str, int, bool], None]


class FrameStore(Protocol):
    """Take posed frames."""

    def add(self, frame: Frame) -> bool:
        """Take a frame whose stamp is new; return whether the camera changed with it."""
        ...

    def clear(self) -> None:
        """Forget everything: the clock jumped."""
        ...


def ignore_frame(camera: str, stamp_ns: int, is_changed: bool) -> None:
    """Take a note of a frame and do nothing."""


@dataclass(frozen=True, eq=False)
class _PendingImage:
    """An image on its way: it waits for its camera info, then for its pose.

    Args:
        header: of the image as it came.
        arrived_ns: of the steady clock.
        message: until it is decoded, then None.
        prepared: from then on.
    """

    header: ImageHeader
    arrived_ns: int
    message: Any
    prepared: PreparedImage | None = None


class CameraIntake:
    """The way of one camera's images; every arrival is accounted for in the ledger.

    Thread-safe: one lock; the buffer and the ledger have their own, taken inside of it.

    Args:
        options: of this camera.
        config: how frames are stored.
        lookup: of the frame tree.
        on_epoch: called with the camera's name and the reason, after header stamps jumped back
            and the buffer was cleared, outside of the lock.
        now_ns: steady clock.
        on_frame: called with the camera's name, the stamp of a frame that is in the buffer now,
            and whether the camera changed with it; inside of the lock: it must return at once.
        store: takes the frames in place of `buffer`, which stays empty.
    """

    def __init__(
        self,
        options: SourceOptions,
        config: IntakeConfig,
        lookup: Lookup,
        on_epoch: Callable[[str, str], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
        on_frame: OnFrame = ignore_frame,
        store: FrameStore | None = None,
    ) -> None:
        self.options = options
        self.ledger = Ledger()
        self.buffer = FrameBuffer(
            topic=options.topic,
            limits=options.limits,
            ledger=self.ledger,
            memory=config.memory,
            note=self._note,
        )
        self._store: FrameStore = store or self.buffer
        self._lookup = lookup
        self._on_epoch = on_epoch
        self._on_frame = on_frame
        self._now_ns = now_ns
        self._timeout_ns = int(options.tf_timeout_s * 1e9)
        self._lock = threading.Lock()
        self._grid = GridFilter(round(config.frame_period * 1e9))
        self._infos = InfoPairing(options.info_topic)
        self._health = SourceHealth(options.topic)
        self._preparer = ImagePreparer(
            topic=options.image_topic,
            transport=options.transport,
            rectify=options.rectify,
            config=config,
            note=self._note,
        )
        self._pending: dict[int, _PendingImage] = {}  # by stamp, in order of stamps
        self._newest_ns: int | None = None

    def on_image(self, message: Any) -> None:
        """Take an image: refuse it, pass over it, or let it wait for its camera info and pose.

        Args:
            message: has the fields of sensor_msgs/Image, or of CompressedImage if that is the
                transport.
        """
        jump = ""
        with self._lock:
            try:
                header = self._preparer.header(message)
                jump = self._check_order(header.stamp_ns)
                self._admit(header, message)
            except AnyviewError as error:
                self._note(error)
                self.ledger.drop_arrival(error.code)
        if jump:
            self._on_epoch(self.options.name, jump)

    def on_info(self, message: CameraInfo) -> None:
        """Take a camera info, and move on the images that waited for it."""
        with self._lock:
            self._infos.add(message)
            self._advance()

    def retry(self) -> None:
        """Move on waiting images, or give them up: transforms came, or time has passed."""
        with self._lock:
            self._advance()

    def reset(self, reason: str) -> None:
        """Start a new epoch because the clock jumped; `reason` is for diagnostics."""
        with self._lock:
            self._new_epoch(reason)

    @property
    def last_camera(self) -> tuple[RectifiedCamera, str] | None:
        """Return camera, at its own size, and frame_id of the last image that was prepared."""
        with self._lock:
            return self._preparer.last_camera

    def status(self) -> SourceStatus:
        """Return one instant, for diagnostics."""
        with self._lock:
            return SourceStatus(
                name=self.options.name,
                topic=self.options.topic,
                ledger=self.ledger.snapshot(),
                rate_hz=self._health.rate_hz,
                newest_stamp_ns=self._newest_ns,
                problems=tuple(self._health.problems(self._now_ns())),
                keyframes=self.buffer.remembered,
            )

    def noted(self) -> list[Problem]:
        """Return every problem there was, the newest of each code."""
        with self._lock:
            return self._health.noted()

    def _check_order(self, stamp: int) -> str:
        """Return the reason if the stamp starts a new epoch, else nothing.

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

    def _admit(self, header: ImageHeader, message: Any) -> None:
        """Let an image wait if it may be on a grid.

        Raises:
            AnyviewError: `off_grid`, which is no trouble but the way of most frames of a fast
                stream: they are never decoded.
        """
        self._newest_ns = header.stamp_ns
        self._health.add_stamp(header.stamp_ns)
        if not self._grid.keep(header.stamp_ns):
            raise AnyviewError("off_grid", "no clip grid needs this frame")
        self.ledger.accept()
        self._pending[header.stamp_ns] = _PendingImage(header, self._now_ns(), message)
        self._advance()
        self._drop_overflow()

    def _drop_overflow(self) -> None:
        """Give up the oldest image if too many wait."""
        if len(self._pending) > MAX_PENDING:
            self._give_up(next(iter(self._pending.values())), PENDING_OVERFLOW)
        undecoded = [pending for pending in self._pending.values() if pending.prepared is None]
        if sum(len(pending.message.data) for pending in undecoded) > MAX_UNDECODED_BYTES:
            self._give_up(undecoded[0], UNDECODED_OVERFLOW)

    def _advance(self) -> None:
        """Move every waiting image as far as it can go, in order of stamps."""
        now = self._now_ns()
        stuck = False
        for pending in list(self._pending.values()):
            overdue = now - pending.arrived_ns >= self._timeout_ns
            try:
                prepared = self._prepared(pending, now)
                if prepared is None or (stuck and not overdue):
                    continue  # transforms that lack for one frame lack for the later ones
                frame = self._posed(pending.header, prepared)
            except AnyviewError as error:
                if error.retry not in ("arrival", "renewal"):
                    self._give_up(pending, error)
                elif overdue:
                    self._give_up(pending, self._overdue(error))
                else:
                    stuck = error.retry == "arrival"
                continue
            except Exception as error:  # a bug that one image meets must not end the node
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}, line {place.lineno}"
                self._give_up(pending, AnyviewError("internal_error", f"{error!r} in {where}"))
                continue
            del self._pending[frame.stamp_ns]
            is_changed = self._store.add(frame)
            self._on_frame(self.options.name, frame.stamp_ns, is_changed)

    def _prepared(self, pending: _PendingImage, now: int) -> PreparedImage | None:
        """Prepare an image, once its camera info is there; return None while that may still come.

        Until then the message is stored as it came: the info says how to rectify.
        """
        if pending.prepared is not None:
            return pending.prepared
        header = pending.header
        patient = now - pending.arrived_ns < min(INFO_PATIENCE_NS, self._timeout_ns)
        matched = self._infos.match(header, patient)
        if matched is None:
            return None
        info, exact = matched
        if not exact:
            self._note(INFO_NOT_PAIRED)
        prepared = self._preparer.prepare(header, pending.message, info)
        self._pending[header.stamp_ns] = replace(pending, message=None, prepared=prepared)
        return prepared

    def _posed(self, header: ImageHeader, prepared: PreparedImage) -> Frame:
        fixed_frame, stamp = self.options.fixed_frame, header.stamp_ns
        fixed_from_frame = self._lookup(fixed_frame, header.frame_id, stamp)
        pose = fixed_from_frame @ prepared.frame_from_cam
        return Frame(stamp, prepared.image, prepared.camera, pose, prepared.as_sent)

    def _overdue(self, error: AnyviewError) -> AnyviewError:
        waited = f"waited {self.options.tf_timeout_s:.1f} s"
        return AnyviewError(error.code, f"{error.message} ({waited}; {CLOCK_REMEDY})")

    def _give_up(self, pending: _PendingImage, error: AnyviewError) -> None:
        del self._pending[pending.header.stamp_ns]
        self.ledger.give_up(error.code)
        self._note(error)

    def _new_epoch(self, reason: str) -> None:
        for pending in list(self._pending.values()):
            self._give_up(pending, AnyviewError("clock_jump", f"{reason}: starting over"))
        self._store.clear()
        self._grid.reset()
        self._infos.new_epoch()
        self._health.new_epoch()
        self._newest_ns = None
        self._preparer.new_epoch()

    def _note(self, error: AnyviewError) -> None:
        if error.code != "off_grid":
            self._health.note(error.code, error.message, self._now_ns())
