"""A recording that a command looks into, of ROS 2 or ROS 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from anyview_ros.whole_file import full_disk_named

if TYPE_CHECKING:
    from anyview_ros.datasets.bag import Bag


@contextmanager
def opened_bag(path: Path, say: Callable[[str], object] = print) -> Iterator[Bag]:
    """Yield a recording; a ROS 1 bag is converted in a temporary folder, as `say` is told.

    Raises:
        AnyviewError: `unreadable_bag`, `disk_full`.
    """
    from anyview_ros.augment.ros1 import as_ros2
    from anyview_ros.datasets.bag import Bag

    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="anyview-")))
        with full_disk_named(folder):
            converted = as_ros2(path, folder / "bag", say)
        yield stack.enter_context(Bag(converted))
