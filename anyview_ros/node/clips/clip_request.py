"""A clip as callers ask for it: checked and turned into values. Every refusal has a name."""

from __future__ import annotations

from dataclasses import dataclass

from anyview_ros.contract import Contract
from anyview_ros.engine.pipeline import SynthesisOptions, check_sampling
from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.imaging.message_fields import seconds, stamp_ns
from anyview_ros.msg import ClipRequest, VirtualCamera
from anyview_ros.node.virtual.asked_camera import (
    PERIOD_TOLERANCE,
    AskedCamera,
    asked_camera,
    check_name,
)

MAX_RETURNED_BYTES = 16_000_000  # the middleware keeps results for a while
MAX_CLIP_BYTES = 1 << 30


@dataclass(frozen=True)
class AskedClip:
    """A checked `anyview_ros/ClipRequest`. Times are 0 where they were left open.

    Args:
        camera: None = the added camera `camera_name`.
        num_frames: 0 = follows from the times.
        hold_before_ns: see `FrameBuffer.clip`.
    """

    camera_name: str
    camera: AskedCamera | None
    start_ns: int
    end_ns: int
    num_frames: int
    period_ns: int
    options: SynthesisOptions
    return_frames: bool
    hold_before_ns: int = 0

    def grid(self, newest_ns: int, contract: Contract) -> tuple[int, int]:
        """(end_ns, num_frames) of the clip, where the sources' newest common stamp is known.

        Raises:
            AnyviewError: `invalid_times`, `invalid_num_frames`.
        """
        end_ns = self.end_ns or newest_ns
        if not self.start_ns:
            return end_ns, self.num_frames or contract.usual_frames(self.options.speed)
        if not self.num_frames:
            if end_ns <= self.start_ns:
                raise _after_start(self.start_ns, end_ns)
            num_frames = round((end_ns - self.start_ns) / self.period_ns) + 1
            return end_ns, _allowed_frames(num_frames, contract)
        from_start_ns = self.start_ns + (self.num_frames - 1) * self.period_ns
        if self.end_ns and abs(self.end_ns - from_start_ns) > self.period_ns // 2:
            raise AnyviewError(
                "invalid_times",
                f"{self.num_frames} frames from {seconds(self.start_ns)} end at "
                f"{seconds(from_start_ns)}, end_time says {seconds(self.end_ns)}; leave one of "
                "start_time, end_time and num_frames at 0",
            )
        return from_start_ns, self.num_frames


def asked_clip(message: ClipRequest, contract: Contract) -> AskedClip:
    """Check a request for a clip.

    Raises:
        AnyviewError: those of `asked_camera`; `invalid_times`, `invalid_num_frames`,
            `invalid_frame_period`, `unknown_speed`, `invalid_steps`, `invalid_seed`.
    """
    check_name(message.camera.name)
    whole = not _is_only_a_name(message.camera)
    if message.seed > MAX_SEED:
        raise AnyviewError("invalid_seed", f"seed must be 0..{MAX_SEED}, got {message.seed}")
    options = SynthesisOptions(message.speed, int(message.steps), int(message.seed))
    check_sampling(contract, options)
    start_ns, end_ns = stamp_ns(message.start_time), stamp_ns(message.end_time)
    if min(start_ns, end_ns) < 0 or (end_ns and start_ns >= end_ns):
        raise _after_start(start_ns, end_ns)
    return AskedClip(
        camera_name=message.camera.name,
        camera=asked_camera(message.camera, contract) if whole else None,
        start_ns=start_ns,
        end_ns=end_ns,
        num_frames=_allowed_frames(int(message.num_frames), contract) if message.num_frames else 0,
        period_ns=_period_ns(message.frame_period, contract),
        options=options,
        return_frames=message.return_frames,
    )


def check_answer_size(camera: Camera, num_frames: int, return_frames: bool) -> None:
    """Refuse an answer that is too large before anything is computed.

    Raises:
        AnyviewError: `too_large`.
    """
    size = num_frames * camera.width * camera.height * 3
    what = f"{num_frames} frames of {camera.width}x{camera.height} are {size / 1e6:.1f} MB"
    if size > MAX_CLIP_BYTES:
        raise AnyviewError(
            "too_large",
            f"{what}, at most {MAX_CLIP_BYTES / 1e6:.0f} MB a clip; ask for a smaller image",
        )
    if return_frames and size > MAX_RETURNED_BYTES:
        raise AnyviewError(
            "too_large",
            f"{what}, an answer holds at most {MAX_RETURNED_BYTES / 1e6:.0f} MB; listen to the "
            "topics instead of return_frames, or ask for a smaller image",
        )


def _is_only_a_name(message: VirtualCamera) -> bool:
    only_name = VirtualCamera(name=message.name)
    if message == only_name:
        return True
    # The default quaternion is w = 1; a client that zeroes what it leaves out sends w = 0.
    only_name.pose.orientation.w = 0.0
    return bool(message == only_name)


def _allowed_frames(num_frames: int, contract: Contract) -> int:
    if num_frames not in contract.frames:
        raise AnyviewError(
            "invalid_num_frames",
            f"model '{contract.name}' makes clips of {' or '.join(map(str, contract.frames))} "
            f"frames, got {num_frames}; longer sequences are not available in this version",
        )
    return num_frames


def _period_ns(frame_period: float, contract: Contract) -> int:
    period = contract.frame_period
    if frame_period != 0 and not abs(frame_period - period) <= PERIOD_TOLERANCE * period:
        raise AnyviewError(
            "invalid_frame_period",
            f"model '{contract.name}' makes frames {period:g} s apart, got frame_period "
            f"{frame_period:g}; leave it at 0",
        )
    return round(period * 1e9)


def _after_start(start_ns: int, end_ns: int) -> AnyviewError:
    return AnyviewError(
        "invalid_times",
        f"times must not be negative and end_time must be after start_time, got start_time "
        f"{seconds(start_ns)} and end_time {seconds(end_ns)}",
    )
