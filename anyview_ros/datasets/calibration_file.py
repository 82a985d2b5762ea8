"""Calibrations as camera_calibration writes them, for recordings whose camera info is of no use."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from anyview_ros.datasets.safe_yaml import load_yaml
from anyview_ros.errors import AnyviewError, cause


def read_calibration(path: Path) -> Any:
    """A camera info, by the fields of sensor_msgs/CameraInfo, of no stamp and no frame.

    Raises:
        AnyviewError: `invalid_calibration`.
    """
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
        matrices = {
            field: [float(v) for v in values[name]["data"]]
            for field, name in (
                ("k", "camera_matrix"),
                ("d", "distortion_coefficients"),
                ("r", "rectification_matrix"),
                ("p", "projection_matrix"),
            )
        }
        if [len(matrices[field]) for field in "krp"] != [9, 9, 12]:
            raise ValueError("K and R need 9 numbers, P needs 12")
        model = values["distortion_model"]
        if not isinstance(model, str):
            raise ValueError("distortion_model must be a text")
        return SimpleNamespace(
            header=SimpleNamespace(frame_id=""),
            width=int(values["image_width"]),
            height=int(values["image_height"]),
            distortion_model=model,
            binning_x=0,
            binning_y=0,
            roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
            **matrices,
        )
    except Exception as error:  # of the disk, of YAML and of what stands in it
        raise AnyviewError(
            "invalid_calibration",
            f"'{path}' is no calibration as camera_calibration writes it ({cause(error)})",
        ) from None
