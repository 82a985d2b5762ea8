"""What is evaluated: episodes in splits, splits in groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.task import Task


@dataclass(frozen=True)
class Episode:
    """A question's place: its split, and its name, unique in the suite."""

    split: str
    name: str


class Suite(Protocol):
    """Episodes that can be read one by one, in any process."""

    @property
    def settings(self) -> dict[str, Any]:
        """What it is made of, for the results; runs of other settings are not continued."""
        ...

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not there to be asked, and what can be done."""
        ...

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Splits of each group; every split is in at least one."""
        ...

    def perceptual_frames(self, count: int) -> list[int]:
        """Which frames of a clip get a perceptual distance."""
        ...

    def episodes(self) -> tuple[Episode, ...]: ...

    def question(self, episode: Episode) -> Task:
        """Raises:
        AnyviewError: naming what is wrong with the episode.
        """
        ...

    def stranger(self, episode: Episode) -> Task | None:
        """Another scene's question, for wrong questions; None where none are asked."""
        ...


def chosen(wanted: Sequence[str], known: Iterable[str], what: str) -> tuple[str, ...]:
    """`wanted`, or everything that is known where nothing is.

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
