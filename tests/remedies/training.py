"""Remedies of training, done."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anyview_ros.training.config import parse_config
from anyview_ros.training.distillation import teacher_run
from anyview_ros.training.loop import train
from anyview_ros.training.surfaces.config import read_surfaces
from anyview_ros.worlds import pack_photographs
from anyview_ros.worlds.photograph_packages import PACKAGES
from anyview_ros.worlds.photographs import read_photographs
from tests.remedies.listed import code_of, does, is_done_by, parsed
from tests.training.test_files import NOTES, frames, opened, write_scene
from tests.training.tiny import CONFIG, tiny_run, tiny_trainer
from tests.worlds.pictures import SCIKIT, painted_photographs

ROOT = Path(__file__).parents[2]
TRAIN = ("train", "c.toml", "--out", "o")


@does("model.checkpoint", "continue with --resume")
@does("training.loop", "continue it with --resume or choose another folder")
def run_that_goes_on(folder: Path) -> None:
    def step(out: Path, *options: str) -> None:
        args = parsed("train", "c.toml", "--out", str(out), *options)
        train(tiny_trainer(tiny_run()), args.out, args.resume, lambda: True)

    step(folder / "run")
    assert code_of(step, folder / "run") == "run_exists"
    step(folder / "run", "--resume")
    step(folder / "other")


@does(
    "model.surfaces.export",
    "train one with config/training/surfaces.toml",
    "add it with 'anyview export ... --into'",
)
def surface_network(folder: Path) -> None:
    read_surfaces(ROOT / "config" / "training" / "surfaces.toml")
    assert parsed("export", "w", "--into", "p").into == "p"


@does("training.config", "train with its own config", "start anew in another folder")
def config_of_the_checkpoint(folder: Path) -> None:
    run, other = parse_config(CONFIG), parse_config(CONFIG.replace("depth = 2", "depth = 3"))
    assert code_of(other.require_same, CONFIG, parse_config) == "other_config"
    run.require_same(CONFIG, parse_config)
    train(tiny_trainer(run), folder / "other", False, lambda: True)


@does("training.distillation", "take the checkpoint it came from")
def teacher_of_a_student(folder: Path) -> None:
    teacher: Any = SimpleNamespace(config=CONFIG)
    assert teacher_run(teacher).text == CONFIG


@does("training.files", "lower the number of frames or the period")
def shorter_clips(folder: Path) -> None:
    write_scene(folder / "a", {"front": frames(11)}, NOTES)
    assert code_of(opened, folder, 9, 0.2) == "too_few_frames"
    opened(folder, 5, 0.2)
    opened(folder, 9, 0.1)


@does("training.files", "take a period of {} s")
def period_of_the_scenes(folder: Path) -> None:
    write_scene(folder / "a", {"front": frames(11)}, NOTES)
    assert code_of(opened, folder, 5, 0.149) == "unsuitable_period"
    opened(folder, 5, 0.1)


@does("training.perceptual_loss", "leave it out", "leave --look out")
def without_look(folder: Path) -> None:
    assert parsed("distill", "t", "--out", "o").look == 0


is_done_by(
    "tests/training/test_fine_tuning.py::test_a_run_begins_where_the_package_is",
    "training.loop",
    "give [network] and plane_sweep as its training.toml does",
)
is_done_by(
    "tests/training/test_surfaces.py::test_a_run_begins_where_a_package_is",
    "training.surfaces.package",
    "give [surfaces] and [network] as its surfaces.toml does",
)


@does("training.store", "ask for --renderers 1 or more")
def renderers(folder: Path) -> None:
    assert parsed(*TRAIN, "--renderers", "2").renderers == 2


@does("worlds.photographs", "write it by 'python -m anyview_ros.worlds.pack_photographs FILE.npz'")
def packed_photographs(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        read = painted_photographs(folder, patch)
        patch.setattr("sys.argv", ["pack_photographs", str(folder / "packed.npz"), *SCIKIT])
        pack_photographs.main()
        assert read_photographs((str(folder / "packed.npz"),)).digest == read.digest
    read_photographs.cache_clear()


@does("worlds.photographs", "name more packages of {}")
def all_photographs(folder: Path) -> None:
    stems = {(stem, stem in p.grown) for p in PACKAGES.values() for stem in p.materials}
    assert {is_grown for _, is_grown in stems} == {True, False}
