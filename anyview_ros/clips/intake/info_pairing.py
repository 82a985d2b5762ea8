"""Which camera info belongs to an image: the one of its stamp, else the latest that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import image_size
from anyview_ros.imaging.message_fields import stamp_ns

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

REMEMBERED = 64


@dataclass(frozen=True)
class ImageHeader:
    """What pairing needs to know of an image; width and height in pixels."""

    stamp_ns: int
    frame_id: str
    width: int
    height: int


class InfoPairing:
    """Remembers the last camera infos of one camera. Not thread-safe.

    A driver publishes the image, then its info, so the info of a stamp is waited for as long as
    infos do come with the stamps of images; for a camera whose infos never do, or that sends one
    info only, nothing is waited for.

    Args:
        topic: of the camera infos, for the texts of errors.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._infos: dict[int, CameraInfo] = {}  # by stamp, in order of arrival
        self._stamps = 0  # different ones that came
        self._exact = True
        self._unpaired_ns: int | None = None

    def add(self, info: CameraInfo) -> None:
        stamp = stamp_ns(info.header.stamp)
        self._exact = self._exact or stamp == self._unpaired_ns
        if self._infos.pop(stamp, None) is None:
            self._stamps += 1
        self._infos[stamp] = info
        if len(self._infos) > REMEMBERED:
            del self._infos[next(iter(self._infos))]

    def new_epoch(self) -> None:
        """Forget all infos but the last, which may be the only one ever sent."""
        for stamp in list(self._infos)[:-1]:
            del self._infos[stamp]

    def match(self, image: ImageHeader, patient: bool) -> tuple[CameraInfo, bool] | None:
        """Return the info of an image, and whether it is the one of its stamp, or the only one.

        Args:
            patient: whether the info of the stamp may still come; then None asks to wait.

        Raises:
            AnyviewError: `no_camera_info` before the first; `frame_id_mismatch`, `size_mismatch`.
        """
        if image.stamp_ns in self._infos:
            self._exact = True
            return _checked(self._infos[image.stamp_ns], image), True
        if not self._infos:
            raise AnyviewError(
                "no_camera_info",
                f"no camera info has come on '{self._topic}'; start its publisher or set the "
                "camera's camera_info_topic",
            )
        if patient and self._exact:
            return None
        self._exact, self._unpaired_ns = False, image.stamp_ns
        newest_first = list(reversed(self._infos.values()))
        fitting = (info for info in newest_first if _fits(info, image))
        return _checked(next(fitting, newest_first[0]), image), self._stamps == 1


def _fits(info: CameraInfo, image: ImageHeader) -> bool:
    return _same_frame(info, image) and image_size(info) == (image.width, image.height)


def _same_frame(info: CameraInfo, image: ImageHeader) -> bool:
    """Return whether an info names the image's frame: also by no name, or with ROS 1's slash."""
    named = info.header.frame_id.removeprefix("/")
    return named in ("", image.frame_id.removeprefix("/"))


def _checked(info: CameraInfo, image: ImageHeader) -> CameraInfo:
    if not _same_frame(info, image):
        raise AnyviewError(
            "frame_id_mismatch",
            f"image and camera info must name one frame, got '{image.frame_id}' and "
            f"'{info.header.frame_id}'; set one frame_id in the driver",
        )
    if image_size(info) != (image.width, image.height):
        width, height = image_size(info)
        raise AnyviewError(
            "size_mismatch",
            f"image is {image.width}x{image.height}, its camera info (region of interest and "
            f"binning applied) says {width}x{height}; give the driver the calibration of "
            "this resolution",
        )
    return info
