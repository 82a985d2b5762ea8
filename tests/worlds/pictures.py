"""Painted pictures where scikit-image would keep its own: nobody has to install it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anyview_ros.worlds.photograph_packages import PACKAGES
from anyview_ros.worlds.photographs import Photographs, read_photographs

SCIKIT = ("scikit-image",)


def painted_photographs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int = 0
) -> Photographs:
    """Lay random pictures below a folder and read them; what was read before is forgotten."""
    place = folder / "skimage" / "data"
    place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    package = PACKAGES["scikit-image"]
    for stem in (*package.materials, *package.pictures):
        coarse = rng.integers(30, 255, (16, 16, 3), np.uint8)
        cv2.imwrite(str(place / f"{stem}.png"), cv2.resize(coarse, (512, 512)))
    monkeypatch.syspath_prepend(folder)
    read_photographs.cache_clear()
    return read_photographs(SCIKIT)
