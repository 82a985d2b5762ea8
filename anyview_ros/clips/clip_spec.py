"""Which frames make a clip, and how it is sampled; checked by whoever writes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from anyview_ros.contract import Contract
from anyview_ros.engine.request import SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import seconds


@dataclass(frozen=True)
class ClipSpec:
    """Say how a clip is cut, for requests and for streams. Times are 0 where they are left open.

    Args:
        end_ns: of the grid; 0 = the sources' newest common stamp.
        num_frames: T; 0 = follows from the times.
        period_ns: of the grid.
        hold_before_ns: see `FrameBuffer.clip`.
    """

    end_ns: int
    num_frames: int
    period_ns: int
    start_ns: int = 0
    hold_before_ns: int = 0
    options: SynthesisOptions = field(default_factory=SynthesisOptions)

    def grid(self, newest_ns: int, contract: Contract) -> tuple[int, int]:
        """Return (end_ns, num_frames), given the sources' newest common stamp.

        Raises:
            AnyviewError: `invalid_times`, `invalid_num_frames`.
        """
        end_ns = self.end_ns or newest_ns
        if not self.start_ns:
            return end_ns, self.num_frames or contract.usual_frames(self.options.speed)
        if not self.num_frames:
            check_order(self.start_ns, end_ns)
            num_frames = round((end_ns - self.start_ns) / self.period_ns) + 1
            check_frames(num_frames, contract)
            return end_ns, num_frames
        from_start_ns = self.start_ns + (self.num_frames - 1) * self.period_ns
        if self.end_ns and abs(self.end_ns - from_start_ns) > self.period_ns // 2:
            raise AnyviewError(
                "invalid_times",
                f"{self.num_frames} frames from {seconds(self.start_ns)} end at "
                f"{seconds(from_start_ns)}, end_time says {seconds(self.end_ns)}; leave one of "
                "start_time, end_time and num_frames at 0",
            )
        return from_start_ns, self.num_frames


def check_order(start_ns: int, end_ns: int) -> None:
    """Refuse a clip that ends before it begins, or lies before time 0.

    Raises:
        AnyviewError: `invalid_times`.
    """
    if min(start_ns, end_ns) < 0 or start_ns >= end_ns:
        raise AnyviewError(
            "invalid_times",
            f"times must not be negative and end_time must be after start_time, got start_time "
            f"{seconds(start_ns)} and end_time {seconds(end_ns)}",
        )


def check_frames(num_frames: int, contract: Contract) -> None:
    """Refuse a length that the model does not make.

    Raises:
        AnyviewError: `invalid_num_frames`.
    """
    if num_frames not in contract.frames:
        raise AnyviewError(
            "invalid_num_frames",
            f"model '{contract.name}' makes clips of {' or '.join(map(str, contract.frames))} "
            f"frames, got {num_frames}; longer sequences are not available in this version",
        )
