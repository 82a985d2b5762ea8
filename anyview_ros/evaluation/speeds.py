"""What each speed of a package costs against `exact`, on the same clips, beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import cast

from anyview_ros import text_table
from anyview_ros.contract import DEFAULT_SPEED, Contract, Sampling, Solver
from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.engine.pipeline import Pipeline, Synthesis, SynthesisOptions
from anyview_ros.engine.sampler import schedule
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation import clip_metrics as figures
from anyview_ros.evaluation.model_card import with_section
from anyview_ros.evaluation.perceptual import Perceptual
from anyview_ros.evaluation.pose_error import pose_error
from anyview_ros.evaluation.seal import CARD
from anyview_ros.evaluation.task import Images, Task
from anyview_ros.frames import Clip, Frame, View
from anyview_ros.model.atomic_directory import replaced_directory
from anyview_ros.packages import ModelPackage, sha256_of, write_manifest
from anyview_ros.signatures import remove_signature
from anyview_ros.worlds.world import World

SECTION, TITLE = "tiers", "What each speed costs"
HEADINGS = {
    "calls": "calls",
    "seconds": "s a clip",
    "faster": "times faster",
    "psnr": "PSNR to exact dB",
    "perceptual": "perceptual to exact",
    "rotation_deg": "turned deg",
    "translation_m": "moved m",
    "truth_psnr": "PSNR to truth dB",
}
MEDIANS = ("seconds", "rotation_deg", "translation_m")
PERIOD_NS = 100_000_000  # between frames of a scene that does not say

Row = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """A clip that every speed synthesizes.

    Args:
        truth: (T, H, W, 3), None where it is not known.
        world: that was rendered, None where there is none: then the camera cannot be found.
    """

    clip: Clip
    target: View
    scene_scale: float
    truth: Images | None = None
    world: World | None = None


def trial_of(task: Task, frames: int) -> Trial:
    """Return the first clip of a task of the bench."""
    return Trial(
        Clip(task.source[:frames]),
        View(task.target.camera, task.target.world_from_cam[:frames]),
        task.scene_scale,
        task.truth[:frames],
        task.world,
    )


def trial_of_scene(folder: Path, contract: Contract) -> Trial:
    """Return the longest clip of a scene that the package takes.

    Raises:
        AnyviewError: what `SceneFolder` refuses; `invalid_num_frames` for one that is too short.
    """
    scene = SceneFolder(folder)
    whole = scene.episode()
    fitting = [frames for frames in contract.frames if frames <= len(whole.images)]
    if not fitting:
        raise AnyviewError(
            "invalid_num_frames",
            f"'{contract.name}' takes clips of {min(contract.frames)} frames or more, {folder} "
            f"has {len(whole.images)}",
        )
    count = max(fitting)
    pairs = zip(whole.images[:count], whole.source.world_from_cam, strict=False)
    source = tuple(
        Frame((k + 1) * PERIOD_NS, image, whole.source.camera, pose)
        for k, (image, pose) in enumerate(pairs)
    )
    return Trial(
        Clip(source),
        View(whole.target.camera, whole.target.world_from_cam[:count]),
        whole.scene_scale,
        None if whole.truth is None else whole.truth[:count],
    )


@dataclass(frozen=True)
class Candidate:
    """A speed that may be added to a package."""

    name: str
    sigmas: tuple[float, ...]
    sampling: Sampling


def candidate(text: str, contract: Contract) -> Candidate:
    """Parse `[NAME=]STEPS[,SOLVER[,REUSE]]`; levels as 80/20/0 may stand in place of STEPS.

    Raises:
        AnyviewError: `invalid_candidate`.
    """
    name, _, wanted = text.rpartition("=")
    levels, solver, reuse = (*wanted.split(","), "", "")[:3]
    try:
        if "/" in levels:
            sigmas = tuple(map(float, levels.split("/")))
        else:
            sigmas = schedule(contract.sigmas[DEFAULT_SPEED], int(levels))
        found = Candidate(name or wanted, sigmas, Sampling(cast(Solver, solver), float(reuse or 0)))
        with_candidates(contract, [found])
    except (ValueError, ZeroDivisionError, AnyviewError) as error:
        raise AnyviewError(
            "invalid_candidate",
            f"'{text}' must be [NAME=]STEPS[,SOLVER[,REUSE]], as fast=12,dpmpp2m or "
            f"fast=80/20/0,euler,0.05: {error}",
        ) from None
    return found


def with_candidates(contract: Contract, candidates: Iterable[Candidate]) -> Contract:
    """Return the contract with speeds added, or replaced."""
    added = list(candidates)
    return replace(
        contract,
        sigmas={**contract.sigmas, **{c.name: c.sigmas for c in added}},
        sampling={**contract.sampling, **{c.name: c.sampling for c in added}},
    )


class Measurement:
    """Asks every speed for every trial, one after the other, and sums up.

    Args:
        pipeline: of a package whose contract has the speeds.
        perceptual: None leaves that figure out.
    """

    def __init__(
        self, pipeline: Pipeline, speeds: Sequence[str], seed: int, perceptual: Perceptual | None
    ) -> None:
        self._pipeline, self._seed, self._perceptual = pipeline, seed, perceptual
        self._speeds = list(dict.fromkeys([DEFAULT_SPEED, *speeds]))
        self._rows: dict[str, list[Row]] = {speed: [] for speed in self._speeds}
        self._warm = False

    def add(self, trial: Trial) -> None:
        """Measure one trial."""
        if not self._warm:  # the first call of a session allocates
            self._synthesize(replace(trial, scene_scale=2 * trial.scene_scale), self._speeds[-1])
            self._warm = True
        made = {speed: self._synthesize(trial, speed) for speed in self._speeds}
        # The first of them made what the others share.
        condition_s = max(each.condition_s for each in made.values())
        exact = made[DEFAULT_SPEED].frames
        for speed, each in made.items():
            row: Row = {
                "calls": each.calls,
                "seconds": condition_s + each.denoise_s + each.decode_s,
                **self._against_truth(each.frames, trial),
            }
            if speed != DEFAULT_SPEED:
                row |= self._against_exact(each.frames, exact)
            self._rows[speed].append(row)

    def table(self) -> dict[str, Row]:
        """Return figures by speed: means over the trials, medians of seconds and of pose errors."""
        table = {speed: _summarize(rows) for speed, rows in self._rows.items()}
        for row in table.values():
            row["faster"] = table[DEFAULT_SPEED]["seconds"] / row["seconds"]
        return table

    def _synthesize(self, trial: Trial, speed: str) -> Synthesis:
        options = SynthesisOptions(speed=speed, seed=self._seed, scene_scale=trial.scene_scale)
        return self._pipeline.synthesize([trial.clip], trial.target, options)

    def _against_truth(self, frames: Images, trial: Trial) -> Row:
        """Return figures against what is known of the trial."""
        row: Row = {}
        if trial.truth is not None:
            row["truth_psnr"] = figures.whole_clip(frames, trial.truth)["psnr"]
        if trial.world is not None:
            row |= _camera_error(frames, trial, trial.world)
        return row

    def _against_exact(self, frames: Images, exact: Images) -> Row:
        row: Row = {"psnr": figures.whole_clip(frames, exact)["psnr"]}
        if self._perceptual is not None:
            picked = [0, len(frames) // 2, len(frames) - 1]
            row["perceptual"] = self._perceptual(frames[picked], exact[picked])
        return row


def _camera_error(frames: Images, trial: Trial, world: World) -> Row:
    """Return the pose error at the middle frame, against the target's pose."""
    k = len(frames) // 2
    turned, moved = pose_error(
        frames[k],
        world.scene_at(trial.clip.stamps_ns[k]),
        trial.target.camera,
        trial.target.world_from_cam[k],
        trial.scene_scale,
    )
    return {"rotation_deg": turned, "translation_m": moved}


def _summarize(rows: Sequence[Row]) -> Row:
    return {
        figure: (median if figure in MEDIANS else fmean)([row[figure] for row in rows])
        for figure in HEADINGS
        if rows and all(figure in row for row in rows)
    }


def lines(table: Mapping[str, Row]) -> list[str]:
    """Return the table for a terminal."""
    return text_table.aligned(_rows(table))


def markdown(table: Mapping[str, Row], note: str) -> list[str]:
    """Return the table for a card."""
    return ["", *text_table.markdown(_rows(table)), "", note, ""]


def publish(package: ModelPackage, table: Mapping[str, Row], note: str) -> str:
    """Write the table into the package's card and seal both it and the contract.

    Args:
        package: whose contract is written as it is, candidates that were taken included.
        note: how it was measured.

    Returns:
        What became of the package's signature, in words; empty where there was none.
    """
    own = {speed: row for speed, row in table.items() if speed in package.contract.sigmas}
    with replaced_directory(package.path) as made:
        card = made / CARD
        text = card.read_text() if card.is_file() else f"# {package.contract.name}\n"
        card.write_text(with_section(text, SECTION, TITLE, markdown(own, note)))
        hashes = {**package.contract.files, CARD: sha256_of(card)}
        write_manifest(made, replace(package.contract, files=hashes))
        return remove_signature(made, package.contract.name)


def _rows(table: Mapping[str, Row]) -> list[list[str]]:
    """Return the heading, then a row a speed; figures that no speed has are left out."""
    shown = [figure for figure in HEADINGS if any(figure in row for row in table.values())]
    cells = [[speed, *(_cell(f, row) for f in shown)] for speed, row in table.items()]
    return [["speed", *(HEADINGS[f] for f in shown)], *cells]


def _cell(figure: str, row: Row) -> str:
    if figure not in row:
        return ""
    digits = {"calls": ".3g", "faster": ".1f", "psnr": ".2f", "truth_psnr": ".2f"}
    return format(row[figure], digits.get(figure, ".3f"))
