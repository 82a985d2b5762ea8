"""Real footage as a camera: frames with the times they were taken at, and poses from a file."""

from __future__ import annotations

import codecs
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, cast

import av
import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError, cause
from anyview_ros.geometry import slerp, transform_from_pose
from anyview_ros.media.images import by_number, read_photograph

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
MAX_SECONDS = 9e9  # 2**63 ns: what a stamp can hold


class Footage(Protocol):
    """Frames in time order. Times are nanoseconds on the footage's own clock."""

    size: tuple[int, int]
    """Width and height of the first frame in pixels; those of others may differ."""

    joints: list[str]
    """Where times were found to start again, filled while frames are read."""

    def frames(self, period_ns: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Time and (H, W, 3) RGB of the frame nearest to each multiple of `period_ns`.

        Every frame keeps the time it was taken at; none comes twice. Footage slower than the
        grid is passed on whole. Where times start again, they go on after a gap.
        """
        ...


def open_footage(path: Path, period_ns: int) -> Footage:
    """A video file, or a folder of images.

    Args:
        path: file or folder. Images are taken in order of the numbers in their names. Names
            that are times in seconds with a decimal point (`1305031102.175304.png`, as in TUM's
            sets) are their times.
        period_ns: time between two images whose names are not times.

    Raises:
        AnyviewError: `no_such_file`, `unreadable_video`.
    """
    if not path.exists():
        raise AnyviewError("no_such_file", f"there is no video file or folder of images '{path}'")
    return ImageFolder(path, period_ns) if path.is_dir() else VideoFile(path)


class VideoFile:
    """A video file, decoded by FFmpeg, turned upright as its display matrix says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.joints: list[str] = []
        first = next(self._decoded(), None)
        if first is None:
            raise AnyviewError("unreadable_video", f"'{path}' holds no video frame")
        height, width = _upright(first[1]).shape[:2]
        self.size = (width, height)

    def frames(self, period_ns: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        self.joints = []
        forward = going_on(self._decoded(), period_ns, self.joints.append)
        for time_ns, frame in nearest_to_grid(forward, period_ns):
            yield time_ns, _upright(frame)

    def _decoded(self) -> Iterator[tuple[int, av.VideoFrame]]:
        try:
            # What a file says of its title and of its making may be no text.
            with av.open(self._path, metadata_errors="replace") as container:
                if not container.streams.video:
                    raise AnyviewError("unreadable_video", f"'{self._path}' has no video stream")
                for frame in container.decode(video=0):
                    yield self._time_ns(frame), frame
        except AnyviewError:
            raise
        except Exception as error:  # whatever PyAV throws at a damaged file
            said = error.strerror if isinstance(error, av.FFmpegError) else cause(error)
            raise AnyviewError(
                "unreadable_video",
                f"'{self._path}' cannot be decoded as video ({said}); "
                "give a video file that FFmpeg plays, or a folder of images",
            ) from None

    def _time_ns(self, frame: av.VideoFrame) -> int:
        if frame.pts is None or frame.time_base is None:
            raise AnyviewError(
                "unreadable_video",
                f"'{self._path}' holds no frame times (a raw stream?); put it into a container "
                "first: ffmpeg -i VIDEO -c copy video.mp4",
            )
        return round(Fraction(frame.pts) * frame.time_base * 1_000_000_000)


class ImageFolder:
    """Images of one size in order of the numbers in their names."""

    def __init__(self, path: Path, period_ns: int) -> None:
        self.joints: list[str] = []
        images = (f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
        files = sorted(images, key=by_number)
        if not files:
            raise AnyviewError(
                "unreadable_video",
                f"the folder '{path}' holds no image ({', '.join(IMAGE_SUFFIXES)})",
            )
        times = [_time_in_name(f) for f in files]
        if None in times:
            times = [k * period_ns for k in range(len(files))]
        self._entries = sorted(zip(cast(list[int], times), files, strict=True))
        height, width = _read_image(files[0]).shape[:2]
        self.size = (width, height)

    def frames(self, period_ns: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for time_ns, file in nearest_to_grid(iter(self._entries), period_ns):
            image = _read_image(file)
            if image.shape[1::-1] != self.size:
                raise AnyviewError(
                    "unreadable_video",
                    f"all images need the size of the first, {self.size[0]}x{self.size[1]}; "
                    f"'{file}' is {image.shape[1]}x{image.shape[0]}",
                )
            yield time_ns, image


@dataclass(frozen=True)
class Trajectory:
    """Poses of the camera over time.

    Args:
        times_ns: increasing, on the footage's own clock.
        world_from_cam: (N, 4, 4), optical frame to fixed frame.
    """

    times_ns: tuple[int, ...]
    world_from_cam: NDArray[np.float64]

    def at(self, time_ns: int) -> NDArray[np.float64] | None:
        """world_from_cam (4, 4), interpolated; None before the first and after the last pose.

        A single pose holds at all times.
        """
        if len(self.times_ns) == 1:
            return cast(NDArray[np.float64], self.world_from_cam[0])
        if not self.times_ns[0] <= time_ns <= self.times_ns[-1]:
            return None
        after = min(bisect_right(self.times_ns, time_ns), len(self.times_ns) - 1)
        t0, t1 = self.times_ns[after - 1], self.times_ns[after]
        poses = self.world_from_cam
        return slerp(poses[after - 1], poses[after], (time_ns - t0) / (t1 - t0))


def read_trajectory(path: Path) -> Trajectory:
    """Read poses in TUM's format: `timestamp tx ty tz qx qy qz qw` a line, `#` for comments.

    The timestamp is in seconds on the footage's own clock, where a video file starts at the time
    of its first frame (usually 0). The pose is that of the optical frame (x right, y down,
    z forward) in the fixed frame (z up, ground at z = 0), in metres.

    Raises:
        AnyviewError: `no_such_file`, `invalid_poses` with the line.
    """
    if not path.is_file():
        raise AnyviewError("no_such_file", f"there is no file of poses '{path}'")
    rows: list[tuple[int, NDArray[np.float64]]] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        rows.append(_read_pose(f"{path}:{number}", line))
        if len(rows) > 1 and rows[-1][0] <= rows[-2][0]:
            raise AnyviewError("invalid_poses", f"{path}:{number}: timestamps must increase")
    if not rows:
        raise AnyviewError("invalid_poses", f"'{path}' holds no pose; see docs/video.md")
    return Trajectory(tuple(t for t, _ in rows), np.stack([pose for _, pose in rows]))


def going_on(
    frames: Iterator[tuple[int, Any]], period_ns: int, on_joint: Callable[[str], object]
) -> Iterator[tuple[int, Any]]:
    """Yield frames whose times go on where they start again, as in clips joined by `cat`.

    A time that lies more than a period before the last starts again. Its frame is put on the grid
    two periods later, so that no clip reaches across the joint.

    Args:
        frames: time in nanoseconds, and anything.
        on_joint: called with what happened and when.
    """
    first_ns = last_ns = shift_ns = 0
    for k, (own_ns, frame) in enumerate(frames):
        if k == 0:
            first_ns = last_ns = own_ns
        time_ns = own_ns + shift_ns
        if last_ns - time_ns > period_ns:
            index = (last_ns - first_ns + period_ns // 2) // period_ns
            on_joint(f"after {last_ns / 1e9:.3f} s times start again at {own_ns / 1e9:.3f} s")
            time_ns = first_ns + (index + 2) * period_ns
            shift_ns = time_ns - own_ns
        last_ns = max(last_ns, time_ns)
        yield time_ns, frame


def nearest_to_grid(frames: Iterator[tuple[int, Any]], period_ns: int) -> Iterator[tuple[int, Any]]:
    """For each multiple of the period after the first frame, the frame nearest to it.

    At most one frame a grid point, within half a period of it, with its own time: the rule by
    which clips are chosen later. Frames that go back in time are dropped.
    """
    first_ns: int | None = None
    best: tuple[int, int, int, Any] | None = None  # grid index, distance, time, frame
    for time_ns, frame in frames:
        first_ns = time_ns if first_ns is None else first_ns
        index = (time_ns - first_ns + period_ns // 2) // period_ns
        distance = abs(time_ns - first_ns - index * period_ns)
        if best is not None:
            if time_ns <= best[2] or (index == best[0] and distance >= best[1]):
                continue
            if index != best[0]:
                yield best[2], best[3]
        best = (index, distance, time_ns, frame)
    if best is not None:
        yield best[2], best[3]


def _read_pose(place: str, line: str) -> tuple[int, NDArray[np.float64]]:
    fields = line.split()
    try:
        numbers = [float(field) for field in fields]
        if len(numbers) != 8:
            raise ValueError(f"{len(numbers)} numbers")
        pose = transform_from_pose(numbers[1:4], numbers[4:8])
        return _nanoseconds(fields[0]), pose
    except ValueError as error:  # AnyviewError of an invalid pose too
        raise AnyviewError(
            "invalid_poses",
            f"{place}: need 'timestamp tx ty tz qx qy qz qw', got '{line.strip()}' ({error})",
        ) from None


def _text(path: Path) -> str:
    """Return a text in UTF-8, or in UTF-16 as PowerShell writes it, by its byte order mark."""
    written = path.read_bytes()
    is_utf16 = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = written.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # UTF-16 without its mark, UTF-32
        raise AnyviewError("invalid_poses", f"'{path}' must be text in UTF-8; save it as such")
    return text


def _time_in_name(file: Path) -> int | None:
    """Nanoseconds of a name like `1305031102.175304`; a plain number is a count, not a time."""
    try:
        return _nanoseconds(file.stem) if "." in file.stem else None
    except ValueError:
        return None


def _nanoseconds(seconds: str) -> int:
    """Return the time in a decimal number of seconds, exactly; ValueError for what is none.

    Not by Fraction, which makes an integer of a billion digits from `1e999999999`.
    """
    if not abs(float(seconds)) <= MAX_SECONDS:  # nor where it is not a number
        raise ValueError(f"{seconds:.60} is no time in seconds")
    try:
        return round(Decimal(seconds) * 1_000_000_000)
    except ArithmeticError:  # an exponent that Decimal does not have
        raise ValueError(f"{seconds:.60} is no time in seconds") from None


def _upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    rgb = cast(NDArray[np.uint8], frame.to_ndarray(format="rgb24"))
    return np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90))


def _read_image(file: Path) -> NDArray[np.uint8]:
    try:
        return read_photograph(file)
    except AnyviewError as error:
        reason = error.message.rpartition(";")[0]  # what to do about a scene follows
        raise AnyviewError("unreadable_video", f"{reason}; restore or remove it") from None
