"""Rows of a thing's own frame, put somewhere in the world."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.worlds.render.scene import CENTER, ROTATION, Rows


def placed(rows: Rows, world_from_local: NDArray[np.float64]) -> Rows:
    """(N, COLUMNS) rows moved by a rigid (4, 4)."""
    moved = rows.copy()
    turn = world_from_local[:3, :3]
    moved[:, CENTER : CENTER + 3] = rows[:, CENTER : CENTER + 3] @ turn.T + world_from_local[:3, 3]
    rotation = rows[:, ROTATION : ROTATION + 9].reshape(-1, 3, 3)
    moved[:, ROTATION : ROTATION + 9] = (turn @ rotation).reshape(-1, 9)
    return moved
