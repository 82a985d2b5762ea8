"""Watches from outside what the node under test publishes, and holds it against its promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from anyview_ros.chaos.reported import Reported
from anyview_ros.chaos.sightings import Published, SentFrames, Thumbnail, thumbnail
from anyview_ros.demo.session import Session
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.msg import SynthesisInfo

# What waits here while Python is busy is not lost, or it would seem that the node has lost it.
DEEP = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)

# A word for frames that say that they come so much later, by the median of as many.
LATENCY, LATER_S, LATER_FRAMES = "latency_s", 0.3, 6


class Watcher:
    """Hears everything on the session's thread; the main thread waits and asks.

    Args:
        session: whose node subscribes.
        namespace: of the node under test, with its first slash.
        cameras: its virtual cameras, with the source that each shows (empty: a view of its own).
        node: its full name without the first slash.
    """

    def __init__(
        self, session: Session, namespace: str, cameras: dict[str, str], node: str
    ) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._sent: dict[str, SentFrames] = {}
        self._published = {name: Published(name, shows) for name, shows in cameras.items()}
        self._first_after: dict[str, float] = {}  # when a frame came that was sent after `_since`
        self._since_s = float("inf")
        self._broken: list[str] = []
        self.reported = Reported(node)
        self.latencies: list[float] = []
        self.usual_latency_s = float("inf")  # undisturbed
        subscribe = session.node.create_subscription
        subscribe(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        for name in cameras:
            folder = f"{namespace}/virtual/{name}"
            subscribe(SynthesisInfo, f"{folder}/synthesis_info", partial(self._on_info, name), DEEP)
            subscribe(Image, f"{folder}/image_raw", partial(self._on_image, name), DEEP)
            subscribe(CameraInfo, f"{folder}/camera_info", partial(self._on_camera, name), DEEP)

    def note_sent(
        self, camera: str, stamp_ns: int, picture: Thumbnail | None, now_s: float
    ) -> None:
        """Note a whole image that the node is sent, see `SentFrames.add`."""
        with self._changed:
            self._sent.setdefault(camera, SentFrames()).add(stamp_ns, picture, now_s)
            self._changed.notify_all()

    def sent(self, camera: str) -> int:
        """Return how many images of a camera were sent."""
        with self._changed:
            return self._sent[camera].count if camera in self._sent else 0

    def begin(self) -> None:
        """Begin a case: forget what was broken and named before."""
        with self._changed:
            self._broken.clear()
            self.latencies.clear()
            self.reported.forget()

    def expect_return(self, since_s: float) -> None:
        """Begin to wait for frames of images that are sent after a time."""
        with self._changed:
            self._first_after.clear()
            self._since_s = since_s

    def returned(self) -> dict[str, float]:
        """Return when each virtual camera showed what was sent after that time, where it did."""
        with self._changed:
            return dict(self._first_after)

    def new_life(self) -> None:
        """Let the node begin anew: it was started again."""
        with self._changed:
            self.reported.new_life()
            for each in self._published.values():
                each.new_life(time.monotonic())

    def broken(self, paired: bool = True) -> list[str]:
        """Return which promises were broken since `begin`.

        Args:
            paired: whether each frame must have all its parts; not where the node was killed.
        """
        with self._changed:
            for each in self._published.values() if paired else ():
                self._broken += each.unpaired(time.monotonic())
            return list(self._broken)

    def named(self) -> set[str]:
        """Return the words by which diagnostics named what was wrong since `begin`."""
        with self._changed:
            self.reported.look(time.monotonic())
            return set(self.reported.named)

    def counts(self) -> dict[str, int]:
        """Return how many frames each virtual camera has published."""
        with self._changed:
            return {name: each.count for name, each in self._published.items()}

    def wait(self, holds: Callable[[], bool], limit_s: float) -> bool:
        """Wait for something that messages bring about; whether it came. Raises as `Session`."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            with self._changed:
                if self._changed.wait_for(holds, min(0.5, max(0.0, deadline - time.monotonic()))):
                    return True
            self._session.check()
        return False

    def _on_info(self, name: str, info: SynthesisInfo) -> None:
        now_s, stamp = time.monotonic(), stamp_ns(info.header.stamp)
        sources = list(zip(info.sources, map(stamp_ns, info.source_stamps), strict=True))
        with self._changed:
            self._broken += self._published[name].add_info(stamp, sources, self._sent, now_s)
            self.latencies.append(float(info.latency_s))
            newest = self.latencies[-LATER_FRAMES:]
            if len(newest) == LATER_FRAMES and median(newest) > self.usual_latency_s + LATER_S:
                self.reported.named.add(LATENCY)
            first = self._sent.get(info.sources[0]) if info.sources else None
            sent_s = first.sent_s(stamp) if first else None
            if sent_s is not None and sent_s > self._since_s:
                self._first_after.setdefault(name, now_s)
            self._changed.notify_all()

    def _on_image(self, name: str, image: Image) -> None:
        picture = thumbnail(rgb_from_image(image)) if self._published[name].shows else None
        stamp = stamp_ns(image.header.stamp)
        with self._changed:
            found = self._published[name].add_image(stamp, picture, self._sent, time.monotonic())
            self._broken += found

    def _on_camera(self, name: str, info: CameraInfo) -> None:
        with self._changed:
            self._published[name].add_camera(stamp_ns(info.header.stamp), time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._changed:
            self._broken += self.reported.add(message.status, time.monotonic())
            self._changed.notify_all()
