"""What a model must show on worlds to be one, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from anyview_ros.evaluation.baselines import (
    COPY,
    DEPTH_WARP,
    GROUND_WARP,
    MEAN_COLOUR,
    MEAN_IMAGE,
)
from anyview_ros.evaluation.evaluation import OTHER_SEED, WRONG_POSE, WRONG_SOURCE
from anyview_ros.evaluation.results import Table

PLAIN = (
    COPY,
    MEAN_IMAGE,
    MEAN_COLOUR,
    GROUND_WARP,
)  # baselines that know no more
POSE_COST_DB, SOURCE_COST_DB = 1.0, 2.0
LEAST_SHARPNESS = 0.5
SAME_LAYOUT = 0.9  # correlation of two seeds' thumbnails


def shortfalls(table: Table, model: str) -> list[str]:
    """Return sentences for what is not reached, none for a model that shows everything.

    Args:
        table: of a group of synthetic splits.
        model: name of the model's row.
    """
    return [*_margins(table, model), *_absolute(table, model)]


def _margins(table: Table, model: str) -> Iterator[str]:
    needed = [("psnr", name) for name in PLAIN]
    needed += [("hidden_psnr", name) for name in (GROUND_WARP, DEPTH_WARP)]
    needed += [("covisible_psnr", GROUND_WARP)]
    for figure, name in needed:
        own, other = table[model].get(figure), table.get(name, {}).get(figure)
        if own is not None and other is not None and not own > other:
            yield f"{figure} {own:.2f} must be above that of '{name}' ({other:.2f})"
    for name, least in ((WRONG_POSE, POSE_COST_DB), (WRONG_SOURCE, SOURCE_COST_DB)):
        cost = table.get(name, {}).get("cost_db")
        if cost is not None and not cost >= least:
            yield f"'{name}' costs {cost:.2f} dB, must cost at least {least:g}"


def _absolute(table: Table, model: str) -> Iterator[str]:
    sharp = table[model].get("sharpness")
    if sharp is not None and not sharp >= LEAST_SHARPNESS:
        yield f"sharpness {sharp:.2f} must be at least {LEAST_SHARPNESS}"
    layout = table.get(OTHER_SEED, {}).get("layout_correlation")
    if layout is not None and not layout >= SAME_LAYOUT:
        yield f"two seeds' layouts correlate by {layout:.2f}, must be at least {SAME_LAYOUT}"


def notes(groups: Mapping[str, Table], model: str) -> list[str]:
    """Return the shortfalls of every group, with its name."""
    return [
        f"{group}: {text}" for group, table in groups.items() for text in shortfalls(table, model)
    ]


def scores(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest's form of a run on worlds: figures of each kind of world."""
    suite = content["suite"]
    return {
        "metric": "anyview bench --worlds, means over episodes and splits; PSNR in dB",
        "world_seeds": suite["seeds"],
        "splits": suite["splits"],
        "perceptual": content["perceptual"],
        "model": next(iter(content["speeds"])),
        "episodes": len(content["episodes"]),
        "kinds": content["groups"],
    }
