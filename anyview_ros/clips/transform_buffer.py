"""A tree of frames over time with the semantics of tf2::BufferCore, for where tf2 is not.

Pure: it reads the fields of geometry_msgs/TransformStamped and imports nothing of ROS. Followed
from tf2 (ros2/geometry2, branch jazzy: buffer_core.cpp, cache.cpp) and held to it by contract
tests that run on both: linear and slerp interpolation between two stamps, never extrapolation,
also with a single stamp; a parent per stamp, so that a frame may change its parent; static and
dynamic transforms of a frame replace each other; clearing keeps static ones; data older than the
cache is refused; of several transforms of one stamp the last to come answers.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from transforms3d.quaternions import quat2mat

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse, rigid, slerp_wxyz

if TYPE_CHECKING:
    from geometry_msgs.msg import TransformStamped


class _Link(NamedTuple):
    """A frame's parent and its pose in it.

    Args:
        wxyz: the pose's unit quaternion (4,): to find it in the matrix takes longer than all else.
    """

    parent: str
    parent_from_child: NDArray[np.float64]
    wxyz: NDArray[np.float64]


class StampedLink(NamedTuple):
    """A transform that was read and found sound: what several buffers can store."""

    child: str
    stamp_ns: int
    link: _Link


class _History:
    """Links of one frame in order of their stamps, no longer than the cache."""

    def __init__(self) -> None:
        self.stamps: list[int] = []
        self.links: list[_Link] = []

    def insert(self, stamp_ns: int, link: _Link, cache_ns: int) -> bool:
        """Insert a link; return False if its stamp is older than the cache reaches."""
        if self.stamps and stamp_ns < self.stamps[-1] - cache_ns:
            return False
        i = bisect_right(self.stamps, stamp_ns)
        if i > 0 and self.stamps[i - 1] == stamp_ns:
            self.links[i - 1] = link
            return True
        self.stamps.insert(i, stamp_ns)
        self.links.insert(i, link)
        expired = bisect_right(self.stamps, self.stamps[-1] - cache_ns - 1)
        del self.stamps[:expired], self.links[:expired]
        return True

    def at(self, child: str, stamp_ns: int) -> _Link:
        """Return the link at a time, interpolated while the parent stays the same."""
        if not self.stamps or stamp_ns > self.stamps[-1]:
            raise _waiting(child, stamp_ns, self.stamps[-1] if self.stamps else None)
        if stamp_ns < self.stamps[0]:
            raise _expired(child, stamp_ns, self.stamps[0])
        i = bisect_right(self.stamps, stamp_ns) - 1
        before = self.links[i]
        if self.stamps[i] == stamp_ns:
            return before
        after = self.links[i + 1]
        if before.parent != after.parent:
            return before
        fraction = (stamp_ns - self.stamps[i]) / (self.stamps[i + 1] - self.stamps[i])
        wxyz = slerp_wxyz(before.wxyz, after.wxyz, fraction)
        t0, t1 = before.parent_from_child[:3, 3], after.parent_from_child[:3, 3]
        between = rigid(quat2mat(wxyz), (1 - fraction) * t0 + fraction * t1)
        return _Link(before.parent, between, wxyz)


class TransformBuffer:
    """Thread-safe; lookups never wait.

    Args:
        cache_ns: age at which dynamic transforms are forgotten, behind the newest of a frame.
    """

    def __init__(self, cache_ns: int) -> None:
        self._cache_ns = cache_ns
        self._lock = threading.Lock()
        self._static: dict[str, _Link] = {}
        self._dynamic: dict[str, _History] = {}
        self._known: set[str] = set()

    def insert(self, transform: TransformStamped, static: bool) -> None:
        """Store one transform.

        Raises:
            AnyviewError: `tf_invalid` when its names or numbers make no transform, `tf_old_data`
                when it is older than the cache reaches.
        """
        self.store(stamped_link(transform), static)

    def store(self, stamped: StampedLink, static: bool) -> None:
        """Store one transform that was read already.

        Raises:
            AnyviewError: `tf_old_data`, as `insert`.
        """
        child, stamp, link = stamped
        with self._lock:
            self._known |= {child, link.parent}
            if static:
                self._dynamic.pop(child, None)
                self._static[child] = link
                return
            self._static.pop(child, None)
            history = self._dynamic.setdefault(child, _History())
            if not history.insert(stamp, link, self._cache_ns):
                raise AnyviewError(
                    "tf_old_data",
                    f"transform of '{child}' is of {stamp / 1e9:.3f} s, more than "
                    f"{self._cache_ns / 1e9:.1f} s behind its newest; is there a second publisher "
                    "or a looped recording?",
                )

    def lookup(self, target_frame: str, source_frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) target_from_source at a time.

        Raises:
            AnyviewError: `tf_invalid_frame`, `tf_unknown_frame`, `tf_disconnected`, `tf_loop`,
                `tf_waiting` (newer than the newest), `tf_expired` (older than the oldest stored).
        """
        if target_frame == source_frame:
            return np.eye(4)
        with self._lock:
            for frame in (target_frame, source_frame):
                if not frame or frame.startswith("/"):
                    raise invalid_frame(frame)
                if frame not in self._known:
                    raise unknown_frame(frame, self._known)
            up_source, source_end = self._ascend(source_frame, stamp_ns)
            if target_frame in up_source:  # as of a sensor in the fixed frame: nothing to invert
                return up_source[target_frame]
            up_target, target_end = self._ascend(target_frame, stamp_ns)
        for frame, frame_from_source in up_source.items():
            if frame in up_target:
                return inverse(up_target[frame]) @ frame_from_source
        raise target_end or source_end or disconnected(target_frame, source_frame, self.frames())

    def frames(self) -> tuple[str, ...]:
        """Return the names of all frames ever seen, sorted."""
        with self._lock:
            return tuple(sorted(self._known))

    def forget(self, frame: str) -> None:
        """Forget the dynamic transforms of one frame, whose stamps begin anew."""
        with self._lock:
            if frame in self._dynamic:
                self._dynamic[frame] = _History()

    def clear(self) -> None:
        """Forget the dynamic transforms; names and static transforms stay."""
        with self._lock:
            self._dynamic = {child: _History() for child in self._dynamic}

    def _ascend(
        self, frame: str, stamp_ns: int
    ) -> tuple[dict[str, NDArray[np.float64]], AnyviewError | None]:
        """Return ancestor_from_frame from the frame to its root, and what ended that too early."""
        passed: dict[str, NDArray[np.float64]] = {}
        ancestor, ancestor_from_frame = frame, np.eye(4)
        while ancestor not in passed:
            passed[ancestor] = ancestor_from_frame
            try:
                link = self._link_at(ancestor, stamp_ns)
            except AnyviewError as end:
                return passed, end
            if link is None:
                return passed, None
            ancestor_from_frame = link.parent_from_child @ ancestor_from_frame
            ancestor = link.parent
        return passed, tf_loop(list(passed))

    def _link_at(self, child: str, stamp_ns: int) -> _Link | None:
        """Return the link of a frame to its parent at a time; None for a root."""
        if child in self._static:
            return self._static[child]
        history = self._dynamic.get(child)
        return history.at(child, stamp_ns) if history is not None else None


def stamped_link(transform: TransformStamped) -> StampedLink:
    """Return what a transform says.

    Raises:
        AnyviewError: `tf_invalid` when its names or numbers make no transform.
    """
    parent = transform.header.frame_id.removeprefix("/")
    child = transform.child_frame_id.removeprefix("/")
    if not parent or not child or parent == child:
        raise AnyviewError(
            "tf_invalid", f"a transform needs two different frames, got '{parent}' and '{child}'"
        )
    t, q = transform.transform.translation, transform.transform.rotation
    norm = math.sqrt(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w)
    if not (norm > 0 and math.isfinite(norm) and math.isfinite(t.x + t.y + t.z)):
        raise AnyviewError(
            "tf_invalid",
            f"transform from '{child}' to '{parent}' needs finite numbers and a quaternion, got "
            f"translation ({t.x}, {t.y}, {t.z}), rotation ({q.x}, {q.y}, {q.z}, {q.w})",
        )
    # Any length, as in tf2. Not `transform_from_pose`, which checks all this again: TF is frequent.
    wxyz = np.array((q.w, q.x, q.y, q.z)) / norm
    pose = rigid(quat2mat(wxyz), (t.x, t.y, t.z))
    stamp = transform.header.stamp.sec * 1_000_000_000 + transform.header.stamp.nanosec
    return StampedLink(child, stamp, _Link(parent, pose, wxyz))


def invalid_frame(frame: str) -> AnyviewError:
    return AnyviewError(
        "tf_invalid_frame",
        f"a frame's name must not be empty or start with '/', got '{frame}'; set frame_id without "
        "the slash",
    )


def unknown_frame(frame: str, known: set[str] | tuple[str, ...]) -> AnyviewError:
    there = ", ".join(sorted(known)) or "none yet"
    return AnyviewError(
        "tf_unknown_frame",
        f"no frame '{frame}' in TF, frames there are: {there}; start the node that publishes it, "
        "or name one of these",
    )


def disconnected(target: str, source: str, known: tuple[str, ...]) -> AnyviewError:
    return AnyviewError(
        "tf_disconnected",
        f"no chain of transforms connects '{source}' to '{target}', frames there are: "
        f"{', '.join(known)}; publish the missing link",
    )


def tf_loop(frames: list[str]) -> AnyviewError:
    return AnyviewError(
        "tf_loop", f"TF is not a tree, it has a loop among: {', '.join(sorted(frames))}"
    )


def _waiting(child: str, stamp_ns: int, newest_ns: int | None) -> AnyviewError:
    reached = "none has come yet" if newest_ns is None else f"the newest is of {_s(newest_ns)}"
    return AnyviewError(
        "tf_waiting", f"need the transform of '{child}' at {_s(stamp_ns)}, {reached}"
    )


def _expired(child: str, stamp_ns: int, oldest_ns: int) -> AnyviewError:
    return AnyviewError(
        "tf_expired",
        f"need the transform of '{child}' at {_s(stamp_ns)}, the oldest is of {_s(oldest_ns)}",
    )


def _s(stamp_ns: int) -> str:
    return f"{stamp_ns / 1e9:.3f} s"
