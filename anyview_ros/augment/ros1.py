"""A ROS 1 bag as one of ROS 2."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

from anyview_ros.datasets.bag_opening import METADATA, ROS1
from anyview_ros.datasets.bag_unpacking import bound_chunks
from anyview_ros.errors import AnyviewError, cause


def as_ros2(source: Path, converted: Path, say: Callable[[str], object]) -> Path:
    """Return a recording of ROS 2: the source itself, or what is made of a ROS 1 bag.

    Args:
        converted: folder for that; what is whole in it is taken as it is.
        say: called once where messages are converted.

    Raises:
        AnyviewError: `unreadable_bag`.
    """
    if not source.is_file():
        return source
    with source.open("rb") as file:
        if not file.read(len(ROS1)).startswith(ROS1):
            return source
    say(f"'{source}' is a ROS 1 bag: its messages are converted, not copied byte for byte")
    if not (converted / METADATA).is_file():
        shutil.rmtree(converted, ignore_errors=True)
        convert = _converter()
        with contextlib.redirect_stdout(io.StringIO()):
            convert(source, converted)
    return converted


def _converter() -> Callable[[Path, Path], None]:
    from rosbags.convert.converter import ConverterError
    from rosbags.convert.converter import convert as rosbags_convert

    bound_chunks()

    def convert(source: Path, made: Path) -> None:
        every: list[str] = []
        try:
            rosbags_convert(
                [source], made, "mcap", 9, None, "none", None, None, every, every, every, every
            )
        except OSError:
            raise
        except Exception as error:  # whatever rosbags throws at a damaged file
            is_plain = isinstance(error, ConverterError)
            said = " ".join(str(error).split())[:120] if is_plain else cause(error)
            raise AnyviewError(
                "unreadable_bag",
                f"'{source}' cannot be read: {said}; if the recorder was killed, `rosbag reindex` "
                "helps",
            ) from None

    return convert
