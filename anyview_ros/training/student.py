"""What a student of few steps is, and what its teacher shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from itertools import pairwise

from anyview_ros.errors import AnyviewError

MAX_STEPS = 4


@dataclass(frozen=True)
class DistillationConfig:
    """A distillation of any family, see `training.phased_distillation`.

    Args:
        levels: noise levels, falling, at which the student takes its steps; the first one is the
            teacher's first.
        teacher_levels: noise levels of the steps by which the teacher goes the same way, to 0.
        steps: updates.
        scenes_per_step: of an update.
        learning_rate: the highest one.
    """

    levels: tuple[float, ...]
    teacher_levels: tuple[float, ...]
    steps: int
    scenes_per_step: int
    learning_rate: float

    def __post_init__(self) -> None:
        for name in ("levels", "teacher_levels"):
            levels = getattr(self, name)
            if not _falling(levels if name == "teacher_levels" else (*levels, 0.0)):
                raise AnyviewError(
                    "invalid_levels", f"{name} must be noise levels that fall, got {list(levels)}"
                )
        if not 1 <= len(self.levels) <= MAX_STEPS:
            raise AnyviewError(
                "invalid_levels",
                f"a student takes 1..{MAX_STEPS} steps, got levels for {len(self.levels)}",
            )
        if self.levels[0] != self.teacher_levels[0] or self.teacher_levels[-1] != 0:
            raise AnyviewError(
                "invalid_levels",
                "student and teacher start at the same noise level and end at 0, got levels "
                f"{list(self.levels)} and teacher_levels {list(self.teacher_levels)}",
            )
        if min(self.steps, self.scenes_per_step, self.learning_rate) <= 0:
            raise AnyviewError(
                "invalid_config",
                "a distillation needs steps, scenes and a learning rate above 0, got "
                f"{self.steps}, {self.scenes_per_step} and {self.learning_rate:g}",
            )

    @property
    def phases(self) -> list[tuple[float, ...]]:
        """Return the teacher's way of each of the student's steps: from its level to the next
        one."""
        ends = [*self.levels[1:], 0.0]
        return [
            (level, *[s for s in self.teacher_levels if end < s < level], end)
            for level, end in zip(self.levels, ends, strict=True)
        ]

    @property
    def speeds(self) -> dict[str, tuple[float, ...]]:
        """Return the speeds: `exact` takes all steps, `draft` the first one alone, to the end."""
        speeds = {"exact": (*self.levels, 0.0)}
        if len(self.levels) > 1:
            speeds["draft"] = (self.levels[0], 0.0)
        return speeds

    def package_name(self, teacher: str, exact: tuple[float, ...]) -> str:
        """Return the package's name: the teacher's if the student takes the same steps.

        Args:
            exact: noise levels of that speed of the teacher's.
        """
        steps = self.speeds["exact"]
        return teacher if steps == exact else f"{teacher}-{len(self.levels)}step"

    @property
    def section(self) -> str:
        """Return the section of a run's TOML file with these values."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        return "\n".join(["", "[student] # made by anyview distill", *lines, ""])


@dataclass(frozen=True)
class StudentConfig(DistillationConfig):
    """Of the one-way family, see `training.distillation`.

    Args:
        teacher_step: of the checkpoint that teaches.
        look: weight of how unlike true clips answers look (see `training.perceptual_loss`) beside
            squared errors of pixels in [-1, 1]; 0 = the student learns the teacher's answers alone.
    """

    teacher_step: int
    look: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.look < 0:
            raise AnyviewError("invalid_config", f"a look of at least 0, got {self.look:g}")


def _falling(levels: tuple[float, ...]) -> bool:
    return len(levels) > 1 and all(a > b >= 0 for a, b in pairwise(levels))
