"""Many copies of rigid or walking figures, placed at one instant in a few numpy calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.worlds.render.scene import (
    CENTER,
    GROUP_FIRST,
    GROUP_LAST,
    ROTATION,
    Rows,
    bounding_groups,
)
from anyview_ros.worlds.street.people import Person

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Movers:
    """Figures in their own frames: M of them, N rows in all.

    Args:
        rows: (N, COLUMNS) at rest.
        groups: (M, GROUP_COLUMNS) at rest, wide enough for every gait.
        owners: (N,) index of the figure that a row belongs to.
        pivots, swings: (N, 3) metres and (N,) radians: row n turns about the y axis through its
            pivot by swings[n] * sin(phase of its owner).
    """

    rows: Rows
    groups: Rows
    owners: NDArray[np.int64]
    pivots: Floats
    swings: Floats

    def placed(self, x: Floats, y: Floats, yaw: Floats, phase: Floats) -> tuple[Rows, Rows]:
        """Rows and groups with figure m at (x[m], y[m]), turned by yaw[m]; all (M,)."""
        angle = self.swings * np.sin(phase[self.owners])
        turn = _yaw(yaw)[self.owners] @ _pitch(angle)
        offset = self.rows[:, CENTER : CENTER + 3] - self.pivots
        rest = np.einsum("nij,nj->ni", _yaw(yaw)[self.owners], self.pivots)
        place = np.stack([x, y, np.zeros_like(x)], axis=1)
        rows = self.rows.copy()
        rows[:, CENTER : CENTER + 3] = (
            place[self.owners] + rest + np.einsum("nij,nj->ni", turn, offset)
        )
        rotation = self.rows[:, ROTATION : ROTATION + 9].reshape(-1, 3, 3)
        rows[:, ROTATION : ROTATION + 9] = (turn @ rotation).reshape(-1, 9)
        groups = self.groups.copy()
        groups[:, :3] = place + np.einsum("mij,mj->mi", _yaw(yaw), self.groups[:, :3])
        return rows, groups


def vehicle_fleet(vehicles: Sequence[Rows]) -> Movers:
    rows = np.concatenate(vehicles)
    return _fleet([len(v) for v in vehicles], rows, np.zeros((len(rows), 3)), np.zeros(len(rows)))


def crowd(people: Sequence[Person]) -> Movers:
    return _fleet(
        [len(p.rows) for p in people],
        np.concatenate([p.rows for p in people]),
        np.concatenate([p.pivots for p in people]),
        np.concatenate([p.swings for p in people]),
    )


def _fleet(sizes: list[int], rows: Rows, pivots: Floats, swings: Floats) -> Movers:
    groups = bounding_groups(rows, sizes)
    if swings.any():
        groups[:, 3] += 0.25  # a foot swings this far out of the figure at rest
    return Movers(rows, groups, np.repeat(np.arange(len(sizes)), sizes), pivots, swings)


def stacked(parts: Sequence[tuple[Rows, Rows]]) -> tuple[Rows, Rows]:
    """One (rows, groups) of several, the groups' ranges moved along."""
    rows = np.concatenate([r for r, _ in parts])
    groups = np.concatenate([g for _, g in parts])
    starts = np.cumsum([0] + [len(r) for r, _ in parts[:-1]])
    shift = np.repeat(starts, [len(g) for _, g in parts]).astype(np.float32)
    groups[:, GROUP_FIRST] += shift
    groups[:, GROUP_LAST] += shift
    return rows, groups


def _yaw(angle: Floats) -> Floats:
    """(M, 3, 3) rotations about z."""
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 1, 0] = np.sin(angle)
    turn[:, 0, 1] = -turn[:, 1, 0]
    turn[:, 2, 2] = 1.0
    return turn


def _pitch(angle: Floats) -> Floats:
    """(N, 3, 3) rotations about y."""
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2] = np.sin(angle)
    turn[:, 2, 0] = -turn[:, 0, 2]
    turn[:, 1, 1] = 1.0
    return turn
