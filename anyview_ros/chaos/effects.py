"""What a relay makes of the messages that pass it: dropped, doubled, late, damaged, of other times.

Pure: messages in, messages out; it reads and writes the fields of ROS messages and imports none.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from anyview_ros.imaging.message_fields import stamp_ns

Kind = Literal["image", "info", "tf", "static", "clock"]
STAMPED: tuple[Kind, ...] = ("image", "info", "tf", "clock")  # static transforms have no time
FAR_M = 50.0  # that the second publisher of a frame disagrees with the first


@dataclass(frozen=True)
class Passed:
    """A message that goes on.

    Args:
        is_whole: whether a frame may be made of it; not of what is damaged or comes twice.
        is_placed: whether its camera is where TF says.
        delay_s: from now.
    """

    message: Any
    is_whole: bool = True
    is_placed: bool = True
    delay_s: float = 0.0


# Of a kind of message, its camera (empty for TF and clock), and the message.
Effect = Callable[[Kind, str, Any], Iterator[Passed]]


def passed_on(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
    """Change nothing."""
    yield Passed(message)


def dropping(kinds: Collection[str], share: float = 1.0, cameras: Collection[str] = ()) -> Effect:
    """Drop a share of the messages; of these cameras, or of all."""
    rng = random.Random(0)

    def effect(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        concerned = kind in kinds and (not cameras or camera in cameras)
        if not (concerned and rng.random() < share):
            yield Passed(message)

    return effect


def doubling(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
    """Send every image and camera info twice."""
    yield Passed(message)
    if kind in ("image", "info"):
        yield Passed(message, is_whole=False)


def reordering(late_s: float) -> Effect:
    """Send every second image so late that the next one overtakes it."""
    counts: dict[str, Iterator[int]] = {}

    def effect(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        late = kind == "image" and next(counts.setdefault(camera, itertools.count())) % 2 == 1
        yield Passed(message, delay_s=late_s if late else 0.0)

    return effect


def delaying(kinds: Collection[str], late_s: float) -> Effect:
    """Send these kinds of messages late, in their order."""

    def effect(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        yield Passed(message, delay_s=late_s if kind in kinds else 0.0)

    return effect


def damaging_images() -> Effect:
    """Damage every second image, each time in another way."""
    ways = itertools.cycle((_cut, _of_no_encoding, _of_no_size, _huge, _of_no_frame, _of_no_time))
    counts: dict[str, Iterator[int]] = {}

    def effect(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        if kind == "image" and next(counts.setdefault(camera, itertools.count())) % 2 == 1:
            next(ways)(message)
            yield Passed(message, is_whole=False)
        else:
            yield Passed(message)

    return effect


def damaging_infos() -> Effect:
    """Damage every camera info, each time in another way; images come as they are."""
    ways = itertools.cycle((_of_no_focus, _of_no_number, _of_no_model, _of_another_size))

    def effect(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        if kind == "info":
            next(ways)(message)
        yield Passed(message)

    return effect


def shifting(by_ns: int) -> Effect:
    """Move the time of everything that has one."""

    def effect(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        if kind in STAMPED:
            shift(kind, message, by_ns)
        yield Passed(message)

    return effect


def looping(length_ns: int) -> Effect:
    """Repeat the time of the first seconds, as a recording that is played in a loop."""
    began: list[int] = []

    def effect(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        if kind in STAMPED and (now := times_of(kind, message)):
            began.append(now) if not began else None
            loops = (now - began[0]) // length_ns
            shift(kind, message, -loops * length_ns)
        yield Passed(message)

    return effect


def contradicting(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
    """Add a second opinion on where every frame of /tf is, a little later."""
    yield Passed(message, is_placed=False)
    if kind == "tf":
        other = copy.deepcopy(message)
        for transform in other.transforms:
            transform.transform.translation.x += FAR_M
        yield Passed(other)


def times_of(kind: Kind, message: Any) -> int:
    """Return the time of a message in nanoseconds; 0 where it has none."""
    if kind == "clock":
        return stamp_ns(message.clock)
    if kind == "tf":
        return max((stamp_ns(each.header.stamp) for each in message.transforms), default=0)
    return stamp_ns(message.header.stamp)


def shift(kind: Kind, message: Any, by_ns: int) -> None:
    """Move the time of a message in place, not below 1 ns; no time stays none."""
    times = [message.clock] if kind == "clock" else []
    times += [each.header.stamp for each in getattr(message, "transforms", ())]
    times += [message.header.stamp] if kind in ("image", "info") else []
    for time in times:
        if now := stamp_ns(time):
            time.sec, time.nanosec = divmod(max(1, now + by_ns), 1_000_000_000)


def _cut(image: Any) -> None:
    image.data = image.data[: len(image.data) // 2]


def _of_no_encoding(image: Any) -> None:
    image.encoding = "none of them"


def _of_no_size(image: Any) -> None:
    image.height = 0


def _huge(image: Any) -> None:
    image.width = image.height = 2**32 - 1


def _of_no_frame(image: Any) -> None:
    image.header.frame_id = ""


def _of_no_time(image: Any) -> None:
    image.header.stamp.sec = image.header.stamp.nanosec = 0


def _of_no_focus(info: Any) -> None:
    info.k = [0.0] * 9
    info.p = [0.0] * 12


def _of_no_number(info: Any) -> None:
    info.k = [float("nan")] * 9
    info.p = [float("nan")] * 12


def _of_no_model(info: Any) -> None:
    info.distortion_model, info.d = "none of them", [0.5] * 3


def _of_another_size(info: Any) -> None:
    info.width, info.height = info.width + 7, info.height * 2
