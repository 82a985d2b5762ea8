"""The camera infos of a recording's camera, and what is odd about them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anyview_ros.datasets.bag import Bag, RecordedMessage
from anyview_ros.datasets.bag_choice import (
    INFO_TYPE,
    CameraOptions,
    ChosenCamera,
    calibration_path,
)
from anyview_ros.datasets.calibration_file import read_calibration
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import Rectify, image_size, lens_from_info
from anyview_ros.imaging.lenses import Lens

MOST_BLACK = 0.3  # of a rectified picture; a fisheye's corners are less
OFF_CENTRE = 0.25  # of the image's side
STAMP_END = 12  # bytes of a message: four of CDR, then the stamp
PROBE_SIDE = 32  # pixels; the rectified picture is tried out at this size


@dataclass(frozen=True)
class Infos:
    """The camera infos of one camera.

    Args:
        camera: its name.
        topic: of its images.
        rectify: see `camera_info.declared_rectified`.
        any_frame: whether infos may name another frame than the images, for a user named it.
        stamps_ns: increasing.
        messages: in that order.
    """

    camera: str
    topic: str
    rectify: Rectify
    any_frame: bool
    stamps_ns: Sequence[int]
    messages: Sequence[Any]

    def lens(self, stamp_ns: int, frame_id: str) -> Lens:
        """Return the lens of the info with this stamp, else the last before it, else the first.

        Raises:
            AnyviewError: `no_camera_info`, `frame_id_mismatch`, `invalid_camera`; those of
                `lens_from_info`.
        """
        if not self.messages:
            raise AnyviewError(
                "no_camera_info",
                f"no camera info was recorded for '{self.topic}'; {self._calibrated()}",
            )
        info = self._info(stamp_ns)
        info_frame = info.header.frame_id.removeprefix("/")  # empty: that of the image
        if info_frame and info_frame != frame_id and not self.any_frame:
            raise AnyviewError(
                "frame_id_mismatch",
                f"image and camera info must name one frame, got '{frame_id}' and '{info_frame}'; "
                f"name the right one, as in -p {self.camera}.frame_id:={frame_id or info_frame}",
            )
        if not (info.width and info.height):
            raise AnyviewError(
                "invalid_camera",
                f"the camera info of '{self.topic}' says {info.width}x{info.height}, a calibration "
                f"without the image's size; {self._calibrated()}",
            )
        try:
            return lens_from_info(info, self.rectify, self.topic)
        except AnyviewError as error:
            raise AnyviewError(error.code, f"{error.message}; or {self._calibrated()}") from None

    def size_mismatch(self, stamp_ns: int, size: tuple[int, int]) -> AnyviewError:
        """Return the error for an image of another (width, height) than its camera info says."""
        info = self._info(stamp_ns)
        roi, (width, height) = info.roi, image_size(info)
        of = f" of {info.width}x{info.height}"
        if roi.width or roi.height:
            of += f", region of interest {roi.width}x{roi.height}+{roi.x_offset}+{roi.y_offset}"
        if max(info.binning_x, info.binning_y) > 1:
            of += f", binning {info.binning_x}x{info.binning_y}"
        text = f"{width}x{height}" + ("" if of == f" of {width}x{height}" else f" ({of[1:]})")
        return AnyviewError(
            "size_mismatch",
            f"an image is {size[0]}x{size[1]}, its camera info says {text}; {self._calibrated()}",
        )

    def _info(self, stamp_ns: int) -> Any:
        return self.messages[max(bisect_right(self.stamps_ns, stamp_ns) - 1, 0)]

    def _calibrated(self) -> str:
        return f"give a calibration file, as in -p {self.camera}.camera_info_url:=front.yaml"


def recorded_infos(
    bag: Bag, name: str, camera: ChosenCamera, own: CameraOptions, changes_only: bool = False
) -> Infos:
    """Read the camera infos of a camera, or the calibration file in their place.

    Args:
        changes_only: leave out those that say the same as the one recorded before.

    Raises:
        AnyviewError: `invalid_calibration`.
    """
    any_frame = bool(own.frame_id)
    calibration = calibration_path(own)
    if calibration is not None:
        info = read_calibration(calibration)
        return Infos(name, camera.topic, own.rectify or "auto", any_frame, [0], [info])
    infos = []
    found = (one for one in bag.recorded({camera.info_topic}) if one.message_type == INFO_TYPE)
    changes = _changes(found) if changes_only else found
    for recorded in sorted(changes, key=lambda info: info.stamp_ns):
        try:
            infos.append((recorded.stamp_ns, bag.message(recorded)))
        except AnyviewError as error:
            bag.note(error.message)
    stamps, messages = [stamp for stamp, _ in infos], [message for _, message in infos]
    return Infos(name, camera.topic, own.rectify or "auto", any_frame, stamps, messages)


def _changes(infos: Iterable[RecordedMessage]) -> Iterator[RecordedMessage]:
    before = memoryview(b"")
    for info in infos:
        said = info.content[STAMP_END:]
        if said != before:
            yield info
        before = said


def calibration_doubt(lens: Lens) -> str:
    """Return what looks wrong about a calibration that can be used; empty if nothing does."""
    doubts, raw = [], lens.raw
    if not lens.is_pinhole:
        _, _, seen = lens.source_pixels(lens.camera.resized(PROBE_SIDE, PROBE_SIDE))
        if 1 - seen.mean() > MOST_BLACK:
            doubts.append(f"{100 * (1 - seen.mean()):.0f} % of the rectified picture is black")
    if max(abs(raw.cx / raw.width - 0.5), abs(raw.cy / raw.height - 0.5)) > OFF_CENTRE:
        doubts.append(
            f"the optical centre ({raw.cx:.0f}, {raw.cy:.0f}) is far from the middle of "
            f"{raw.width}x{raw.height}"
        )
    return " and ".join(doubts)
