"""What is evaluated: episodes in splits, splits in groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.task import Task


@dataclass(frozen=True)
class Episode:
    """A task's place: its split, and its name, unique in the suite."""

    split: str
    name: str


class Suite(Protocol):
    """Episodes that can be read one by one, in any process."""

    @property
    def settings(self) -> dict[str, Any]:
        """Return what it is made of, for the results; runs of other settings are not continued."""
        ...

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not there to be asked, and what can be done."""
        ...

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Return the splits of each group; every split is in at least one."""
        ...

    def perceptual_frames(self, count: int) -> list[int]:
        """Return which frames of a clip get a perceptual distance."""
        ...

    def episodes(self) -> tuple[Episode, ...]: ...

    def task(self, episode: Episode) -> Task:
        """Return the task of an episode.

        Raises:
            AnyviewError: naming what is wrong with the episode.
        """
        ...

    def changed_s(self, episode: Episode) -> float:
        """Return when a file of an episode changed last, in seconds since 1970; 0 without files."""
        ...

    def control_scene(self, episode: Episode) -> Task | None:
        """Return another scene's task, for negative controls; None if the suite has none."""
        ...


def select(wanted: Sequence[str], known: Iterable[str], what: str) -> tuple[str, ...]:
    """Return `wanted`, or all that is known if nothing is wanted.

    Raises:
        AnyviewError: `unknown_<what>`.
    """
    known = tuple(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise AnyviewError(
            f"unknown_{what}",
            f"there is no {what} '{unknown[0]}'; there are: {', '.join(known) or 'none'}",
        )
    return tuple(wanted) or known
