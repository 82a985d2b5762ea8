"""ST-LPIPS is the published one, and the metric is named for what it is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from anyview_ros.tools.bench import perceptual as p

torch = pytest.importorskip("torch")  # not installed over every distribution

GRID = np.arange(96)
WAVES = 128 + 100 * np.sin(GRID[:, None] * 0.21 + GRID[None, :64] * 0.33)
IMAGE = np.stack([WAVES, WAVES.T[:64].repeat(2, axis=0)[:96, :64], 255 - WAVES], axis=-1)
IMAGE = np.asarray(IMAGE, np.uint8)
OTHER = np.asarray(255 - IMAGE[::-1], np.uint8)
# Of the wheel's own code (stlpips_pytorch 0.0.2, LPIPS(net="alex", variant="shift_tolerant")).
PUBLISHED = {"other": 0.39131019, "shifted": 0.00831935, "grey": 1.08664358}


def metric() -> p.Perceptual:
    found = p.load(p.ST_LPIPS)
    assert found is not None
    return found


def test_it_is_the_published_metric() -> None:
    changed = {
        "other": OTHER,
        "shifted": np.roll(IMAGE, 1, axis=1),
        "grey": np.full_like(IMAGE, 128),
    }
    distances = {name: metric()(image[None], IMAGE[None]) for name, image in changed.items()}
    assert distances == pytest.approx(PUBLISHED, abs=1e-5)


def test_frames_whose_truth_is_black_are_left_out() -> None:
    truth = np.stack([IMAGE, np.zeros_like(IMAGE)])
    assert metric()(np.stack([IMAGE, OTHER]), truth) == 0
    assert np.isnan(metric()(OTHER[None], np.zeros_like(IMAGE)[None]))


def test_lpips_vgg_is_taken_where_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lpips` and `torchvision` alone are not enough: they would fetch VGG's weights."""
    monkeypatch.setattr(p, "find_spec", lambda name: name)
    monkeypatch.setattr(p, "_st_weights", lambda: tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert p.metric_name() == p.ST_LPIPS
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / p.VGG_FILE).touch()
    assert p.metric_name() == p.LPIPS_VGG
    monkeypatch.setitem(sys.modules, "lpips", _lpips())
    found = p.load(p.LPIPS_VGG)
    assert found is not None
    assert found(OTHER[None], IMAGE[None]) == pytest.approx(np.mean(OTHER / 127.5 - 1), abs=1e-5)


def test_without_any_weights_there_is_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p, "find_spec", lambda name: None)
    assert p.metric_name() == p.NONE
    assert p.load(p.NONE) is None


def _lpips() -> ModuleType:
    """Stands in for the package: a network whose answer is the mean of its first image."""

    class Network:
        def eval(self) -> Network:
            return self

        def __call__(self, a: Any, b: Any) -> Any:
            return a.mean(dim=(1, 2, 3), keepdim=True)

    module = ModuleType("lpips")
    module.LPIPS = lambda net, verbose: Network()  # type: ignore[attr-defined]
    return module
