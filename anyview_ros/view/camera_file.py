"""A virtual camera in a file of `anyview augment`, and in the command that adds it to a node."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from anyview_ros.clips.placements import FramePose
from anyview_ros.clips.virtual.camera_request import check_name
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import quaternion_xyzw
from anyview_ros.whole_file import whole_file

SERVICE = "/anyview/add_virtual_camera anyview_ros/srv/AddVirtualCamera"


def camera_fields(name: str, pose: FramePose, size: tuple[int, int], hfov: float) -> dict[str, Any]:
    """Return the fields of an anyview_ros/VirtualCamera.

    Args:
        size: (width, height) in pixels.
        hfov: horizontal field of view in radians.

    Raises:
        AnyviewError: `invalid_name`.
    """
    check_name(name)
    position = map(float, pose.frame_from_cam[:3, 3])
    orientation = quaternion_xyzw(pose.frame_from_cam)
    return {
        "name": name,
        "parent_frame": pose.frame,
        "pose": {
            "position": dict(zip("xyz", position, strict=True)),
            "orientation": dict(zip("xyzw", orientation, strict=True)),
        },
        "camera_info": {"width": size[0], "height": size[1]},
        "horizontal_fov": hfov,
    }


def write_camera(folder: Path, fields: dict[str, Any]) -> Path:
    """Write NAME.yaml into a folder, which is made; one of that name is replaced.

    Raises:
        AnyviewError: `not_writable`.
    """
    file = folder / f"{fields['name']}.yaml"
    try:
        with whole_file(file) as partial:
            partial.write_text(yaml.safe_dump({"cameras": [fields]}, sort_keys=False))
    except OSError as error:
        raise AnyviewError(
            "not_writable", f"'{file}' cannot be written ({error}); name another folder (--out)"
        ) from None
    return file


def add_command(fields: dict[str, Any]) -> str:
    """Return the command that adds a camera to a node."""
    request = yaml.safe_dump(
        {"camera": fields}, sort_keys=False, default_flow_style=True, width=10_000
    )
    return f"ros2 service call {SERVICE} {shlex.quote(request.strip())}"
