"""Pictures of a run: the same questions each time, answered by the weights of the moment."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anyview_ros.cli.train import Pictures
from anyview_ros.training.loop import Progress
from anyview_ros.training.preview import Preview, TrainedModel
from tests.training.tiny import package_with_surfaces, tiny_run, tiny_trainer, told_run


def test_a_picture_has_source_truth_and_a_column_a_speed(tmp_path: Path) -> None:
    trainer = tiny_trainer(tiny_run())
    preview = Preview(trainer.run)
    pictures = []
    for name in ("a", "b", "c"):
        file = tmp_path / f"{name}.png"
        preview.write(file, TrainedModel(trainer.contract, trainer.network, trainer.codec))
        pictures.append(np.asarray(cv2.imread(str(file))))
        if name == "b":
            with torch.no_grad():
                trainer.network.head.later.bias += 0.5
    first, again, changed = pictures
    assert first.shape == (2 * 16, 4 * 32, 3)  # two scenes; source, truth, exact, draft
    assert np.array_equal(first, again)
    assert np.array_equal(first[:, :64], changed[:, :64])
    assert (first[:, 64:] != changed[:, 64:]).mean() > 0.5
    assert not np.array_equal(first[:16], first[16:])


def test_a_run_with_composites_shows_them_to_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the cache of painted scenes
    trainer = tiny_trainer(told_run(package_with_surfaces(tmp_path / "eyes")))
    pictures = Pictures(trainer, Namespace(out=tmp_path, pictures_every=1e-9))
    pictures.add(Progress(7, 0.1, 0.1, 4))
    picture = cv2.imread(str(tmp_path / "preview-000007.png"))
    assert picture is not None
    assert picture.shape == (2 * 16, 4 * 32, 3)
    shown = sorted(file.stem for file in tmp_path.glob("shown-*/*.npz"))
    assert len(shown) == 2  # one a scene, found once for both speeds


def test_a_run_goes_on_where_a_picture_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = tiny_trainer(tiny_run())
    (tmp_path / "out").touch()  # where a folder should be
    pictures = Pictures(trainer, Namespace(out=tmp_path / "out", pictures_every=1e-9))
    pictures.add(Progress(7, 0.1, 0.1, 4))
    assert "no picture of step 7: " in capsys.readouterr().err
