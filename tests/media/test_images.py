"""Image files are known by their content, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anyview_ros.errors import AnyviewError
from anyview_ros.media.images import image_size, read_image

GREY = Image.fromarray(np.full((16, 32, 3), 90, np.uint8))


def test_what_others_would_run_is_refused(tmp_path: Path) -> None:
    """Pillow reads the size of an EPS by itself, and its pixels by Ghostscript."""
    GREY.save(tmp_path / "a.png", "EPS")
    with pytest.raises(AnyviewError, match="cannot be read as an image") as refused:
        image_size(tmp_path / "a.png")
    assert refused.value.code == "unreadable_image"


@pytest.mark.parametrize(("content", "shape"), [("JPEG", (4, 8, 3)), ("PNG", (16, 32, 3))])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_jpegs_alone_are_shrunk(
    name: str, content: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    GREY.save(tmp_path / name, content)
    image = read_image(tmp_path / name, (4, 5))
    assert image.shape == shape
    assert np.abs(image.astype(int) - 90).max() <= 1
