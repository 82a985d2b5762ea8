"""Pictures of a run: the same questions each time, answered by the weights of the moment."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from anyview_ros.training.preview import Preview
from tests.training.tiny import tiny_run, tiny_trainer


def test_a_picture_has_source_truth_and_a_column_a_speed(tmp_path: Path) -> None:
    trainer = tiny_trainer(tiny_run())
    preview = Preview(trainer.run)
    pictures = []
    for name in ("a", "b", "c"):
        file = tmp_path / f"{name}.png"
        preview.write(file, trainer.network, trainer.codec)
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
