"""What the node was sent, and whether what it publishes can have come of it.

Pure. A thumbnail of each image that was sent tells afterwards which of them a published one shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = (16, 9)
REMEMBERED = 3000  # images of a camera: five minutes at 10 Hz, more than any buffer keeps
SETTLED_S = 2.0  # after which all parts of a frame have come, and a subscription hears everything
PARTS = IMAGE, CAMERA, ORIGIN = "image", "camera info", "origin"  # of a frame
CLIP_NS = 1_000_000_000  # within which frames are made of one another: a clip of 9 at 10 Hz
NEAR_NS = 500_000_000  # frames of one latent frame show one instant: 4 of 10 Hz, and half a period
# A picture is stale if an older one explains it so much better than any of its own time does.
STALE_FACTOR, STALE_MARGIN = 2.0, 0.02

Thumbnail = NDArray[np.float32]


def thumbnail(rgb: NDArray[np.uint8]) -> Thumbnail:
    """Return (9, 16) of an image's (H, W, 3): grey, without its brightness and contrast.

    Of length 1: the product of two is 1 for equal pictures, 0 for those that have nothing in
    common.
    """
    grey = cv2.resize(rgb, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32).mean(axis=2)
    grey -= grey.mean()
    return np.asarray(grey / max(float(np.linalg.norm(grey)), 1e-6), np.float32)


class SentFrames:
    """The last images of one camera that a frame may be made of. Not thread-safe."""

    def __init__(self) -> None:
        self._pictures = np.zeros((REMEMBERED, THUMBNAIL[0] * THUMBNAIL[1]), np.float32)
        self._stamps = np.zeros(REMEMBERED, np.int64)  # 0 where there is none yet
        self._when_s = np.zeros(REMEMBERED)
        self._times: Counter[int] = Counter()
        self._sent_s: dict[int, float] = {}
        self.count = 0

    def add(self, stamp_ns: int, picture: Thumbnail | None, now_s: float) -> None:
        """Add an image as it is sent; a stamp comes again where the clock jumped back.

        Args:
            picture: None where its camera is not where TF says: a frame shows another place then.
        """
        place = self.count % REMEMBERED
        self._forget(int(self._stamps[place]))
        self._pictures[place] = np.nan if picture is None else picture.ravel()
        self._stamps[place] = stamp_ns
        self._when_s[place] = now_s
        self._times[stamp_ns] += 1
        self._sent_s[stamp_ns] = now_s
        self.count += 1

    @property
    def since_s(self) -> float:
        """Return when the oldest image was sent that is remembered; 0 while all of them are."""
        return float(self._when_s[self.count % REMEMBERED])

    def times(self, stamp_ns: int) -> int:
        """Return how often an image of that stamp was sent."""
        return self._times.get(stamp_ns, 0)

    def sent_s(self, stamp_ns: int) -> float | None:
        """Return when it was sent last, on a steady clock; None if never."""
        return self._sent_s.get(stamp_ns)

    def shown(self, stamp_ns: int, picture: Thumbnail) -> tuple[float, float, int]:
        """Return how much a picture differs from those of its time, and from the nearest other.

        Returns:
            (difference, least difference of other times, stamp of that one); 1 where there is none.
            No difference where nobody can say what a frame of that time shows.
        """
        differences = 1.0 - self._pictures @ picture.ravel()
        there, apart_ns = self._stamps > 0, np.abs(self._stamps - stamp_ns)
        if np.isnan(differences[there & (apart_ns <= CLIP_NS)]).any():
            return 0.0, 1.0, 0
        differences = np.nan_to_num(differences, nan=1.0)
        near = apart_ns <= NEAR_NS
        own = differences[there & near]
        others = np.where(there & ~near, differences, np.inf)
        other = int(others.argmin())
        least = float(min(1.0, others[other]))
        return float(own.min(initial=1.0)), least, int(self._stamps[other])

    def _forget(self, stamp_ns: int) -> None:
        if stamp_ns in self._times:
            self._times[stamp_ns] -= 1
            if not self._times[stamp_ns]:
                del self._times[stamp_ns], self._sent_s[stamp_ns]


class Published:
    """The frames of one virtual camera, held against what was sent. Not thread-safe.

    Args:
        camera: its name, for the texts.
        shows: the source at whose place it stands, so that their pictures are alike; empty: its
            pictures are not looked at.
    """

    def __init__(self, camera: str, shows: str = "") -> None:
        self.camera, self.shows = camera, shows
        self._parts: dict[int, dict[str, list[float]]] = {}  # when those of a stamp came
        self._told: set[int] = set()  # those of which parts lack
        self._began_s = 0.0
        self.count = 0

    def new_life(self, now_s: float) -> None:
        """Let stamps come again: the node was started again."""
        self._parts.clear()
        self._told.clear()
        self._began_s = now_s

    def add_info(
        self,
        stamp_ns: int,
        sources: Sequence[tuple[str, int]],
        sent: dict[str, SentFrames],
        now_s: float,
    ) -> Iterator[str]:
        """Add where a frame comes from; yield what is wrong with that.

        Args:
            sources: cameras and stamps of the frames that it was made of, the first one's first.
        """
        self.count += 1
        first, of_first = sources[0] if sources else ("", 0)
        origins = self._note(ORIGIN, stamp_ns, now_s)
        if of_first != stamp_ns:
            yield f"{self.camera}: a frame of {stamp_ns} was made of one of {of_first}"
        for name, source_ns in sources:
            if name not in sent or not sent[name].times(source_ns):
                yield f"{self.camera}: made of an image of '{name}' of {source_ns}, never sent"
        if first in sent:  # images of before are forgotten
            times = sum(came_s >= sent[first].since_s for came_s in origins)
            if times > sent[first].times(stamp_ns):
                yield f"{self.camera}: stamp {stamp_ns} was published {times} times"

    def add_image(
        self,
        stamp_ns: int,
        picture: Thumbnail | None,
        sent: dict[str, SentFrames],
        now_s: float,
    ) -> Iterator[str]:
        """Add a picture, None where there is nothing to see; yield why it is a stale one."""
        self._note(IMAGE, stamp_ns, now_s)
        if not self.shows or picture is None or self.shows not in sent:
            return
        own, other, other_ns = sent[self.shows].shown(stamp_ns, picture)
        if own > STALE_FACTOR * other + STALE_MARGIN:
            yield (
                f"{self.camera}: the frame of {stamp_ns} shows {other_ns} "
                f"(it differs by {other:.3f} from that one, by {own:.3f} from its own)"
            )

    def add_camera(self, stamp_ns: int, now_s: float) -> None:
        """Add the stamp of a camera info."""
        self._note(CAMERA, stamp_ns, now_s)

    def unpaired(self, now_s: float) -> Iterator[str]:
        """Yield what lacks of frames, once: each has an image, a camera info and an origin."""
        settled = list(self._settled(now_s))
        for name in PARTS:
            lacks = [ns for ns in settled if self._lacks(ns, name)]
            self._told |= set(lacks)
            if lacks:
                yield f"{self.camera}: {len(lacks)} frames without {name}, the first {lacks[0]}"

    def _settled(self, now_s: float) -> Iterator[int]:
        """Yield the stamps of which nothing more comes, but those that were told."""
        for stamp_ns, parts in self._parts.items():
            came_s = sorted(chain.from_iterable(parts.values()))
            begins = came_s[0] - self._began_s >= SETTLED_S
            if begins and now_s - came_s[-1] >= SETTLED_S and stamp_ns not in self._told:
                yield stamp_ns

    def _lacks(self, stamp_ns: int, name: str) -> bool:
        """Return whether a part came less often than others of a stamp."""
        parts = self._parts[stamp_ns]
        return len(parts.get(name, ())) < max(map(len, parts.values()))

    def _note(self, part: str, stamp_ns: int, now_s: float) -> Sequence[float]:
        """Note a part of a frame; return when it came, now included."""
        times = self._parts.setdefault(stamp_ns, {}).setdefault(part, [])
        times.append(now_s)
        while len(self._parts) > REMEMBERED:
            del self._parts[next(iter(self._parts))]
        return times
