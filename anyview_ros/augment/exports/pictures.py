"""Image files and calibrations as the formats share them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.media.provenance import SYNTHETIC, jpeg, save_picture

JPEG_QUALITY = 95


def write_jpeg(file: Path, image: NDArray[np.uint8], synthetic: bool) -> None:
    """Write (H, W, 3); a synthetic picture says so itself."""
    if synthetic:
        file.write_bytes(jpeg(image, SYNTHETIC, JPEG_QUALITY))
        return
    encoded = io.BytesIO()
    Pillow.fromarray(image).save(encoded, "jpeg", quality=JPEG_QUALITY)
    file.write_bytes(encoded.getvalue())


def write_png(file: Path, image: NDArray[np.uint8], synthetic: bool) -> None:
    """Write (H, W, 3) without loss; a synthetic picture says so itself."""
    if synthetic:
        save_picture(image, file, SYNTHETIC)
    else:
        Pillow.fromarray(image).save(file, "png")


class OneCalibration:
    """The one calibration that a format has for a camera.

    Attributes:
        camera: of the first frame.
    """

    camera: Camera | None = None

    def check(self, name: str, frame: Frame) -> Camera:
        """Return it.

        Raises:
            AnyviewError: `calibration_changed`.
        """
        if self.camera is None:
            self.camera = frame.camera
        if self.camera != frame.camera:
            raise AnyviewError(
                "calibration_changed",
                f"the calibration of '{name}' changes at {frame.stamp_ns / 1e9:.3f} s, and this "
                "format has one a camera; split the bag there, or take --export nuscenes=FOLDER",
            )
        return self.camera
