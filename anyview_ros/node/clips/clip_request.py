"""Requests for clips, checked and turned into values. Every refusal has a name."""

from __future__ import annotations

from anyview_ros.clips.clip_spec import ClipSpec, check_frames, check_order
from anyview_ros.clips.virtual.camera_request import (
    PERIOD_TOLERANCE,
    CameraRequest,
    camera_request,
    check_name,
)
from anyview_ros.contract import Contract
from anyview_ros.engine.pipeline import SynthesisOptions, check_sampling
from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.msg import ClipRequest, VirtualCamera
from anyview_ros.node.parameters import Settings

MAX_RETURNED_BYTES = 16_000_000  # the middleware keeps results for a while


def requested_clip(message: ClipRequest, contract: Contract) -> ClipSpec:
    """Check which clip a request is for, and how it is to be sampled.

    Raises:
        AnyviewError: `invalid_name`, `invalid_times`, `invalid_num_frames`,
            `invalid_frame_period`, `unknown_speed`, `invalid_steps`, `invalid_seed`.
    """
    check_name(message.camera.name)
    if message.seed > MAX_SEED:
        raise AnyviewError("invalid_seed", f"seed must be 0..{MAX_SEED}, got {message.seed}")
    options = SynthesisOptions(message.speed, int(message.steps), int(message.seed))
    check_sampling(contract, options)
    start_ns, end_ns = stamp_ns(message.start_time), stamp_ns(message.end_time)
    if end_ns or start_ns < 0:
        check_order(start_ns, end_ns)
    if message.num_frames:
        check_frames(message.num_frames, contract)
    period_ns = _period_ns(message.frame_period, contract)
    return ClipSpec(
        end_ns=end_ns,
        num_frames=int(message.num_frames),
        period_ns=period_ns,
        start_ns=start_ns,
        options=options,
    )


def requested_camera(message: ClipRequest, contract: Contract) -> CameraRequest | None:
    """Check the camera that a request gives whole; None if it names an added one.

    Raises:
        AnyviewError: those of `camera_request`.
    """
    whole = not _is_only_a_name(message.camera)
    return camera_request(message.camera, contract) if whole else None


def check_clip_limits(
    settings: Settings, camera: Camera, num_frames: int, uncertainty_samples: int
) -> None:
    """Refuse a clip that is more than the node's parameters allow, before anything is computed.

    Raises:
        AnyviewError: `too_large`, `too_many_samples`.
    """
    if num_frames > settings.max_clip_frames:
        raise AnyviewError(
            "too_large",
            f"a clip of {num_frames} frames was asked for, the parameter max_clip_frames allows "
            f"{settings.max_clip_frames}; ask for fewer with num_frames",
        )
    pixels = num_frames * camera.width * camera.height
    if pixels > settings.max_clip_pixels:
        raise AnyviewError(
            "too_large",
            f"{num_frames} frames of {camera.width}x{camera.height} are {pixels} pixels, the "
            f"parameter max_clip_pixels allows {settings.max_clip_pixels}; ask for a smaller image",
        )
    if uncertainty_samples > settings.max_uncertainty_samples:
        raise AnyviewError(
            "too_many_samples",
            f"uncertainty_samples {uncertainty_samples} take as many times as long, the parameter "
            f"max_uncertainty_samples allows {settings.max_uncertainty_samples}; ask for fewer",
        )


def check_answer_size(camera: Camera, num_frames: int) -> None:
    """Refuse to put into an answer what is too large for one.

    Raises:
        AnyviewError: `too_large`.
    """
    size = num_frames * camera.width * camera.height * 3
    if size > MAX_RETURNED_BYTES:
        raise AnyviewError(
            "too_large",
            f"{num_frames} frames of {camera.width}x{camera.height} are {size / 1e6:.1f} MB, an "
            f"answer holds at most {MAX_RETURNED_BYTES / 1e6:.0f} MB; listen to the topics instead "
            "of return_frames, or ask for a smaller image",
        )


def _is_only_a_name(message: VirtualCamera) -> bool:
    only_name = VirtualCamera(name=message.name)
    if message == only_name:
        return True
    # The default quaternion is w = 1; a client that zeroes what it leaves out sends w = 0.
    only_name.pose.orientation.w = 0.0
    return bool(message == only_name)


def _period_ns(frame_period: float, contract: Contract) -> int:
    period = contract.frame_period
    if frame_period != 0 and not abs(frame_period - period) <= PERIOD_TOLERANCE * period:
        raise AnyviewError(
            "invalid_frame_period",
            f"model '{contract.name}' makes frames {period:g} s apart, got frame_period "
            f"{frame_period:g}; leave it at 0",
        )
    return round(period * 1e9)
