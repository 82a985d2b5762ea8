"""What a student learns in a step, whatever its network: to take several of its teacher's at once.

The teacher's way from noise to a clip is cut at the student's levels (phases, as in phased
consistency models, arXiv 2405.18407), and the student learns to make each phase in one step: its
wanted answer is the one whose step ends where the teacher's ends (progressive distillation, arXiv
2202.00512), from where the student's own steps before it have led, so that it sees in training
what it meets in use (DMD2, arXiv 2405.14867).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

from torch import Tensor

from anyview_ros.contract import Solver
from anyview_ros.engine.sampler import integrate
from anyview_ros.training.student import DistillationConfig

EARLIER_EVERY = 4  # steps, of which one is for the phases before the last one

Denoiser = Callable[[Tensor, float], Tensor]  # (y, level) -> x0


class EncodedExamples(Protocol):
    """Encoded examples: what sampling starts from, and what it may not change."""

    def start(self, level: float) -> Tensor:
        """Return y at the first level, (B, C, T', H', W')."""
        ...

    def keep_given(self, y: Tensor, moved: Tensor) -> Tensor:
        """Return `moved`, with what is given of `y` as it is there."""
        ...


@dataclass(frozen=True)
class TrainingPair:
    """One answer that a student is to learn.

    Args:
        y, level: its input, where its own steps lead.
        wanted: the answer whose one step ends where the teacher's steps end.
    """

    y: Tensor
    level: float
    wanted: Tensor


def phase_of(step: int, phases: int) -> int:
    """Return which phase a step is for: mostly the last, which has most to learn; the others in
    turn."""
    last = phases - 1
    turn, place = divmod(step, EARLIER_EVERY)
    return turn % last if last and place == 0 else last


def training_pair(
    encoded: EncodedExamples,
    own: Denoiser,
    teacher: Denoiser,
    student: DistillationConfig,
    phase: int,
    solver: Solver,
) -> TrainingPair:
    """Return what is to be learnt of a phase; call it without gradients.

    Args:
        solver: of the teacher's steps, see `engine.sampler.coefficients`.
    """
    y = student_rollout(encoded, own, student.levels[: phase + 1])
    wanted = teacher_target(encoded, teacher, y, student.phases[phase], solver)
    return TrainingPair(y, student.levels[phase], wanted)


def student_rollout(encoded: EncodedExamples, own: Denoiser, levels: Sequence[float]) -> Tensor:
    """Return y where the student's own steps lead from noise."""
    return integrate_unknown(encoded, own, encoded.start(levels[0]), levels)


def teacher_target(
    encoded: EncodedExamples, teacher: Denoiser, y: Tensor, way: Sequence[float], solver: Solver
) -> Tensor:
    """Return the answer whose one step ends where the teacher's steps end.

    A way that ends in 0 ends with the teacher's answer at the level before it: after the lowest
    level of the release that is its clean pass.
    """
    end = integrate_unknown(encoded, teacher, y, way, solver)
    left = way[-1] / way[0]
    return (end - left * y) / (1 - left)


def integrate_unknown(
    encoded: EncodedExamples,
    denoise: Denoiser,
    y: Tensor,
    levels: Sequence[float],
    solver: Solver = "euler",
) -> Tensor:
    """Return y after the sampler's steps along levels; what is given stays as it is."""

    def blend(terms: Sequence[tuple[float, Tensor]]) -> Tensor:
        moved = reduce(add, (weight * tensor for weight, tensor in terms))
        return encoded.keep_given(terms[0][1], moved)

    ended: Tensor = integrate(denoise, y, levels, solver, blend)
    return ended
