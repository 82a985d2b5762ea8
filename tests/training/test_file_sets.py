"""A run on scenes from files: which views become pairs, and that it repeats itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anyview_ros.cli.__main__ import main
from anyview_ros.datasets.scene_writer import SceneNotes, write_scene
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.training import batches
from anyview_ros.training.batches import draw_batch
from anyview_ros.training.config import RunConfig, parse_config
from anyview_ros.training.loop import LATEST, Progress, Trainer, train
from anyview_ros.training.store import open_stores, renderers
from tests.datasets.rig_bag import RigRecording
from tests.media.pictures import PERIOD_NS, frames
from tests.training.tiny import CONFIG

RENDERED = CONFIG[CONFIG.index("[scenes.street]") : CONFIG.index("[[stages]]")]
FILES = """
[scenes.street]
root = "ROOT"
scene_scale = 0.0625
frames = 5
frame_period = 0.1
size = [16, 32]

"""


def run_on(root: Path, mixture: str = "") -> RunConfig:
    """The tiny run on the scenes of a folder."""
    text = CONFIG.replace(RENDERED, FILES.replace("ROOT", str(root)))
    if mixture:
        text = (
            text[: text.index("[[stages]]")]
            + (f"[[stages]]\nuntil = 40\nmixture = {{ {mixture} = 1.0 }}\n\n")
            + text[text.index("[training]") :]
        )
    return parse_config(text)


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """Scenes of a bag with two cameras."""
    bag = RigRecording().write(tmp_path / "drive")
    arguments = ["convert", "bag", bag, "--out", tmp_path / "scenes", "--frames", "9"]
    assert main([str(argument) for argument in arguments]) == 0
    return tmp_path / "scenes"


def test_no_target_is_its_own_source(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Sequence[int], Sequence[int]]] = []
    right = batches.scene_tensors

    def seen(contract, scene, sources, targets, scale):
        drawn.append((sources, targets))
        return right(contract, scene, sources, targets, scale)

    monkeypatch.setattr(batches, "scene_tensors", seen)
    run = run_on(converted, "street")
    stores = open_stores(run, converted)
    for step in range(20):
        batch = draw_batch(run, run.contract(), stores, step)
        assert batch.target.shape == (4, 3, 5, 16, 32)
        assert batch.source.shape == (2, 3, 5, 16, 32)
    assert {(tuple(s), tuple(t)) for s, t in drawn} == {((0,), (1, 1)), ((1,), (0, 0))}


def test_scenes_of_different_rigs_have_as_many_sources(tmp_path: Path) -> None:
    notes = SceneNotes("toy", 0.0625, PERIOD_NS)
    for name, cameras in (("two", "ab"), ("three", "abc"), ("four", "abcd")):
        views = {camera: frames(5, side=k) for k, camera in enumerate(cameras)}
        write_scene(tmp_path / name, views, notes)
    run = run_on(tmp_path, "street")
    run = replace(run, training=replace(run.training, more_sources=(1.0, 1.0)))
    stores = open_stores(run, tmp_path)
    for step in range(10):
        batch = draw_batch(run, run.contract(), stores, step)
        assert len(batch.source) == 2
        assert len(batch.target) == 4


def test_a_batch_shows_what_the_scene_does(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "augment", lambda rng, scene: scene)
    run = run_on(converted, "street")
    stores = open_stores(run, converted)
    batch = draw_batch(run, run.contract(), stores, 0)
    shown = {
        view.tobytes()
        for clip in map(stores["street"].__getitem__, range(2))
        for view in clip.images
    }
    for video in batch.source:
        image = np.rint(video.numpy().transpose(1, 2, 3, 0) * 127.5 + 127.5).astype(np.uint8)
        assert image.tobytes() in shown


def test_scenes_of_one_camera_are_monocular(tmp_path: Path) -> None:
    notes = SceneNotes("toy", 0.0625, PERIOD_NS)
    write_scene(tmp_path / "s", {"camera": frames(10)}, notes)
    run = run_on(tmp_path, '"street/2d"')
    stores = open_stores(run, tmp_path)
    assert draw_batch(run, run.contract(), stores, 0).target.shape == (4, 3, 5, 16, 32)
    with pytest.raises(AnyviewError, match="can only be mixed in as 'street/2d'") as e:
        open_stores(run_on(tmp_path), tmp_path)
    assert e.value.code == "too_few_views"


def test_a_folder_without_scenes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnyviewError) as e:
        open_stores(run_on(tmp_path / "none"), tmp_path)
    assert e.value.code == "no_scenes"


@pytest.mark.parametrize("line", ["size = [16, 32]\n", "scene_scale = 0.0625\nframes"])
def test_a_section_of_files_is_checked(line: str) -> None:
    text = CONFIG.replace(RENDERED, FILES)
    assert line in text
    with pytest.raises(
        AnyviewError, match=r"\[scenes\.street\]: missing (size|frames); unknown"
    ) as e:
        parse_config(text.replace(line, line.replace("size", "sizes").replace("frames", "world")))
    assert e.value.code == "invalid_config"


def losses_of(
    root: Path,
    out: Path,
    until: int,
    resume: bool = False,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> list[float]:
    """Losses of a run that is stopped after the step `until`."""
    run = run_on(root)
    stores = open_stores(run, root)
    trainer = Trainer(run, stores, torch.device("cpu"))
    seen: list[float] = []

    def note(progress: Progress) -> None:
        seen.append(progress.loss)
        on_step(progress)

    with renderers(stores, 1):
        train(trainer, out, resume, lambda: trainer.step >= until, note)
    return seen


def test_a_resumed_run_on_a_bag_equals_one_that_never_stopped(
    converted: Path, tmp_path: Path
) -> None:
    whole = losses_of(converted, tmp_path / "whole", 8)
    parts = losses_of(converted, tmp_path / "parts", 3)
    parts += losses_of(converted, tmp_path / "parts", 8, resume=True)
    assert len(whole) == 8
    assert parts == whole


SAVING_ALWAYS = """
import sys
from pathlib import Path
from anyview_ros.training import loop
from tests.training.test_file_sets import losses_of

loop.SAVE_EVERY_S, loop.SAVING_SHARE = 0.0, float("inf")
losses_of(Path(sys.argv[1]), Path(sys.argv[2]), 30, on_step=lambda p: print(p.step, flush=True))
"""


def test_a_run_on_a_bag_that_was_killed_goes_on_with_the_same_losses(
    converted: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", SAVING_ALWAYS, str(converted), str(killed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if int(line) == 4:
                running.kill()  # SIGKILL, in the middle of whatever it does
                break
    assert running.returncode == -signal.SIGKILL
    step = read_checkpoint(killed / LATEST).step
    assert 3 <= step < 30
    after = losses_of(converted, killed, step + 4, resume=True)
    whole = losses_of(converted, tmp_path / "whole", step + 4)
    assert after == whole[step:]
