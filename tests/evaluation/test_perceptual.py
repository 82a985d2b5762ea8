"""ST-LPIPS is the published one, and the metric is named for what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyview_ros.evaluation import perceptual as p

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


def test_lpips_vgg_is_taken_where_all_its_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anyview_ros.training import feature_distance

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert p.metric_name() == p.ST_LPIPS
    heads = tmp_path / p.VGG_HEADS
    heads.parent.mkdir(parents=True)
    heads.touch()
    monkeypatch.setattr(feature_distance, "in_wheel", lambda package, file: tmp_path / file)
    assert p.metric_name() == p.ST_LPIPS
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / p.VGG_FILE).touch()
    assert p.metric_name() == p.LPIPS_VGG


def test_lpips_vgg_is_that_of_the_paper(tmp_path: Path) -> None:
    """Against the network as torch's own layers, with random weights of VGG's names and shapes."""
    from anyview_ros.training.feature_distance import lpips_vgg

    torch.manual_seed(0)
    network, taps = vgg(), (3, 8, 15, 22, 29)
    widths = (64, 128, 256, 512, 512)
    heads = {f"lin{k}.model.1.weight": torch.rand(1, w, 1, 1) for k, w in enumerate(widths)}
    torch.save({f"features.{k}": v for k, v in network.state_dict().items()}, tmp_path / "vgg")
    torch.save(heads, tmp_path / "heads")

    expected = 0.0
    features = []
    for image in (IMAGE, OTHER):
        x = torch.tensor(image / 127.5 - 1, dtype=torch.float32).permute(2, 0, 1)
        shift, scale = torch.tensor([-0.03, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.45])
        x = ((x - shift[:, None, None]) / scale[:, None, None])[None]
        outputs = []
        for k, layer in enumerate(network):
            x = layer(x)
            outputs += [torch.nn.functional.normalize(x, dim=1)] if k in taps else []
        features.append(outputs)
    for head, a, b in zip(heads.values(), *features, strict=True):
        expected += float(((a - b) ** 2 * head).sum(dim=1).mean().detach())
    found = p.Perceptual("", lpips_vgg(tmp_path / "vgg", tmp_path / "heads"))
    assert found(IMAGE[None], OTHER[None]) == pytest.approx(expected, rel=1e-4)
    assert found(IMAGE[None], IMAGE[None]) == 0


def vgg() -> Any:
    """The convolutions of VGG-16 (Simonyan and Zisserman 2015), a pooling after each block."""
    layers, channels = [], 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
        if width == 0:
            layers.append(torch.nn.MaxPool2d(2))
            continue
        layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
        channels = width
    return torch.nn.Sequential(*layers)


def test_without_any_weights_there_is_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p, "find_spec", lambda name: None)
    assert p.metric_name() == p.NONE
    assert p.load(p.NONE) is None
