"""Ablations: each variant of a run trained alike, and measured on the same held-out scenes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from anyview_ros.engine.request import SynthesisOptions, check_sampling
from anyview_ros.evaluation.clip_metrics import sharpness, whole_clip
from anyview_ros.text_table import markdown
from anyview_ros.training.config import RunConfig
from anyview_ros.training.preview import TrainedModel, generate
from anyview_ros.training.scenes import SceneConfig, SceneViews, render_scene
from anyview_ros.whole_file import whole_file
from anyview_ros.worlds.seeds import ABLATION_SEED

Scores = dict[str, dict[str, float]]


class HeldOut:
    """Scenes of every set whose world moves, rendered once.

    Args:
        run: whose sets they are of.
        scenes: of each set.
    """

    def __init__(self, run: RunConfig, scenes: int) -> None:
        self._scenes: list[tuple[str, float, SceneViews]] = [
            (config.world, config.scene_scale, render_scene(config, ABLATION_SEED + i))
            for config in run.scenes.values()
            if isinstance(config, SceneConfig) and not config.still
            for i in range(scenes)
        ]

    def scores(self, model: TrainedModel) -> Scores:
        """Return mean PSNR in dB of each speed, and sharpness, by kind of world.

        Every view but the first is generated from the first.
        """
        rows: dict[str, list[dict[str, float]]] = {}
        for world, scale, scene in self._scenes:
            for target in range(1, len(scene.cameras)):
                figures = dict(_figures(model, scene, target, scale))
                rows.setdefault(world, []).append(figures)
        return {
            world: {name: float(np.mean([row[name] for row in figures])) for name in figures[0]}
            for world, figures in rows.items()
        }


def _figures(
    model: TrainedModel, scene: SceneViews, target: int, scale: float
) -> Iterator[tuple[str, float]]:
    truth = scene.images[target]
    for speed in model.contract.sigmas:
        method = check_sampling(model.contract, SynthesisOptions(speed))
        made = generate(model, scene, target, scale, method)
        yield f"{speed} psnr", whole_clip(made, truth)["psnr"]
        yield f"{speed} sharpness", sharpness(made, truth)


def record(file: Path, variant: str, scores: Scores) -> dict[str, Scores]:
    """Add a variant's scores to the file of results; returns all of them."""
    known: dict[str, Scores] = json.loads(file.read_text()) if file.exists() else {}
    known[variant] = scores
    with whole_file(file) as partial:
        partial.write_text(json.dumps(known, indent=2) + "\n")
    return known


def table(results: Mapping[str, Scores]) -> str:
    """Return Markdown: a row a variant, figures of each world; `-` where a variant has none."""
    columns = sorted({(w, f) for scores in results.values() for w in scores for f in scores[w]})
    rows = [["variant", *(f"{w}, {f}" for w, f in columns)]]
    for variant, scores in results.items():
        cells = [f"{scores[w][f]:.2f}" if f in scores.get(w, {}) else "-" for w, f in columns]
        rows.append([variant, *cells])
    return "\n".join(markdown(rows)) + "\n"


def trained_and_scored(
    variants: Mapping[str, RunConfig],
    out: Path,
    held_out: HeldOut,
    trained: Callable[[RunConfig, Path], TrainedModel | None],
) -> Iterator[tuple[str, dict[str, Scores]]]:
    """Train and score the variants that `out` has no results of, one after the other.

    Args:
        trained: trains a variant in a folder, going on where it stopped; None when interrupted.
    """
    results = out / "ablations.json"
    done = json.loads(results.read_text()) if results.exists() else {}
    for name, run in variants.items():
        if name in done:
            yield name, done
            continue
        model = trained(replace(run, text=f"# {name}\n{run.text}"), out / name.replace(" ", "-"))
        if model is None:
            return
        done = record(results, name, held_out.scores(model))
        yield name, done
